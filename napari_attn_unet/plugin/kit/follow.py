"""Hearing what becomes of the viewer's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from napari.layers import Image, Labels, Layer

from napari_attn_unet.plugin.kit.dock import Dock


class Follower:
    """Calls when layers come, go, move or get another name; and when one gets other data.

    Parameters
    ----------
    dock
        Until it closes.
    changed
        Called when the list of layers or a name has changed.
    data_set
        Called when an image or labels were given other data.
    """

    def __init__(
        self,
        dock: Dock,
        changed: Callable[[], None],
        data_set: Callable[[], None] = lambda: None,
    ) -> None:
        self._changed, self._data_set = changed, data_set
        self._layers: WeakSet[Layer] = WeakSet()
        for layer in dock.viewer.layers:
            self._follow(layer)
        events = dock.viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            dock.connect(event, self._listed)
        dock.on_close(self._stop)

    def _follow(self, layer: Layer) -> None:
        if layer in self._layers:
            return
        self._layers.add(layer)
        layer.events.name.connect(self._named)
        if isinstance(layer, Image | Labels):
            layer.events.data.connect(self._given_data)

    def _stop(self) -> None:
        for layer in self._layers:
            layer.events.name.disconnect(self._named)
            if isinstance(layer, Image | Labels):
                layer.events.data.disconnect(self._given_data)

    def _listed(self, event: Any) -> None:
        if event.type == "inserted":
            self._follow(event.value)
        self._changed()

    def _named(self, _: Any = None) -> None:
        self._changed()

    def _given_data(self, _: Any = None) -> None:
        self._data_set()
