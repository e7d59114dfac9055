"""Checkerboard: tiles of the prediction and of the truth in turn, on every slice of every axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_attn_unet.plugin.compare.pair import FILLED, Pair, classes_told
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.overlay.front import Front, add_above
from napari_attn_unet.plugin.overlay.lines import Strokes, ruled
from napari_attn_unet.plugin.overlay.told import Line
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.volume import Box

LEAST, MOST, FIRST = 2, 32, 8
"""Voxels along a tile."""
BORDER = (0.6, 0.6, 0.6, 0.7)
"""Between the tiles: grey is seen over black and over white."""
VEIL, VEILED = 255, (1.0, 1.0, 1.0, 0.3)
"""A label that no class has, of the truth's tiles where the truth has none, and its colour."""
_2D = 2
_SPATIAL = 3


class Checkerboard:
    """One Labels layer made of both, in tiles; those of the truth are lighter.

    Parameters
    ----------
    state, pair
        What is compared, and the layers that show it.
    """

    def __init__(self, state: State, pair: Pair) -> None:
        self._state, self._pair = state, pair
        self._both: Labels | None = None
        self._borders: Strokes | None = None
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
            colormap=self._colormap(),
            opacity=FILLED,
            metadata={OUTPUT: {"effect": "checkerboard"}},
            **transforms(mask, _SPATIAL),
        )
        self._both.editable = False
        for side in self._pair.sides:
            self._looks.change(side, visible=False)
        add_above(state.viewer, self._both)
        self._front.keep([self._both])
        self._borders = Strokes(state.dock, "tiles")
        self._rule()
        for event, slot in self._turns():
            event.connect(slot)
        return ""

    def _turns(self) -> tuple[tuple[Any, Any], ...]:
        dims = self._state.viewer.dims.events
        return (dims.order, self._rule), (dims.ndisplay, self._cubed)

    def turn_off(self) -> None:
        """Show both layers as before."""
        both, self._both = self._both, None
        borders, self._borders = self._borders, None
        if borders is not None:
            borders.close()
            for event, slot in self._turns():
                event.disconnect(slot)
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
            self._both.colormap = self._colormap()
            self._both.data = self._tiles()
            self._rule()
        else:
            np.asarray(self._both.data)[box] = self._tiles(box)
            self._both.refresh(extent=False, thumbnail=False)

    def told(self) -> list[Line]:
        """Say which tiles are whose."""
        sides = [Line("light tiles: truth"), Line("dark tiles: prediction")]
        in_turn = [Line("tiles: prediction, truth in turn")]
        return [*classes_told(self._state), *(sides if self._is_flat else in_turn)]

    @property
    def _is_flat(self) -> bool:
        return bool(self._state.viewer.dims.ndisplay == _2D)

    def _cubed(self, _: Any = None) -> None:
        """Leave the veil away in 3D: it would hide what lies behind it."""
        self.follow()

    def _colormap(self) -> DirectLabelColormap:
        classes = self._state.colormap()
        return DirectLabelColormap(color_dict={**classes.color_dict, VEIL: VEILED})

    def _rule(self, _: Any = None) -> None:
        """Draw the tiles' borders on every slice of the axis on screen."""
        mask, comparison = self._state.mask, self._state.comparison
        looking = None if mask is None else plane_on_screen(self._state.viewer, mask)
        if self._borders is None or mask is None or comparison is None or looking is None:
            return
        shape = comparison.mask.shape
        places = {
            axis: [start - 0.5 for start in (*range(0, shape[axis], self.tile), shape[axis])]
            for axis in range(_SPATIAL)
            if axis != looking[0]
        }
        lines = ruled(shape, looking[0], places)
        self._borders.show(
            lines, mask, np.tile(np.asarray(BORDER, np.float32), (len(lines.pieces), 1))
        )

    def _tiles(self, box: Box | None = None) -> npt.NDArray[Any]:
        comparison = self._state.comparison
        assert comparison is not None  # noqa: S101  (for the type checker: it is looked for first)
        whole = (slice(None),) * _SPATIAL
        z, y, x = (
            np.arange(n)[part] // self.tile
            for n, part in zip(comparison.mask.shape, box or whole, strict=True)
        )
        odd = (z[:, None, None] + y[:, None] + x) % 2 == 1
        tiles = np.where(odd, comparison.truth[box or whole], comparison.mask[box or whole])
        if self._is_flat:
            tiles[odd & (tiles == 0)] = VEIL
        return tiles
