"""Lines on the canvas along the edges of voxels, two pixels of the screen wide at any zoom.

napari's own contour of labels is as wide as a voxel: it covers a small structure, and of a large
volume nothing is left of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer, Vectors

from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import camera
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.report.picture import outlines

WIDTH = 2.0
"""Pixels of the screen."""
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
"""What a layer's place is made of."""
_SPATIAL = 3
_UNMOVED: dict[str, Any] = {
    "scale": np.ones(_SPATIAL),
    "translate": np.zeros(_SPATIAL),
    "rotate": np.eye(_SPATIAL),
    "shear": np.zeros(_SPATIAL),
}


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Every slice's outlines along one axis.

    Attributes
    ----------
    axis
        Of Z, Y, X, that the slices lie along.
    pieces
        (N, 2, 3): start and direction in voxels.
    labels
        (N,): which label each is of.
    checksums
        Of every slice's labels.
    """

    axis: int
    pieces: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    checksums: tuple[int, ...]


def trace(labels: npt.NDArray[Any], axis: int) -> Generator[None, None, Lines]:
    """Outline every slice along an axis of labels (Z, Y, X), of whole numbers of any type."""
    pieces, found = [np.zeros((0, 2, _SPATIAL), np.float32)], [np.zeros(0, np.int64)]
    across = [a for a in range(_SPATIAL) if a != axis]
    checksums = []
    for index in range(labels.shape[axis]):
        yield None
        plane = labels.take(index, axis)
        checksums.append(checksum(plane))
        if plane.dtype.kind not in "bui":
            plane = np.rint(plane).astype(np.int64)
        for label, edges in outlines(plane).items():
            piece = np.zeros((len(edges), 2, _SPATIAL), np.float32)
            piece[:, 0, axis] = index
            piece[:, 0, across] = edges[:, 0]
            piece[:, 1, across] = edges[:, 1] - edges[:, 0]
            pieces.append(piece)
            found.append(np.full(len(edges), label))
    return Lines(axis, np.concatenate(pieces), np.concatenate(found), tuple(checksums))


def checksum(plane: npt.NDArray[Any]) -> int:
    """Return what tells a slice's labels from others."""
    return zlib.crc32(np.ascontiguousarray(plane).data)


class LineLayer:
    """A helper layer that holds lines of all slices, so that scrolling costs nothing.

    Parameters
    ----------
    dock
        With it the layer goes.
    effect
        What it is called among helper layers.
    """

    def __init__(self, dock: Dock, effect: str) -> None:
        self._viewer, self._effect = dock.viewer, effect
        self._across: list[int] = [1, 2]
        self.layer: Vectors | None = None
        """The helper, once there is one."""
        self._zoom = camera(dock.viewer).events.zoom
        self._widening = dock.timer(0, self._widen)
        self._zoom.connect(self._zoomed)
        dock.on_close(self.close)

    def show(self, lines: Lines, like: Layer, colours: npt.NDArray[np.floating], name: str) -> None:
        """Show lines on the grid of a layer, directly above it; each in its colour (N, 4)."""
        self._across = [a for a in range(_SPATIAL) if a != lines.axis]
        place, pieces = self._placed(lines, like)
        if self.layer is None:
            self._add(place, pieces, like, name)
        else:
            self.layer.visible = True  # of a hidden layer napari does not look which lines are seen
            self.layer.data = pieces
            for key in PLACE:
                setattr(self.layer, key, place[key])
            self.layer.name = name
        self.colour(colours)
        self._widen()

    def colour(self, colours: npt.NDArray[np.floating]) -> None:
        """Give each line its colour (N, 4)."""
        if self.layer is not None and len(colours):
            self.layer.edge_color = colours

    def close(self) -> None:
        """Take the layer away."""
        self._zoom.disconnect(self._zoomed)
        layer, self.layer = self.layer, None
        remove(self._viewer, [layer])

    def _placed(self, lines: Lines, like: Layer) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
        """Return the place of the helper, and the pieces in its own steps.

        On screen its steps are of one length, as a line is as wide as its layer's step: on voxels
        ten times as high as wide, lines along and across would be, too.
        """
        place = {k: v for k, v in transforms(like, _SPATIAL).items() if k != "axis_labels"}
        place = _UNMOVED | place
        own = np.asarray(place["scale"], np.float64)[-_SPATIAL:]
        scale = own.copy()
        scale[self._across] = np.sign(own[self._across]) * np.abs(own[self._across]).min()
        return place | {"scale": scale}, (lines.pieces * (own / scale)).astype(np.float32)

    def _add(
        self, place: dict[str, Any], pieces: npt.NDArray[np.float32], like: Layer, name: str
    ) -> None:
        layers = self._viewer.layers
        selected = set(layers.selection)
        self.layer = Vectors(
            pieces,
            name=name,
            vector_style="line",
            opacity=1.0,
            blending="translucent_no_depth",
            metadata={OUTPUT: {"effect": self._effect}},
            **place,
        )
        # napari would draw each slice's lines one by one for a thumbnail: half of what they cost.
        self.layer._max_vectors_thumbnail = 0  # noqa: SLF001  (there is no public way)
        layers.insert(layers.index(like) + 1, self.layer)
        layers.selection = selected  # the user goes on with what they had chosen

    def _zoomed(self, _: Any = None) -> None:
        self._widening.start()

    def _widen(self) -> None:
        """Make the lines as wide on screen as they were."""
        layer = self.layer
        if layer is None:
            return
        turned = np.linalg.norm(np.asarray(layer.affine.affine_matrix)[:-1, :-1], axis=0)
        step = np.abs(np.asarray(layer.scale) * turned)[self._across].min()
        width = WIDTH / max(camera(self._viewer).zoom * float(step), 1e-9)
        if not np.isclose(width, layer.edge_width, rtol=0.02):
            layer.edge_width = width
