"""A box of the classes that stands on the one that is seen, until the user picks another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtWidgets import QComboBox

from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.choices import combo
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.prediction import class_counts

REST_MS = 100
"""How long the slider must rest before the class is looked for."""


class ClassBox:
    """Offers the class that the slice on screen has most of, or else the largest one.

    Parameters
    ----------
    state
        Whose mask's classes they are.
    tooltip
        Of the box.
    """

    def __init__(self, state: State, tooltip: str) -> None:
        self._state = state
        self._is_picked = False
        self.box: QComboBox = combo(tooltip)
        self.box.currentIndexChanged.connect(self._pick)
        self._resting = state.dock.timer(REST_MS, self._offer)
        state.dock.connect(state.viewer.dims.events.current_step, self._moved)
        state.chosen.connect(self._chosen)
        state.ready.connect(self._moved)
        state.left.connect(self._forget)

    @property
    def busy(self) -> bool:
        """Whether another class may be offered in a moment."""
        return self._resting.isActive()

    def _pick(self, _: int) -> None:
        self._is_picked = True

    def _forget(self) -> None:
        self._is_picked = False

    def _chosen(self) -> None:
        names = self._state.class_names[1:]
        if [self.box.itemText(i) for i in range(self.box.count())] != names:
            self.box.blockSignals(True)
            self.box.clear()
            self.box.addItems(names)
            self.box.blockSignals(False)
            self._is_picked = False

    def _moved(self, _: Any = None) -> None:
        if not self._is_picked:
            self._resting.start()

    def _offer(self) -> None:
        sizes = self._sizes()
        if any(sizes) and not self._is_picked:
            self.box.blockSignals(True)
            self.box.setCurrentIndex(int(np.argmax(sizes)))
            self.box.blockSignals(False)

    def _sizes(self) -> Sequence[int]:
        """Return the voxels of every class on the slice; in 3D and where it has none, of all."""
        state, classes = self._state, self.box.count() + 1
        image, inspection = state.image, state.inspection
        if image is None or inspection is None or inspection.mask is None:
            return []
        looking = plane_on_screen(state.viewer, image)
        if looking is not None:
            axis, index = looking
            on_slice = class_counts(inspection.mask.take(index, axis), classes)[1:]
            if any(on_slice):
                return on_slice
        table = getattr(state.mask, "features", {})
        return list(table["voxels"])[1:classes] if "voxels" in table else []
