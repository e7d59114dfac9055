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
from napari_attn_unet.plugin.kit.navigate import between, to_viewer
from napari_attn_unet.plugin.overlay.lines import PLACE
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
        self._cut: list[tuple[Image, Any, Any]] = []
        self._state: list[Any] = []
        self._heard = dock.branch()
        self._dock = dock
        # napari has its nodes once it has told of a layer.
        self._later = dock.timer(0, self._update)
        viewer = self._viewer
        for event in (
            viewer.layers.events.inserted,
            viewer.layers.events.removed,
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
            choice.changed,
        ):
            dock.connect(event, self._ask)
        dock.on_close(self._let_go)
        self._later.start()

    def _ask(self, _: Any = None) -> None:
        self._later.start()

    def _update(self) -> None:
        dims = self._viewer.dims
        pairs = [
            (gate, whole)
            for result in results(self._viewer)
            if (whole := self._image_of(result)) is not None
            for gate in result.gates.values()
        ]
        if dims.ndisplay > 2:  # noqa: PLR2004
            cuts = [(gate, None, *self._ends_in_3d(gate, whole)) for gate, whole in pairs]
        else:
            cuts = [(gate, node_of(self._viewer, gate), *box_within(whole, gate))
                    for gate, whole in pairs]  # fmt: skip
        shown = dims.ndisplay, tuple(dims.displayed)
        state = [(gate, node, shown, low.tolist(), high.tolist()) for gate, node, low, high in cuts]
        if state == self._state:
            return
        self._let_go()
        self._state, self._heard = state, self._dock.branch()
        for layer in {layer for pair in pairs for layer in pair}:
            for name in PLACE:
                self._heard.connect(getattr(layer.events, name), self._ask)
        for gate, node, low, high in cuts:
            if dims.ndisplay > 2:  # noqa: PLR2004
                self._cut_in_3d(gate, low, high)
            elif node is not None:
                self._cut_in_2d(gate, node, low, high)

    def _image_of(self, result: Result) -> Layer | None:
        if result.mask is not None or self._choice.result is None:
            return result.mask
        return self._choice.image if self._choice.result.key == result.key else None

    def _ends_in_3d(self, gate: Image, whole: Layer) -> tuple[FloatArray, FloatArray]:
        """Return where a gate begins and ends, in the viewer's points of the axes displayed."""
        ends = np.asarray([to_viewer(self._viewer, whole, corner) for corner in _corners(whole)])
        # vispy counts a volume's voxels from their borders there, napari from their middles.
        lead = gate.ndim - _SPATIAL
        half, none = ([0.0] * lead + [by] * _SPATIAL for by in (0.5, 0.0))
        late = to_viewer(self._viewer, gate, half) - to_viewer(self._viewer, gate, none)
        ends[:, -_SPATIAL:] += late[-_SPATIAL:]
        shown = ends[:, np.asarray(self._viewer.dims.displayed) - self._viewer.dims.ndim]
        return shown.min(axis=0), shown.max(axis=0)

    def _cut_in_3d(self, gate: Image, low: FloatArray, high: FloatArray) -> None:
        before = list(gate.experimental_clipping_planes)
        gate.experimental_clipping_planes = [
            *before,
            *(
                {"position": tuple(end), "normal": tuple(normal)}
                for end, sign in ((low, 1.0), (high, -1.0))
                for normal in sign * np.eye(_SPATIAL)
            ),
        ]
        self._cut.append((gate, None, before))

    def _cut_in_2d(self, gate: Image, node: Any, low: FloatArray, high: FloatArray) -> None:
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
        self._heard.close()
        cut, self._cut, self._state = self._cut, [], []
        is_there = canvas_of(self._viewer) is not None
        for gate, node, held in cut:
            if node is None:
                gate.experimental_clipping_planes = held
            elif is_there:
                node.detach(held)


def box_within(layer: Layer, other: Layer) -> tuple[FloatArray, FloatArray]:
    """Return where a layer begins and ends, (z, y, x) in the voxels of another."""
    corners = np.asarray([between(layer, other, corner) for corner in _corners(layer)])
    return corners.min(axis=0), corners.max(axis=0)


def _corners(layer: Layer) -> list[list[float]]:
    """Return the corners of a layer in its own voxels; of a series, of its first time point."""
    lead = [0.0] * (layer.ndim - _SPATIAL)
    return [[*lead, *corner] for corner in product(*((-0.5, n - 0.5) for n in size_of(layer)))]
