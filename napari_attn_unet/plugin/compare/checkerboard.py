"""Checkerboard: tiles of the prediction and of the truth in turn, on every slice of every axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.volume import Box

LEAST, MOST, FIRST = 2, 32, 8
"""Voxels along a tile."""
_SPATIAL = 3


class Checkerboard:
    """One Labels layer made of both, in tiles."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._both: Labels | None = None
        self._looks = Looks()
        self.tile = FIRST
        state.changed.connect(self._changed)
        state.chosen.connect(self._chosen)

    @property
    def is_on(self) -> bool:
        """Whether it is shown."""
        return self._both is not None

    def turn_on(self) -> None:
        """Show the tiles in place of both layers."""
        state, mask = self._state, self._state.mask
        if self.is_on or state.comparison is None or mask is None:
            return
        self._both = Labels(
            self._tiles(),
            name=f"checkerboard · {mask.name}",
            colormap=state.colormap(),
            opacity=0.6,
            metadata={OUTPUT: {"effect": "checkerboard"}},
            **transforms(mask, _SPATIAL),
        )
        self._both.editable = False
        for layer in (mask, state.truth):
            if layer is not None:
                self._looks.change(layer, visible=False)
        active = state.viewer.layers.selection.active
        state.viewer.add_layer(self._both)
        state.viewer.layers.selection.active = active

    def turn_off(self) -> None:
        """Show both layers as before."""
        both, self._both = self._both, None
        remove(self._state.viewer, [both])
        self._looks.restore()

    def resize(self, tile: int) -> None:
        """Make the tiles of another size, in voxels."""
        self.tile = tile
        self._changed()

    @property
    def is_gone(self) -> bool:
        """Whether somebody has removed the layer."""
        return self._both is not None and self._both not in self._state.viewer.layers

    def _tiles(self, box: Box | None = None) -> npt.NDArray[Any]:
        """Return the tiles, or those of a box of them."""
        comparison = self._state.comparison
        assert comparison is not None  # noqa: S101  (for the type checker: it is looked for first)
        part = (slice(None),) * _SPATIAL if box is None else box
        sizes = zip(comparison.mask.shape, part, strict=True)
        z, y, x = (np.arange(n)[within] // self.tile for n, within in sizes)
        odd = (z[:, None, None] + y[:, None] + x) % 2 == 1
        return np.where(odd, comparison.truth[part], comparison.mask[part])

    def _changed(self, box: Box | None = None) -> None:
        if self._both is None or self._state.comparison is None:
            return
        if box is None:
            self._both.data = self._tiles()
        else:
            np.asarray(self._both.data)[box] = self._tiles(box)
            self._both.refresh(extent=False, thumbnail=False)

    def _chosen(self) -> None:
        """Show what the values mean now."""
        if self._both is not None and self._state.comparison is not None:
            self._both.colormap = self._state.colormap()
            self._changed()
