"""Checkerboard: tiles of the prediction and of the truth in turn, on every slice of every axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer

from napari_attn_unet.plugin.compare.pair import FILLED, Pair, classes_told
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.overlay.front import Front, add_above
from napari_attn_unet.plugin.overlay.told import Line
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.volume import Box

LEAST, MOST, FIRST = 2, 32, 8
"""Voxels along a tile."""
_SPATIAL = 3


class Checkerboard:
    """One Labels layer made of both, in tiles.

    Parameters
    ----------
    state, pair
        What is compared, and the layers that show it.
    """

    def __init__(self, state: State, pair: Pair) -> None:
        self._state, self._pair = state, pair
        self._both: Labels | None = None
        self._looks, self._front = Looks(), Front(state.dock)
        self.tile = FIRST

    @property
    def layers(self) -> list[Layer]:
        """What it shows, while it is on."""
        return [] if self._both is None else [self._both]

    def turn_on(self) -> str:
        """Show the tiles in place of both layers."""
        state, mask = self._state, self._state.mask
        if self._both is not None or state.comparison is None or mask is None:
            return ""
        self._both = Labels(
            self._tiles(),
            name=f"checkerboard · {mask.name}",
            colormap=state.colormap(),
            opacity=FILLED,
            metadata={OUTPUT: {"effect": "checkerboard"}},
            **transforms(mask, _SPATIAL),
        )
        self._both.editable = False
        for side in self._pair.sides:
            self._looks.change(side, visible=False)
        add_above(state.viewer, self._both)
        self._front.keep([self._both])
        return ""

    def turn_off(self) -> None:
        """Show both layers as before."""
        both, self._both = self._both, None
        self._front.keep([])
        remove(self._state.viewer, [both])
        self._looks.restore()

    def resize(self, tile: int) -> None:
        """Make the tiles of another size, in voxels."""
        self.tile = tile
        self.follow()

    def follow(self, box: Box | None = None) -> None:
        """Show other voxels, in a box; without one, of whatever is compared now."""
        if self._both is None or self._state.comparison is None:
            return
        if box is None:
            self._both.colormap = self._state.colormap()
            self._both.data = self._tiles()
        else:
            np.asarray(self._both.data)[box] = self._tiles(box)
            self._both.refresh(extent=False, thumbnail=False)

    def told(self) -> list[Line]:
        """Say what is in the tiles."""
        return [*classes_told(self._state), Line("tiles: prediction, truth in turn")]

    def _tiles(self, box: Box | None = None) -> npt.NDArray[Any]:
        comparison = self._state.comparison
        assert comparison is not None  # noqa: S101  (for the type checker: it is looked for first)
        whole = (slice(None),) * _SPATIAL
        z, y, x = (
            np.arange(n)[part] // self.tile
            for n, part in zip(comparison.mask.shape, box or whole, strict=True)
        )
        odd = (z[:, None, None] + y[:, None] + x) % 2 == 1
        return np.where(odd, comparison.truth[box or whole], comparison.mask[box or whole])
