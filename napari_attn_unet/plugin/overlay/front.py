"""What is shown above all: it stays so when other layers come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import ref

from napari.layers import Image, Layer

from napari_attn_unet.plugin.choice import Choice, is_volume
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.looks import Looks, Rank
from napari_attn_unet.plugin.layers import OUTPUT, selection_kept
from napari_attn_unet.plugin.results import beside

MARKS = ("pins",)
"""Effects that are thin and mark a place: they may lie over anything."""
_COVERING = ("translucent", "translucent_no_depth", "opaque")


class Front:
    """Keeps layers above all others but marks, until its dock closes.

    Parameters
    ----------
    dock
        Of whose viewer.
    """

    def __init__(self, dock: Dock) -> None:
        self._viewer = dock.viewer
        self._layers: list[Layer] = []
        self._later = dock.timer(0, self.bring)  # napari is still at it when it tells of a layer
        dock.connect(self._viewer.layers.events.inserted, self._listed)

    def keep(self, layers: Sequence[Layer]) -> None:
        """Keep layers on top, in their order, in place of those before."""
        self._layers = list(layers)
        self.bring()

    def _listed(self, event: Any) -> None:
        if self._layers and event.value not in self._layers:
            self._later.start()

    def bring(self) -> None:
        """Bring the layers to the top, below what marks a place."""
        there = self._viewer.layers
        kept = [layer for layer in self._layers if layer in there]
        above = [layer for layer in there if is_mark(layer) and layer not in kept]
        top = [layer for layer in there if layer not in kept and layer not in above]
        for layer in kept:
            if top and there.index(layer) < there.index(top[-1]):
                there.move(there.index(layer), there.index(top[-1]) + 1)
            top.append(layer)


class InFront:
    """Shows what is chosen: other runs step back, and images that lie over its own.

    They come back when they are chosen, or the dock closes.

    Parameters
    ----------
    dock
        Of whose viewer.
    choice
        What is looked at.
    """

    def __init__(self, dock: Dock, choice: Choice) -> None:
        self._viewer, self._choice = dock.viewer, choice
        self._looks = Looks()
        self._chosen: Any = None
        dock.connect(choice.changed, self._bring)
        dock.on_close(self._looks.restore)
        self._bring()

    def _bring(self) -> None:
        image, result = self._choice.image, self._choice.result
        looked_at = image, self._choice.mask, self._choice.truth
        layers = [None if layer is None else ref(layer) for layer in looked_at]
        chosen = [*layers, None if result is None else result.key]
        if chosen == self._chosen:
            return
        self._chosen = chosen
        self._looks.restore()
        own: list[Layer] = []
        if result is not None:
            own = [la for run in (result, *beside(result, self._viewer)) for la in run.layers]
            # Of a run that is on its way to the viewer, the mask comes last.
            if result.mask is not None and not any(layer.visible for layer in own):
                self._show(result.mask, *list(result.gates.values())[:1])
        kept = [*own, self._choice.mask, self._choice.truth]
        self._hide([la for la in maps(self._viewer) if la not in kept and self._is_other(la)])
        if image is not None and image in self._viewer.layers:
            self._show(image)
            above = list(self._viewer.layers)[self._viewer.layers.index(image) + 1 :]
            covers = (la for la in above if la not in kept and is_volume(la) and _covers(la))
            self._hide(covers)
        if result is not None:
            self._select(result.mask)

    def _select(self, mask: Layer | None) -> None:
        """Select the chosen mask in the place of a map that is hidden now.

        Brush and opacity would go on changing what is not seen any more.
        """
        active = self._viewer.layers.selection.active
        is_ours = active in maps(self._viewer) and self._looks.shows(active, "visible")
        if mask is not None and is_ours and not active.visible:
            self._viewer.layers.selection.active = mask

    def _is_other(self, layer: Layer) -> bool:
        """Whether a map is of another run than the chosen one, or of another image."""
        image = self._choice.image
        of_image = image is not None and self._choice.is_of(layer.metadata[OUTPUT], image)
        return self._choice.result is not None or not of_image

    def _show(self, *layers: Layer | None) -> None:
        for layer in layers:
            if layer is not None and not layer.visible:
                self._looks.change(layer, rank=Rank.BASE, visible=True)

    def _hide(self, layers: Iterable[Layer]) -> None:
        for layer in layers:
            if layer.visible:
                self._looks.change(layer, rank=Rank.BASE, visible=False)


def _covers(image: Image) -> bool:
    """Whether nothing is seen of what lies below; what adds up is another channel."""
    return bool(image.opacity == 1 and str(image.blending) in _COVERING)


def is_mark(layer: Layer) -> bool:
    """Whether a layer only marks a place."""
    return layer.metadata.get(OUTPUT, {}).get("effect") in MARKS


def maps(viewer: Any) -> list[Layer]:
    """Return all layers of ours that lie over an image: gates, masks, effects; no marks."""
    return [la for la in viewer.layers if OUTPUT in la.metadata and not is_mark(la)]


def add_above(viewer: Any, layer: Layer) -> None:
    """Add a layer on top; what the user had selected stays so."""
    with selection_kept(viewer):
        viewer.add_layer(layer)
