"""What all tabs look at: one image, one result, its mask and a truth; one choice per viewer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

import numpy as np
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_attn_unet.plugin.kit.dock import memory
from napari_attn_unet.plugin.layers import OUTPUT, is_segmentable
from napari_attn_unet.plugin.results import Result, results

TRUTH_WORDS = ("truth", "label", "gt", "reference", "manual")
_LAYERS = "image", "mask", "truth"
_SPATIAL = 3
_SAMPLES = 32
"""Voxels along each axis that are looked at before an image is offered as a mask."""


class Choice:
    """The layers that Segment, Inspect, Compare and what is drawn on the canvas share.

    Attributes
    ----------
    image
        Lies under the maps.
    result
        The run whose gates are looked at.
    mask
        The prediction: the result's, or another one of the user's choice.
    truth
        What the mask is compared with.
    label
        The class that is looked at; None for all.
    """

    changed = Signal()
    """Other layers were chosen, by whichever tab."""

    def __init__(self) -> None:
        self.image: Image | None = None
        self.result: Result | None = None
        self.mask: Labels | Image | None = None
        self.truth: Labels | Image | None = None
        self.label: int | None = None
        self._known: set[Any] = set()
        self._kept: dict[str, ref[Layer]] = {}
        self._kept_result: Any = None
        self._truths: WeakSet[Layer] = WeakSet()
        self._names: WeakKeyDictionary[Layer, set[str]] = WeakKeyDictionary()

    def choose(self, **layers: Any) -> None:
        """Choose some of the attributes; tell it once, if anything is another."""
        news = {
            name: layer for name, layer in layers.items() if not _same(getattr(self, name), layer)
        }
        for name, layer in news.items():
            setattr(self, name, layer)
        if news:
            self.changed.emit()

    def let_go(self) -> None:
        """Hold the layers no more, while nobody looks: they may be removed unheard."""
        kept = {name: getattr(self, name) for name in _LAYERS}
        self._kept = {name: ref(layer) for name, layer in kept.items() if layer is not None}
        self._kept_result = None if self.result is None else self.result.key
        self.image = self.result = self.mask = self.truth = None

    def _take_up(self, viewer: Any) -> None:
        """Look again at what was looked at, as far as it is there."""
        kept, key, self._kept, self._kept_result = self._kept, self._kept_result, {}, None
        there = {name: layer() for name, layer in kept.items()}
        found: dict[str, Any] = {n: layer for n, layer in there.items() if layer in viewer.layers}
        result = next((result for result in results(viewer) if result.key == key), self.result)
        self.choose(**found, result=result)

    def take(self, result: Result, viewer: Any) -> None:
        """Choose a result, with the image and the mask that belong to it."""
        image = self.image_of(result, viewer)
        self.choose(result=result, image=image or self.image, mask=result.mask)

    def is_of(self, about: Mapping[str, Any], image: Layer) -> bool:
        """Whether a provenance is that of an image, also under a name that it has had before."""
        name = about.get("image")
        return name == image.name or name in self._names.get(image, ())

    def image_of(self, result: Result, viewer: Any) -> Image | None:
        """Return the image that a result is of, if it is there."""
        return next((la for la in images(viewer) if self.is_of(result.provenance, la)), None)

    def update(self, viewer: Any) -> None:
        """Follow the layers: forget those that are gone, look at what has just come.

        A new result is chosen, with its image and its mask. A truth is picked by itself where
        there is none, once for each layer: whoever chooses none keeps none.
        """
        self._take_up(viewer)
        there, found = list(viewer.layers), results(viewer)
        for result in found:  # by name; it may be given another afterwards
            image = self.image_of(result, viewer)
            if image is not None:
                self._names.setdefault(image, set()).add(str(result.provenance.get("image")))
        wanted: dict[str, Any] = {
            name: layer if (layer := getattr(self, name)) in there else None for name in _LAYERS
        }
        keys = [result.key for result in found]
        kept = None if self.result is None else self.result.key
        news = [result for result in found if result.key not in self._known]
        self._known = set(keys)
        if news or (kept is not None and kept not in keys):
            wanted["result"] = next(iter((*reversed(news), *reversed(found))), None)
            wanted |= self._of_result(wanted["result"], viewer, wanted)
        elif kept is not None:
            result = found[keys.index(kept)]
            if self.result is not None and self.result.mask is None and result.mask is not None:
                wanted["mask"] = result.mask  # it came after the gates
            wanted["result"] = result
        if wanted["image"] is None:
            wanted["image"] = next(iter(images(viewer)), None)
        if wanted["mask"] is None and wanted.get("result") is None:
            wanted["mask"] = self._likely_mask(viewer)
        if wanted["truth"] is None:
            wanted["truth"] = self._likely_truth(viewer, wanted["mask"])
        others = (la for la in there if isinstance(la, Labels) and la is not wanted["mask"])
        self._truths.update(others)
        self.choose(**wanted)

    def _of_result(
        self, result: Result | None, viewer: Any, wanted: dict[str, Any]
    ) -> dict[str, Any]:
        if result is None:
            return {"mask": wanted["mask"]}
        image = self.image_of(result, viewer)
        return {"image": image or wanted["image"], "mask": result.mask}

    def follow(self, layer: Layer | None, viewer: Any) -> None:
        """Look at the layer that was selected in the list; labels of the user's say nothing."""
        if layer is None or layer not in viewer.layers:
            return
        found = results(viewer)
        if is_volume(layer):
            own = [r for r in found if self.is_of(r.provenance, layer)]
            if layer in (self.image, self.mask, self.truth):
                return
            wanted: dict[str, Any] = {"image": layer, "result": own[-1] if own else None}
            if own:
                wanted["mask"] = own[-1].mask
            elif self.mask is not None and OUTPUT in self.mask.metadata:
                wanted["mask"] = None  # it is another image's
            self.choose(**wanted)
            return
        for result in found:
            if layer in result.layers and (self.result is None or result.key != self.result.key):
                self.take(result, viewer)

    def _likely_mask(self, viewer: Any) -> Any:
        """Return a Labels layer that no name calls a truth and no run has made."""
        plain = [la for la in masks(viewer) if isinstance(la, Labels) and OUTPUT not in la.metadata]
        return next((la for la in reversed(plain) if not _is_truth(la)), None)

    def _likely_truth(self, viewer: Any, mask: Any) -> Any:
        """Return a Labels layer that a name calls so, or else another one that no run has made."""
        others = [
            la
            for la in masks(viewer)
            if la is not mask and isinstance(la, Labels) and OUTPUT not in la.metadata
        ]
        fresh = [la for la in others if la not in self._truths]
        named = [la for la in fresh if _is_truth(la)]
        return (named or fresh or [None])[-1]


def images(viewer: Any) -> list[Image]:
    """Return the images that results can be of."""
    return [la for la in viewer.layers if is_volume(la)]


def is_volume(layer: Layer) -> bool:
    """Return whether a layer is an image with slices, grey, that no run has made."""
    return is_segmentable(layer) and not layer.rgb and layer.ndim >= _SPATIAL


def masks(viewer: Any) -> list[Labels | Image]:
    """Return the layers that can be a mask or a truth: labels, or images that seem to be."""
    return [la for la in viewer.layers if _has_labels(la)]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Result) and isinstance(b, Result):
        return a.key == b.key and a.layers == b.layers
    return a is b


def _has_labels(layer: Any) -> bool:
    """Whether a layer can be a mask: labels, or an image that seems to be of whole numbers.

    Whether it is, the count says.
    """
    if OUTPUT in layer.metadata and layer.metadata[OUTPUT].get("effect"):
        return False
    if not isinstance(layer, Labels | Image) or layer.ndim < _SPATIAL:
        return False
    if isinstance(layer, Labels):
        return True
    return not layer.rgb and (np.dtype(layer.dtype).kind in "bui" or _seems_whole(layer))


def _seems_whole(image: Image) -> bool:
    """Whether some voxels from all over an array in memory are whole numbers, not all 0."""
    data = image.data
    if OUTPUT in image.metadata or not isinstance(data, np.ndarray) or data.dtype.kind != "f":
        return False
    some = data[tuple(slice(None, None, max(1, n // _SAMPLES)) for n in data.shape)]
    return bool(some.any() and np.array_equal(some, np.rint(some)))


def _is_truth(layer: Any) -> bool:
    return OUTPUT not in layer.metadata and any(w in layer.name.lower() for w in TRUTH_WORDS)


def choice_of(viewer: Any) -> Choice:
    """Return the choice of a viewer."""
    choice: Choice = memory(viewer, "choice").setdefault("choice", Choice())
    return choice
