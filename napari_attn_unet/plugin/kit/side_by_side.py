"""Side by side: maps over their image in a linked grid; one click back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Image, Labels, Layer

from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import grid
from napari_attn_unet.plugin.layers import OUTPUT, remove, selection_kept
from napari_attn_unet.plugin.placement import transforms

NAME_ENDS = " · "
"""Between what a layer shows and the name of its image."""
FILLED = 0.5
MARGIN = 0.15
"""Share of a cell around the image, for the title and the colour bar."""


class SideBySide:
    """Turns napari's grid on with one cell per map, and back to what was.

    Every cell shows the image under its map; the images are copies that share the data, and go
    away again. A cell's title is the map's name without the image's, which no cell has room for.

    Parameters
    ----------
    viewer
        Whose grid it is.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._copies: list[Layer] = []
        self._cells: list[Layer] = []
        self._looks = Looks()
        self._order: list[Layer] = []
        self._grid: tuple[bool, int, tuple[int, int]] | None = None

    @property
    def is_on(self) -> bool:
        """Whether the grid is shown."""
        return self._grid is not None

    def shows(self, maps: Sequence[Layer | None]) -> bool:
        """Whether there is a cell for each of these maps that is in the viewer, and no other."""
        return self._cells == self._wanted(maps)

    def _wanted(self, maps: Sequence[Layer | None]) -> list[Layer]:
        there = self._viewer.layers
        return [layer for layer in maps if layer is not None and layer in there]

    def turn_on(self, image: Image | None, maps: Sequence[Layer | None]) -> None:
        """Show the grid: a cell for each map that is in the viewer."""
        viewer = self._viewer
        there = list(viewer.layers)
        cells = self._wanted(maps)
        if self.is_on or not cells:
            return
        self._cells = cells
        cells_of = grid(viewer)
        self._grid = cells_of.enabled, cells_of.stride, tuple(cells_of.shape)
        self._order = there
        shown: list[Layer] = []
        for layer in cells:
            name, *of_image = layer.name.split(NAME_ENDS, 1)
            titled = layer
            if image is not None:
                under = _copy(image, name if of_image else f"under {name}{NAME_ENDS}{image.name}")
                with selection_kept(viewer):
                    self._copies.append(viewer.add_layer(under))
                shown.append(under)
                titled = under if of_image else layer
            shown.append(layer)
            self._looks.change(layer, visible=True)
            if isinstance(layer, Labels) and layer.opacity < FILLED:  # an outline has no cell
                self._looks.change(layer, opacity=FILLED)
            self._looks.change(titled, name_overlay__visible=True)
        for layer in there:
            if layer not in shown:
                self._looks.change(layer, visible=False)
        self._leave_one_bar(
            there, next((la for la in reversed(cells) if isinstance(la, Image)), None)
        )
        # napari counts layers off from the bottom; hidden ones above leave the count alone.
        self._arrange([*shown, *(layer for layer in there if layer not in shown)])
        cells_of.stride = 1 if image is None else 2
        rows = 1 if len(cells) <= 2 else 2  # noqa: PLR2004
        cells_of.shape = (rows, -1)
        cells_of.enabled = True
        viewer.reset_view(margin=MARGIN)

    def _leave_one_bar(self, layers: Sequence[Layer], of: Image | None) -> None:
        """Show the colour bar of one layer: napari moves each into its cell, or off the canvas.

        A bar that was taken off stops it with an error whenever it is measured again.
        """
        for layer in layers:
            if layer is not of and hasattr(layer, "colorbar"):
                self._looks.change(layer, colorbar__visible=False)
        if of is not None:
            # The name stands above; small, so that it covers little of the map.
            self._looks.change(
                of,
                colorbar__size=(8, 60),
                colorbar__font_size=8,
                colorbar__position="bottom_right",
                colorbar__visible=True,
            )

    def turn_off(self) -> None:
        """Go back to what was."""
        if self._grid is None:
            return
        viewer = self._viewer
        cells_of = grid(viewer)
        # First: napari 0.9.2 keeps for ever the cells of a grid that changes while it is on.
        cells_of.enabled = False
        for layer in self._cells:
            # A bar that was in a cell napari leaves there, and fails once it is shown again;
            # hearing of the layer's eye while there is a bar, it takes it to the canvas.
            has_bar = isinstance(layer, Image) and layer.colorbar.visible
            if has_bar and layer in viewer.layers:
                layer.events.visible()
        remove(viewer, self._copies)
        self._looks.restore()
        self._arrange([layer for layer in self._order if layer in viewer.layers])
        enabled, cells_of.stride, cells_of.shape = self._grid
        cells_of.enabled = enabled
        self._copies, self._cells, self._order, self._grid = [], [], [], None
        viewer.reset_view()

    def _arrange(self, order: list[Layer]) -> None:
        """Bring the viewer's layers into an order; those that are not named stay on top."""
        layers = self._viewer.layers
        for i, layer in enumerate(order):
            where = layers.index(layer)
            if where != i:
                layers.move(where, i)


def _copy(image: Image, name: str) -> Layer:
    return Image(
        image.data,
        name=name,
        rgb=image.rgb,
        multiscale=image.multiscale,
        colormap=image.colormap,
        contrast_limits=image.contrast_limits,
        gamma=image.gamma,
        metadata={OUTPUT: {"effect": "side by side"}},
        **transforms(image),
    )
