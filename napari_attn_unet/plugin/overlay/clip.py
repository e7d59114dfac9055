"""Gates end on screen where their image does: a coarse map's last voxel reaches beyond it.

A map's voxel is as wide as the gate's step, and few sizes are a multiple of that. The layer keeps
the whole map; what is drawn of it is cut.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from vispy.visuals.filters.clipping_planes import PlanesClipper

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import between, grid
from napari_attn_unet.plugin.overlay.scene import canvas_of, node_of
from napari_attn_unet.plugin.overlay.slices import size_of
from napari_attn_unet.plugin.results import Result, results
from napari_attn_unet.volume import FloatArray

_SPATIAL = 3


class Clip:
    """Cuts what is drawn of every gate to its image, until its dock closes.

    Parameters
    ----------
    dock
        Of whose viewer.
    choice
        Whose image it is where a result has lost its mask.
    """

    def __init__(self, dock: Dock, choice: Choice) -> None:
        self._viewer, self._choice = dock.viewer, choice
        self._cut: list[tuple[Image, Any, PlanesClipper]] = []
        later = dock.timer(0, self._update)  # napari has its nodes once it has told of a layer
        viewer = self._viewer
        for event in (
            viewer.layers.events.inserted,
            viewer.layers.events.removed,
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
            grid(viewer).events.enabled,
            choice.changed,
        ):
            dock.connect(event, lambda *_: later.start())
        dock.on_close(self._let_go)
        later.start()

    def _update(self) -> None:
        self._let_go()
        for result in results(self._viewer):
            whole = self._image_of(result)
            for gate in result.gates.values() if whole is not None else ():
                self._clip(gate, *box_within(whole, gate))

    def _image_of(self, result: Result) -> Layer | None:
        if result.mask is not None or self._choice.result is None:
            return result.mask
        return self._choice.image if self._choice.result.key == result.key else None

    def _clip(self, gate: Image, low: FloatArray, high: FloatArray) -> None:
        """Draw a gate from one place to another, (z, y, x) in its own voxels."""
        if self._viewer.dims.ndisplay > 2:  # noqa: PLR2004
            planes = [
                {"position": tuple(end), "normal": tuple(normal)}
                for end, sign in ((low, 1.0), (high, -1.0))
                for normal in sign * np.eye(_SPATIAL)
            ]
            gate.experimental_clipping_planes = planes
            self._cut.append((gate, None, None))
            return
        node = node_of(self._viewer, gate)
        if node is None:
            return
        axes = [axis - self._viewer.dims.ndim for axis in self._viewer.dims.displayed[::-1]]
        clipper = PlanesClipper(coord_system="visual")
        clipper.clipping_planes = np.asarray([
            # A node's pixels begin at 0, a layer's at -0.5.
            [np.append(end[axes] + 0.5, 0), sign * np.eye(_SPATIAL)[k]]
            for end, sign in ((low, 1.0), (high, -1.0))
            for k in range(2)
        ], np.float32)  # fmt: skip
        node.attach(clipper)
        self._cut.append((gate, node, clipper))

    def _let_go(self) -> None:
        cut, self._cut = self._cut, []
        is_there = canvas_of(self._viewer) is not None
        for gate, node, clipper in cut:
            if node is None:
                gate.experimental_clipping_planes = []
            elif is_there:
                node.detach(clipper)


def box_within(layer: Layer, other: Layer) -> tuple[FloatArray, FloatArray]:
    """Return where a layer begins and ends, (z, y, x) in the voxels of another."""
    ends = [(-0.5, n - 0.5) for n in size_of(layer)]
    lead = [0.0] * (layer.ndim - _SPATIAL)
    corners = np.asarray([between(layer, other, [*lead, *corner]) for corner in product(*ends)])
    return corners.min(axis=0), corners.max(axis=0)
