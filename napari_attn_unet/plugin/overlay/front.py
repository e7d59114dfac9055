"""What is shown above all: it stays so when other layers come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Layer

from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.layers import OUTPUT

MARKS = ("pins",)
"""Effects that are thin and mark a place: they may lie over anything."""


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


def is_mark(layer: Layer) -> bool:
    """Whether a layer only marks a place."""
    return layer.metadata.get(OUTPUT, {}).get("effect") in MARKS


def maps(viewer: Any) -> list[Layer]:
    """Return all layers of ours that lie over an image: gates, masks, effects; no marks."""
    return [la for la in viewer.layers if OUTPUT in la.metadata and not is_mark(la)]


def add_above(viewer: Any, layer: Layer) -> None:
    """Add a layer on top; what the user had selected stays so."""
    selected = set(viewer.layers.selection)
    viewer.add_layer(layer)
    viewer.layers.selection = selected
