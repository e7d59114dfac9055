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
from napari_attn_unet.plugin.kit.navigate import between, grid, to_viewer
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
        cut = self._cut_in_3d if self._viewer.dims.ndisplay > 2 else self._cut_in_2d  # noqa: PLR2004
        for result in results(self._viewer):
            whole = self._image_of(result)
            for gate in result.gates.values() if whole is not None else ():
                cut(gate, whole)

    def _image_of(self, result: Result) -> Layer | None:
        if result.mask is not None or self._choice.result is None:
            return result.mask
        return self._choice.image if self._choice.result.key == result.key else None

    def _cut_in_3d(self, gate: Image, whole: Layer) -> None:
        """Draw a gate between planes, which napari takes in the viewer's points."""
        axes = list(self._viewer.dims.displayed)
        ends = np.asarray([to_viewer(self._viewer, whole, corner) for corner in _corners(whole)])
        # vispy counts a volume's voxels from their borders there, napari from their middles.
        lead = gate.ndim - _SPATIAL
        half, none = ([0.0] * lead + [by] * _SPATIAL for by in (0.5, 0.0))
        late = to_viewer(self._viewer, gate, half) - to_viewer(self._viewer, gate, none)
        ends[:, -_SPATIAL:] += late[-_SPATIAL:]
        shown = ends[:, np.asarray(axes) - self._viewer.dims.ndim]
        gate.experimental_clipping_planes = [
            {"position": tuple(end), "normal": tuple(normal)}
            for end, sign in ((shown.min(axis=0), 1.0), (shown.max(axis=0), -1.0))
            for normal in sign * np.eye(_SPATIAL)
        ]
        self._cut.append((gate, None, None))

    def _cut_in_2d(self, gate: Image, whole: Layer) -> None:
        node = node_of(self._viewer, gate)
        if node is None:
            return
        ends = box_within(whole, gate)
        axes = [axis - self._viewer.dims.ndim for axis in self._viewer.dims.displayed[::-1]]
        clipper = PlanesClipper(coord_system="visual")
        clipper.clipping_planes = np.asarray([
            # A node's pixels begin at 0, a layer's at -0.5.
            [np.append(end[axes] + 0.5, 0), sign * np.eye(_SPATIAL)[k]]
            for end, sign in zip(ends, (1.0, -1.0), strict=True)
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
    corners = np.asarray([between(layer, other, corner) for corner in _corners(layer)])
    return corners.min(axis=0), corners.max(axis=0)


def _corners(layer: Layer) -> list[list[float]]:
    """Return the corners of a layer in its own voxels; of a series, of its first time point."""
    lead = [0.0] * (layer.ndim - _SPATIAL)
    return [[*lead, *corner] for corner in product(*((-0.5, n - 0.5) for n in size_of(layer)))]
