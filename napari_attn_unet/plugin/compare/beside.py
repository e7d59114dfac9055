"""Side by side: prediction, truth and errors, each over the image, with one camera and slice."""

from __future__ import annotations

from dataclasses import replace

from napari.layers import Layer

from napari_attn_unet.plugin.compare.pair import Pair
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.compare.wrong import Wrong
from napari_attn_unet.plugin.kit.side_by_side import SideBySide
from napari_attn_unet.plugin.overlay.told import Line
from napari_attn_unet.volume import Box


class Beside:
    """Both sides and the errors in cells of their own.

    Parameters
    ----------
    state, pair
        What is compared, and the layers that show it.
    """

    def __init__(self, state: State, pair: Pair) -> None:
        self._state, self._pair = state, pair
        self._wrong = Wrong(state, pair, beside=True)
        self._grid = SideBySide(state.viewer)

    @property
    def layers(self) -> list[Layer]:
        """What it shows, while it is on."""
        return self._wrong.layers

    def turn_on(self) -> str:
        """Show them."""
        self._wrong.turn_on()
        self._grid.turn_on(self._state.image(), [*self._pair.sides, self._wrong.layer])
        return ""

    def turn_off(self) -> None:
        """Go back to what was."""
        self._grid.turn_off()
        self._wrong.turn_off()

    def follow(self, box: Box | None = None) -> None:
        """Show other voxels."""
        self._wrong.follow(box)

    def told(self) -> list[Line]:
        """Say what the errors' colours are, where there is a cell to spare; the others tell."""
        return [replace(line, position="bottom_right") for line in self._wrong.told()]
