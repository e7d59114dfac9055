"""Pinned points on the canvas, each with the number of its row in the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Points

from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.navigate import to_layer
from napari_attn_unet.plugin.layers import OUTPUT, remove, selection_kept
from napari_attn_unet.plugin.placement import transforms

NAME = "pinned points"
SIZE = 9
"""Pixels of the screen, at any zoom."""
INK = "white"


class Pins:
    """A helper layer, which goes with the last point and when the dock closes.

    Parameters
    ----------
    state
        Of whose image the points are.
    """

    def __init__(self, state: State) -> None:
        self._viewer = state.viewer
        self._layer: Points | None = None
        state.dock.on_close(self.clear)

    def show(self, image: Image, points: Sequence[Sequence[float]]) -> None:
        """Show points of the viewer's on an image, numbered from 1 in their order."""
        there = np.array([to_layer(self._viewer, image, point) for point in points])
        # A layer that the user removed is made again: the table still has its points.
        self.clear()
        self._layer = Points(
            there,
            name=NAME,
            features={"number": np.arange(1, len(there) + 1)},
            text={"string": "{number:.0f}", "color": INK, "size": 10, "anchor": "upper_right"},
            size=SIZE,
            canvas_size_limits=(SIZE, SIZE),
            face_color="transparent",
            border_color=INK,
            border_width=0.2,
            metadata={OUTPUT: {"effect": "pins"}},
            **transforms(image),
        )
        self._layer.editable = False
        with selection_kept(self._viewer):
            self._viewer.add_layer(self._layer)

    def clear(self) -> None:
        """Take the points away."""
        remove(self._viewer, [self._layer])
        self._layer = None

    @property
    def layer(self) -> Any:
        """The helper layer, while there are points."""
        return self._layer
