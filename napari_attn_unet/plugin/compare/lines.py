"""Both sides by their form: one as lines, the other filled, or both as lines."""

from __future__ import annotations

from napari.layers import Layer

from napari_attn_unet.plugin.compare.pair import FILLED, Pair, classes_told
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.layers import CLASSES
from napari_attn_unet.plugin.overlay.outline import WHITE, Outline
from napari_attn_unet.plugin.overlay.told import Line
from napari_attn_unet.volume import Box


class MaskLine:
    """The prediction as lines over the truth's faint fill: what the pair shows by itself."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def layers(self) -> list[Layer]:
        """None of its own."""
        return []

    def turn_on(self) -> str:
        """Show it."""
        return ""

    def turn_off(self) -> None:
        """Change nothing: nothing was changed."""

    def follow(self, _: Box | None = None) -> None:
        """Do nothing: the pair follows."""

    def told(self) -> list[Line]:
        """Say which is which; the classes' colours are in the legend of the mask."""
        return [*_of_images(self._state), Line("line: prediction, fill: truth")]


class TruthLine:
    """The truth as white lines, over the prediction as fill or as lines.

    Parameters
    ----------
    state, pair
        What is compared, and the layers that show it.
    filled
        Whether the prediction is filled.
    """

    def __init__(self, state: State, pair: Pair, *, filled: bool) -> None:
        self._state, self._pair, self._filled = state, pair, filled
        self._looks = Looks()
        self._line: Outline | None = None

    @property
    def layers(self) -> list[Layer]:
        """None of its own."""
        return []

    def turn_on(self) -> str:
        """Show it."""
        mask, truth = self._pair.mask, self._pair.truth
        if mask is not None and truth is not None:
            self._line = Outline(self._state.dock, truth, colour=WHITE)
            if self._filled:
                self._looks.change(mask, opacity=FILLED)
        return ""

    def turn_off(self) -> None:
        """Take the lines away."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
        self._looks.restore()

    def follow(self, _: Box | None = None) -> None:
        """Do nothing: lines follow their layer."""

    def told(self) -> list[Line]:
        """Say which is which."""
        prediction = "fill: prediction" if self._filled else "coloured line: prediction"
        return [*_of_images(self._state), Line(f"white line: truth, {prediction}")]


def _of_images(state: State) -> list[Line]:
    """Return the classes of a prediction that the mask's own legend does not tell."""
    known = state.mask is not None and CLASSES in state.mask.metadata
    return [] if known else classes_told(state)
