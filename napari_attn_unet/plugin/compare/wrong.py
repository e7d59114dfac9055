"""The voxels that are right and wrong, by kind, as a layer of their own."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_attn_unet.plugin.compare.pair import Pair
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.overlay.front import Front, add_above
from napari_attn_unet.plugin.overlay.told import Line, rgba
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.report.picture import ERROR_COLOURS
from napari_attn_unet.scores.comparison import KINDS
from napari_attn_unet.volume import Box

RIGHT = 1
"""Of `KINDS`: what is not wrong."""


class Wrong:
    """Errors in place of both sides.

    Parameters
    ----------
    state, pair
        What is compared, and the layers that show it.
    alone
        Whether only wrong voxels are shown, not those that are right.
    beside
        Whether both sides stay: it is a third picture beside them.
    """

    def __init__(
        self, state: State, pair: Pair, *, alone: bool = False, beside: bool = False
    ) -> None:
        self._state, self._pair = state, pair
        self._alone, self._beside = alone, beside
        self._looks, self._front = Looks(), Front(state.dock)
        self.layer: Labels | None = None

    @property
    def layers(self) -> list[Layer]:
        """What it shows, while it is on."""
        return [] if self.layer is None else [self.layer]

    def turn_on(self) -> str:
        """Show it; the layer's data are the comparison's own."""
        state = self._state
        if self.layer is not None or state.comparison is None or state.mask is None:
            return ""
        colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        colours.update(ERROR_COLOURS.items())
        if self._alone:
            colours[RIGHT] = "transparent"
        self.layer = Labels(
            state.comparison.errors,
            name=f"errors · {state.mask.name}",
            colormap=DirectLabelColormap(color_dict=colours),
            features={"index": list(range(len(KINDS))), "class": list(KINDS)},
            opacity=0.9,
            metadata={OUTPUT: {"effect": "errors"}},
            **transforms(state.mask, 3),
        )
        self.layer.editable = False
        if not self._beside:
            for side in self._pair.sides:
                self._looks.change(side, visible=False)
        add_above(state.viewer, self.layer)
        if not self._beside:
            self._front.keep([self.layer])
        return ""

    def turn_off(self) -> None:
        """Take the layer away, and show both sides again."""
        layer, self.layer = self.layer, None
        self._front.keep([])
        remove(self._state.viewer, [layer])
        self._looks.restore()

    def follow(self, _: Box | None = None) -> None:
        """Show the errors of other voxels."""
        comparison = self._state.comparison
        if self.layer is None or comparison is None:
            return
        if self.layer.data is comparison.errors:
            self.layer.refresh(extent=False, thumbnail=False)
        else:
            self.layer.data = comparison.errors

    def told(self) -> list[Line]:
        """Say what each colour is."""
        return [
            Line(f"■ {KINDS[kind]}", rgba(colour))
            for kind, colour in ERROR_COLOURS.items()
            if not (self._alone and kind == RIGHT)
        ]
