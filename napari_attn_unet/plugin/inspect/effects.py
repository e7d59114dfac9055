"""What a run done to a result shows over it: helper layers, which go as they came."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.looks import Looks


class Effects:
    """Layers that hide the result they are of, for as long as they are there.

    They go, and what they had hidden comes back, when the dock closes or another result is looked
    at; when the user removes them, the result comes back, too.

    Parameters
    ----------
    state
        What is inspected.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._shown: list[Layer] = []
        self._looks = Looks()
        state.left.connect(self.remove)
        state.dock.connect(state.viewer.layers.events.removed, self._removed)
        state.dock.on_close(self.remove)

    def show(self, data: list[layers.LayerData]) -> list[Layer]:
        """Show layers of one run, in place of those of the run before where they show the same."""
        viewer, result = self._state.viewer, self._state.result
        before = self._shown
        self._shown = []  # nothing comes back in between
        shown = layers.show(viewer, data, keep_old=False, hide=False)
        layers.remove(viewer, [layer for layer in before if layer not in shown])
        self._shown = shown
        named = layers.outputs_of(viewer, data[0][1]["metadata"][layers.OUTPUT].get("image"))
        own = [] if result is None else result.layers  # by another image's name, if from a file
        for layer in dict.fromkeys([*own, *named]):
            if layer not in shown:
                self._looks.change(layer, visible=False)
        if not any(layer.visible for layer in shown):  # another effect had hidden them
            for layer, (_, options, _) in zip(shown, data, strict=True):
                self._looks.change(layer, visible=options.get("visible", True))
        return shown

    def remove(self) -> None:
        """Take the layers away, and show again what they had hidden."""
        shown, self._shown = self._shown, []
        layers.remove(self._state.viewer, shown)
        self._looks.restore()

    def _removed(self, _: Any = None) -> None:
        if self._shown and not any(layer in self._state.viewer.layers for layer in self._shown):
            self.remove()
