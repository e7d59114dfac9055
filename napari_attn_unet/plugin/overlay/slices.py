"""Planes of layers as they are seen: what the strip and the orthogonal views are painted from."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer

from napari_attn_unet.errors import VolumeError
from napari_attn_unet.gates.cover import Cover
from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.overlay.painter import Plane
from napari_attn_unet.plugin.overlay.place import Place
from napari_attn_unet.plugin.results import at_time, gate_map
from napari_attn_unet.prediction import Colour
from napari_attn_unet.report.orientation import View
from napari_attn_unet.report.picture import compose, grey, outlines

_SPATIAL = 3


class Slices:
    """Cuts planes out of the chosen layers.

    A gate's map and which image voxels it covers are kept from slice to slice.

    Parameters
    ----------
    viewer, choice, place
        Whose layers, and where the image lies.
    """

    def __init__(self, viewer: Any, choice: Choice, place: Place) -> None:
        self._viewer, self._choice, self._place = viewer, choice, place
        self._covers: WeakKeyDictionary[Layer, tuple[Any, Cover]] = WeakKeyDictionary()
        self._tables: dict[tuple[Any, ...], npt.NDArray[np.float32]] = {}

    def plane(self, view: View, index: int, layer: Layer | None) -> Plane | None:
        """Return a slice of the image with a map over it and the mask's outlines.

        Parameters
        ----------
        view
            Which axis, and how it is seen.
        index
            Slice of the image.
        layer
            A gate, another map or labels on the image's grid; None for the image alone.
        """
        image = self._choice.image
        if image is None:
            return None
        data = at_time(image, self._viewer)
        low, high = image.contrast_limits
        base = grey(self._cut(data, view, index), (float(low), float(high)))
        rgb = compose(base)
        if isinstance(layer, Image):
            rgb = self._map(base, view, index, layer, data.shape)
        elif isinstance(layer, Labels):
            rgb = self._labels(base, view, index, layer, data.shape)
        geometry = self._place.geometry
        spacing = geometry.spacing
        return Plane(
            rgb,
            (spacing[view.rows], spacing[view.columns]),
            outlines=self._outlines(view, index, data.shape),
            sides=view.sides(geometry),
        )

    @staticmethod
    def _cut(data: npt.NDArray[Any], view: View, index: int) -> npt.NDArray[Any]:
        return view.turn(np.asarray(data.take(index, view.axis)))

    def _map(
        self,
        base: npt.NDArray[np.uint8],
        view: View,
        index: int,
        layer: Image,
        shape: tuple[int, ...],
    ) -> npt.NDArray[np.uint8]:
        values = self._values(view, index, layer, shape)
        if values is None:
            return compose(base)
        low, high = layer.contrast_limits
        share = (values - low) / ((high - low) or 1.0)
        return compose(base, np.clip(share, 0, 1), self._table(layer), float(layer.opacity))

    def _values(
        self, view: View, index: int, layer: Image, shape: tuple[int, ...]
    ) -> npt.NDArray[np.float64] | None:
        if "gate" in layer.metadata:
            cover = self.cover(layer, shape)
            if cover is None:
                return None
            return view.turn(cover.spread(cover.values, np.nan, view.axis, index))
        data = at_time(layer, self._viewer)
        if data.shape != shape:
            return None
        return np.asarray(self._cut(data, view, index), np.float64)

    def cover(self, layer: Image, shape: tuple[int, ...]) -> Cover | None:
        """Return which image voxels a gate's map covers; None where that cannot be told."""
        image = self._choice.image
        if image is None:
            return None
        time = tuple(self._viewer.dims.current_step[:-_SPATIAL]) if layer.ndim > _SPATIAL else ()
        key = id(layer.data), shape, self._place.version, time
        kept = self._covers.get(layer)
        if kept is None or kept[0] != key:
            try:
                kept = key, Cover(gate_map(layer, self._viewer), self._place.shown, shape)
            except VolumeError:
                return None
            self._covers[layer] = kept
        return kept[1]

    def _table(self, layer: Image) -> npt.NDArray[np.float32]:
        key = layer.colormap.name, layer.colormap.colors.tobytes()
        if key not in self._tables:
            self._tables[key] = np.asarray(layer.colormap.map(np.linspace(0, 1, 256)), np.float32)
        return self._tables[key]

    def _labels(
        self,
        base: npt.NDArray[np.uint8],
        view: View,
        index: int,
        layer: Labels,
        shape: tuple[int, ...],
    ) -> npt.NDArray[np.uint8]:
        data = at_time(layer, self._viewer)
        result = compose(base)
        if data.shape != shape:
            return result
        plane = self._cut(data, view, index)
        for label in np.unique(plane):
            colour = layer.get_color(int(label)) if label else None
            if colour is not None:
                inside = plane == label
                share = float(colour[3]) * max(float(layer.opacity), 0.4)
                mixed = result[inside] * (1 - share) + np.asarray(colour[:3]) * 255 * share
                result[inside] = mixed.astype(np.uint8)
        return result

    def _outlines(
        self, view: View, index: int, shape: tuple[int, ...]
    ) -> list[tuple[npt.NDArray[np.float32], Colour]]:
        mask = self._choice.mask
        if not isinstance(mask, Labels) or mask not in self._viewer.layers:
            return []
        data = at_time(mask, self._viewer)
        if data.shape != shape:
            return []
        found = []
        for label, pieces in outlines(self._cut(data, view, index)).items():
            colour = mask.get_color(label)
            r, g, b = (1.0, 1.0, 1.0) if colour is None else map(float, colour[:3])
            found.append((pieces, (r, g, b)))
        return found


def size_of(image: Image) -> tuple[int, ...]:
    """Return the size (Z, Y, X) of an image, at full resolution."""
    data: Any = image.data[0] if image.multiscale else image.data
    return tuple(data.shape[-_SPATIAL:])
