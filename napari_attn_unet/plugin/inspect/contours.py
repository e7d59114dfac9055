"""Contours: {α ≥ threshold} of every gate that is shown, outlines in 2D, surfaces in 3D."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Surface

from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.plots import gate_colour
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.placement import transforms


class Contours:
    """Helper layers that follow the gates' visibility, and go when the dock closes.

    Attributes
    ----------
    threshold
        None draws nothing.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._layers: dict[int, Any] = {}
        self.threshold: float | None = None
        state.dock.connect(state.viewer.dims.events.ndisplay, self.draw)
        state.dock.on_close(self._clear)

    def _clear(self) -> None:
        self.threshold = None
        self.draw()

    def draw(self, _: Any = None) -> None:
        """Draw what is wanted now; take away what is not."""
        viewer = self._state.viewer
        wanted = {}
        if self.threshold is not None:
            wanted = {k: layer for k, layer in self._state.gates.items() if layer.visible}
        in_3d = viewer.dims.ndisplay == 3  # noqa: PLR2004
        for level, drawn in list(self._layers.items()):
            stays = level in wanted and drawn in viewer.layers
            if not stays or isinstance(drawn, Surface) != in_3d:
                self._remove(level)
        selected = set(viewer.layers.selection)
        for level, layer in wanted.items():
            self._draw(level, layer, in_3d=in_3d)
        viewer.layers.selection = selected & set(viewer.layers)

    def _remove(self, level: int) -> None:
        layer = self._layers.pop(level, None)
        if layer is not None and layer in self._state.viewer.layers:
            self._state.viewer.layers.remove(layer)

    def _draw(self, level: int, layer: Image, *, in_3d: bool) -> None:
        inspection, image = self._state.inspection, self._state.image
        threshold = self.threshold
        if inspection is None or image is None or threshold is None:
            return
        if level not in inspection.gates:
            return
        values = inspection.gates[level].coefficients
        if in_3d and not (values >= threshold).any():
            self._remove(level)
            return
        name, colour = f"gate {level} ≥ {threshold:g}", gate_colour(level)
        about: dict[str, Any] = {
            "name": name,
            "metadata": {OUTPUT: {"effect": "contour"}},
            **transforms(layer if in_3d else image, 3),
        }
        data: Any
        if in_3d:
            from skimage.measure import marching_cubes  # noqa: PLC0415  (slow to import)

            # Padded, so that it is closed at the volume's border.
            vertices, faces, _, _ = marching_cubes(np.pad(values, 1), threshold)
            data = (vertices - 1, faces)
        else:  # on the image's grid, where a line of one voxel is thin
            inside = (values >= threshold).astype(np.uint8) * np.uint8(level)
            data = inspection.cover(level).spread(inside, 0)
        old = self._layers.get(level)
        if old is not None:
            old.data = data
            old.name = name
            return
        shown: Any
        if in_3d:
            shown = Surface(data, colormap=[colour, colour], opacity=0.6, **about)
        else:
            shown = Labels(data, opacity=1.0, **about)
            shown.colormap = {0: "transparent", level: colour, None: "transparent"}
            shown.contour = 1
            shown.editable = False
        self._layers[level] = self._state.viewer.add_layer(shown)
