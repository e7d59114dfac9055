"""Planes of layers as they are seen: what the strip and the orthogonal views are painted from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.navigate import to_layer
from napari_attn_unet.plugin.layers import GATE
from napari_attn_unet.plugin.overlay.grid import Grid
from napari_attn_unet.plugin.overlay.lines import PLACE
from napari_attn_unet.plugin.overlay.painter import Edges, Plane
from napari_attn_unet.plugin.overlay.place import Place
from napari_attn_unet.plugin.placement import shown_geometry
from napari_attn_unet.report.orientation import View
from napari_attn_unet.report.picture import compose, grey, outlines
from napari_attn_unet.report.slices import inside_and_outside

_SPATIAL = 3
_LEAST_OPACITY = 0.4
"""Of labels in a picture of their own: on the canvas they may be clear, for what lies below."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """Which slice of what was read."""

    data: Any
    grid: Grid
    axis: int
    place: tuple[int, ...]

    def is_of(self, other: _Key) -> bool:
        same = self.data is other.data and self.grid is other.grid
        return same and (self.axis, self.place) == (other.axis, other.place)


class Slices:
    """Cuts planes out of the chosen layers, and hears of what would look different.

    Arrays in memory are read at once. What is computed or read for a slice, as of a dask array, is
    so on a thread; the planes are there once `ask` has been called.

    Parameters
    ----------
    dock
        With it everything stops.
    choice, place
        Whose image and mask, and where the image lies.
    ask
        Called when anything looks different from what was drawn.
    """

    def __init__(self, dock: Dock, choice: Choice, place: Place, ask: Callable[..., None]) -> None:
        self._viewer, self._choice, self._place, self._ask = dock.viewer, choice, place, ask
        self._grids: WeakKeyDictionary[Layer, Grid] = WeakKeyDictionary()
        self._tables: dict[tuple[Any, ...], npt.NDArray[np.float32]] = {}
        self._kept: WeakKeyDictionary[Layer, dict[int, tuple[_Key, Array]]] = WeakKeyDictionary()
        self._wishes: list[tuple[Layer, _Key, Callable[[], Array]]] = []
        self._asked: list[_Key] = []
        self._reading = Latest(dock, self._prepare, self._read, self._failed, tells_stale=True)
        self._watched: list[tuple[Any, Callable[..., None]]] = []
        self.problem = ""
        """What keeps a slice from being read, in words."""
        dock.on_close(self.follow, ())

    @property
    def busy(self) -> bool:
        """Whether a slice is being read."""
        return self._reading.busy

    # --- what is heard --------------------------------------------------------------------------
    def follow(self, layers: Iterable[Layer | None]) -> None:
        """Hear of these layers, and of those before no more."""
        for event, slot in self._watched:
            event.disconnect(slot)
        self._watched = []
        for layer in dict.fromkeys(la for la in layers if la is not None):
            for event in (layer.events.data, *(getattr(layer.events, key) for key in PLACE)):
                self._watched.append((event, self._moved))
            looks = [layer.events.visible, layer.events.opacity]
            if isinstance(layer, Image | Labels):
                looks.append(layer.events.colormap)
            if isinstance(layer, Image):
                looks += [layer.events.contrast_limits, layer.events.blending]
            if isinstance(layer, Labels):
                looks.append(layer.events.set_data)  # an undo tells nothing else
                for event in (layer.events.paint, layer.events.labels_update):
                    self._watched.append((event, self._painted))
            self._watched += [(event, self._ask) for event in looks]
        for event, slot in self._watched:
            event.connect(slot)

    def _moved(self, _: Any = None) -> None:
        self._grids.clear()
        self._painted()

    def _painted(self, _: Any = None) -> None:
        self._kept.clear()
        self._ask()

    # --- planes ---------------------------------------------------------------------------------
    def planes(self, view: View, index: int, layers: Sequence[Layer | None]) -> list[Plane] | None:
        """Return a slice of the image with each of some layers over it, and the mask's outlines.

        Parameters
        ----------
        view
            Which axis, and how it is seen.
        index
            Slice of the image.
        layers
            Gates, other maps or labels; None for the image alone.

        Returns
        -------
        planes
            One for each layer. None without an image, or while what is needed is being read.
        """
        image, self._wishes = self._choice.image, []
        if image is None:
            return None
        mask = self._choice.mask
        if not isinstance(mask, Labels) or mask not in self._viewer.layers:
            mask = None
        own = self._cut(image, view, index)
        cuts = [None if layer is None else self._cut(layer, view, index) for layer in layers]
        labels = None if mask is None else self._cut(mask, view, index)
        if self._wishes:
            self._read_what_is_missing()
            return None
        assert own is not None  # noqa: S101  (for the type checker: nothing is waited for)
        low, high = image.contrast_limits
        base = grey(own, (float(low), float(high)))
        edges = [] if mask is None or labels is None else self._edges(mask, labels)
        geometry = self._place.geometry
        spacing = geometry.spacing
        return [
            Plane(
                self._over(base, layer, cut),
                (spacing[view.rows], spacing[view.columns]),
                edges=edges,
                sides=view.sides(geometry),
                means=self._means(layer, cut, labels),
            )
            for layer, cut in zip(layers, cuts, strict=True)
        ]

    def _over(
        self, base: npt.NDArray[np.uint8], layer: Layer | None, cut: Array | None
    ) -> npt.NDArray[np.uint8]:
        if layer is None or cut is None:
            return compose(base)
        if isinstance(layer, Labels):
            return _filled(base, layer, cut)
        low, high = layer.contrast_limits
        share = np.clip((cut - low) / ((high - low) or 1.0), 0, 1)
        return compose(base, share, self._table(layer), float(layer.opacity))

    def _means(
        self, layer: Layer | None, cut: Array | None, labels: Array | None
    ) -> tuple[float, float] | None:
        """Return a gate's mean coefficients inside and outside the mask on the slice."""
        if layer is None or cut is None or labels is None or GATE not in layer.metadata:
            return None
        return inside_and_outside(cut, labels, self._choice.label)

    def _table(self, layer: Image) -> npt.NDArray[np.float32]:
        blending = str(layer.blending)
        key = layer.colormap.name, layer.colormap.colors.tobytes(), blending
        if key not in self._tables:
            table = np.asarray(layer.colormap.map(np.linspace(0, 1, 256)), np.float32)
            if blending == "additive":  # where a colour is dark, what lies below stays
                strength = table[:, :3].max(axis=1, keepdims=True)
                table = np.hstack([table[:, :3] / np.maximum(strength, 1e-6), strength])
            self._tables[key] = table
        return self._tables[key]

    def _edges(self, mask: Labels, labels: Array) -> list[Edges]:
        chosen = self._choice.label
        found = []
        for label, pieces in outlines(labels).items():
            if chosen is None or label == chosen:
                colour = mask.get_color(label)
                r, g, b = (1.0, 1.0, 1.0) if colour is None else map(float, colour[:3])
                found.append(Edges(pieces, (r, g, b)))
        return found

    # --- reading --------------------------------------------------------------------------------
    def _grid(self, layer: Layer, image: Image) -> Grid:
        """Return which of a layer's voxels each of the image's lies in, on the canvas."""
        grid = self._grids.get(layer)
        shapes, shown = (size_of(image), size_of(layer)), self._place.shown
        if grid is None or grid.shapes != shapes or grid.image is not shown:
            own = shown if layer is image else shown_geometry(layer)
            grid = self._grids[layer] = Grid(shown, own, *shapes)
        return grid

    def _cut(self, layer: Layer, view: View, index: int) -> Array | None:
        """Return a layer's values on a slice of the image, as it is seen.

        None while they are being read. Where the layer does not reach, labels are 0 and others NaN.
        """
        image = self._choice.image
        assert image is not None  # noqa: S101  (for the type checker)
        data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
        time: tuple[int, ...] = ()
        if layer.ndim > _SPATIAL:
            place = to_layer(self._viewer, layer, self._viewer.dims.point)[:-_SPATIAL]
            ends = np.asarray(data.shape[:-_SPATIAL]) - 1
            time = tuple(np.clip(np.round(place), 0, ends).astype(int).tolist())
        grid = self._grid(layer, image)
        fill = 0 if isinstance(layer, Labels) else np.nan

        def read() -> Array:
            return grid.cut(data, time, view.axis, index, fill)

        if isinstance(data, np.ndarray):
            return view.turn(read())
        key = _Key(data, grid, view.axis, (*time, index))
        kept = self._kept.get(layer, {}).get(view.axis)
        if kept is not None and kept[0].is_of(key):
            return view.turn(kept[1])
        self._wishes.append((layer, key, read))
        return None

    def _read_what_is_missing(self) -> None:
        keys = [key for _, key, _ in self._wishes]
        again = len(keys) == len(self._asked) and all(map(_Key.is_of, keys, self._asked))
        if not (self.problem and again):  # what cannot be read is not tried over and over
            self.problem = ""
            self._reading.now()

    def _prepare(self) -> Callable[[], workers.Work] | None:
        wishes, self._wishes = self._wishes, []
        if not wishes:
            return None
        self._asked = [key for _, key, _ in wishes]

        def steps() -> workers.Work:
            found = []
            for layer, key, read in wishes:
                yield None
                found.append((layer, key, read()))
            return found

        return steps

    def _read(self, found: list[tuple[Layer, _Key, Array]]) -> None:
        for layer, key, plane in found:
            self._kept.setdefault(layer, {})[key.axis] = key, plane
        self._ask()

    def _failed(self, error: Exception) -> None:
        self.problem = f"A slice cannot be read: {error}"
        self._ask()


def size_of(layer: Layer) -> tuple[int, ...]:
    """Return the size (Z, Y, X) of a layer, at full resolution."""
    data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return tuple(data.shape[-_SPATIAL:])


def _filled(
    base: npt.NDArray[np.uint8], layer: Labels, cut: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint8]:
    """Return labels in their colours over a grey plane."""
    result = compose(base)
    for label in np.unique(cut).tolist():
        colour = layer.get_color(label) if label else None
        if colour is not None:
            inside = cut == label
            share = float(colour[3]) * max(float(layer.opacity), _LEAST_OPACITY)
            mixed = result[inside] * (1 - share) + np.asarray(colour[:3]) * 255 * share
            result[inside] = mixed.astype(np.uint8)
    return result
