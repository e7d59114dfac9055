"""What a run done to a result shows over it: helper layers, which go as they came."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Layer

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.overlay.outline import WHITE, Outline
from napari_attn_unet.plugin.overlay.told import Line, told_of

TOLD = "told"
"""Key, in the metadata of a layer of an effect, of what the legend says of it: a tuple of lines."""
DIVERGING_TOLD = "orange: more · blue: less"
MASK_TOLD = "white line: mask"
_BAR: dict[str, Any] = {
    "colorbar__size": (10, 90),
    "colorbar__font_size": 8,
    "colorbar__position": "top_right",
    "colorbar__visible": True,
}


class Effects:
    """Layers that hide the result they are of, for as long as they are there.

    Of the mask a white line stays: hues are those of the effect. The legend says what is seen.
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
        self._looks, self._bar = Looks(), Looks()
        self._told = told_of(state.viewer)
        self._line: Outline | None = None
        state.left.connect(self.remove)
        state.dock.connect(state.viewer.layers.events.removed, self._removed)
        state.dock.on_close(self.remove)

    def show(self, data: list[layers.LayerData]) -> list[Layer]:
        """Show layers of one run, in place of those of the run before where they show the same."""
        viewer, result = self._state.viewer, self._state.result
        before = self._shown
        self._listen([])  # nothing comes back in between
        shown = layers.show(viewer, data, keep_old=False, hide=False)
        layers.remove(viewer, [layer for layer in before if layer not in shown])
        named = layers.outputs_of(viewer, data[0][1]["metadata"][layers.OUTPUT].get("image"))
        own = [] if result is None else result.layers  # by another image's name, if from a file
        state = self._state
        for layer in dict.fromkeys([*own, *named, state.mask, state.truth]):
            if layer is not None and layer not in shown:
                self._looks.change(layer, visible=False)
        if not any(layer.visible for layer in shown):  # another effect had hidden them
            for layer, (_, options, _) in zip(shown, data, strict=True):
                self._looks.change(layer, visible=options.get("visible", True))
        self._draw_line()
        self._listen(shown)
        return shown

    def _draw_line(self) -> None:
        """Draw where the mask is, which has stepped back."""
        if self._line is not None:
            self._line.close()
        mask = self._state.mask
        self._line = None
        if mask is not None:
            self._line = Outline(self._state.dock, mask, colour=WHITE, hidden=True)

    def _listen(self, shown: list[Layer]) -> None:
        """Tell of these layers, whenever one is shown or hidden."""
        for layer in self._shown:
            layer.events.visible.disconnect(self._tell)
        self._shown = shown
        for layer in shown:
            layer.events.visible.connect(self._tell)
        self._tell()

    def _tell(self, _: Any = None) -> None:
        there = self._state.viewer.layers
        seen = [layer for layer in self._shown if layer.visible and layer in there]
        words = dict.fromkeys(line for la in seen for line in la.metadata.get(TOLD, ()))
        if words and self._line is not None:
            words[MASK_TOLD] = None
        self._told.say(self, [Line(text) for text in words])
        self._bar.restore()
        maps = [layer for layer in seen if isinstance(layer, Image)]
        if maps:
            self._bar.change(maps[-1], **_BAR)

    def remove(self) -> None:
        """Take the layers away, and show again what they had hidden."""
        shown = self._shown
        self._listen([])
        if self._line is not None:
            self._line.close()
            self._line = None
        layers.remove(self._state.viewer, shown)
        self._looks.restore()

    def _removed(self, _: Any = None) -> None:
        if self._shown and not any(layer in self._state.viewer.layers for layer in self._shown):
            self.remove()
        else:
            self._tell()
