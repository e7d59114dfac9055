"""Where the chosen image lies, worked out once: it is asked for with every slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.lines import PLACE
from napari_attn_unet.plugin.placement import geometry_of, shown_geometry
from napari_attn_unet.report.orientation import is_known, is_placed
from napari_attn_unet.volume import Geometry

_STRAIGHT = 0.7
"""Cosine of the angle, 45°, from which on another axis of the viewer is nearer."""


class Place:
    """The geometry of the chosen image, until it is moved or another is chosen.

    Parameters
    ----------
    dock
        With it the image is heard no more.
    choice
        Whose image it is.
    """

    def __init__(self, dock: Dock, choice: Choice) -> None:
        self._choice = choice
        self._image: Image | None = None
        self._found: dict[str, Geometry] = {}
        self.version = 0
        """Another number once anything is another."""
        dock.connect(choice.changed, self._chosen)
        dock.on_close(self._watch, None)
        self._chosen()

    @property
    def image(self) -> Image | None:
        """The chosen image."""
        return self._image

    @property
    def geometry(self) -> Geometry:
        """Where its file says that it lies; see `placement.geometry_of`."""
        return self._get("geometry", geometry_of)

    @property
    def shown(self) -> Geometry:
        """Where it lies in the viewer; see `placement.shown_geometry`."""
        return self._get("shown", shown_geometry)

    @property
    def known(self) -> bool:
        """Whether its file says where the patient's sides are, and its axes are the viewer's.

        A layer that was turned by hand is cut across other planes than its own.
        """
        if self._image is None or not is_known(self._image.metadata):
            return False
        return bool(np.abs(np.diag(self.shown.direction)).min() > _STRAIGHT)

    @property
    def placed(self) -> bool:
        """Whether it lies anywhere; see `report.orientation.is_placed`."""
        return self._image is not None and is_placed(self._image.metadata)

    def _get(self, name: str, find: Any) -> Geometry:
        if name not in self._found:
            self._found[name] = find(self._image)
        return self._found[name]

    def _chosen(self) -> None:
        if self._choice.image is not self._image:
            self._watch(self._choice.image)

    def _watch(self, image: Image | None) -> None:
        for layer, act in ((self._image, "disconnect"), (image, "connect")):
            if layer is not None:
                for name in (*PLACE, "data", "metadata"):
                    getattr(getattr(layer.events, name), act)(self._moved)
        self._image = image
        self._moved()

    def _moved(self, _: Any = None) -> None:
        self._found = {}
        self.version += 1
