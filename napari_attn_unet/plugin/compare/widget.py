"""The Compare widget: what is compared on top, one click each to look at it, and the numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.plugin.choice import choice_of, masks
from napari_attn_unet.plugin.compare.by_eye import ByEye
from napari_attn_unet.plugin.compare.errors import ErrorsTab
from napari_attn_unet.plugin.compare.numbers import NumbersTab
from napari_attn_unet.plugin.compare.slices import SlicesTab
from napari_attn_unet.plugin.compare.state import State, values_of
from napari_attn_unet.plugin.compare.threshold import ThresholdTab
from napari_attn_unet.plugin.contributions import open_labels
from napari_attn_unet.plugin.kit import keys
from napari_attn_unet.plugin.kit.choices import combo, offer, pick
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.dock import Dock, scroll
from napari_attn_unet.plugin.kit.fold import Fold
from napari_attn_unet.plugin.kit.follow import Follower
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.kit.tabs import Tabs
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.overlay.picture import show_picture
from napari_attn_unet.plugin.panel import panel_of
from napari_attn_unet.scores.matching import IGNORE, Matching

NONE = "none"
HINT = "Choose a prediction and a truth: two Labels layers, or images of whole numbers."
KEYS = (
    ("next_worst", "W", "go to the slice with most wrong voxels, then the next"),
    ("previous_worst", "Shift-W", "the slice before"),
    ("next_error", "J", "go to the next error"),
    ("previous_error", "Shift-J", "the error before"),
    ("hold_blink", "K", "while held, the truth in place of the prediction"),
)


class CompareWidget(QWidget):
    """Compare a mask with the ground truth, by eye and by number.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are compared.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self._settings = Settings("compare")
        self._busy = False
        self._dock = dock = Dock(self, napari_viewer, "compare")
        self.state = State(dock)
        self._choice = choice_of(napari_viewer)
        self.panel_tabs = panel_of(napari_viewer).add("Compare", self, dock)
        self.mask_box = combo("The mask to be judged.")
        self.truth_box = combo("What it is judged by.")
        self.open = QPushButton("Open…")
        self.open.setToolTip("Open a truth from a NIfTI file.")
        self.label_box = combo("The class that slices and the surface are about.")
        self.message = Text()
        self.classes = Table("classes")
        self.classes.setColumnCount(3)
        self.classes.setHorizontalHeaderLabels(["layer", "value", "counts as"])
        self.classes.arrange()
        self.classes.setToolTip(
            "What each value means. Give two values one class to merge them; 'ignore' leaves "
            "voxels out on both sides."
        )
        self.fold = Fold("classes")
        self.by_eye = ByEye(self.state)
        self.numbers = NumbersTab(self.state)
        self.slices = SlicesTab(self.state)
        self.errors = ErrorsTab(self.state)
        self.threshold = ThresholdTab(self.state)
        self.tabs = Tabs(
            (
                (self.numbers, "Numbers", "Overlap, volumes, distances, objects."),
                (self.slices, "Slices", "Curves over the slices; the worst first."),
                (self.errors, "Errors", "Connected errors, the largest first."),
                (self.threshold, "Threshold", "A threshold per class; the mask follows."),
            ),
            self._settings,
        )
        keys.listen(self, dock, KEYS)
        self._arrange()
        self._connect()
        self._layers_changed()
        self._restore()
        self.picture = show_picture(dock)

    def _arrange(self) -> None:
        truth = QHBoxLayout()
        truth.addWidget(self.truth_box, 1)
        truth.addWidget(self.open)
        form = QFormLayout()
        form.addRow("prediction", self.mask_box)
        form.addRow("truth", truth)
        form.addRow("class", self.label_box)
        self.fold.hold(self.classes)
        column = QVBoxLayout(self)
        column.addWidget(self.panel_tabs)
        column.addLayout(form)
        column.addWidget(self.fold)
        column.addWidget(self.message)
        column.addWidget(self.by_eye)
        column.addWidget(self.tabs, 1)
        column.addWidget(keys.legend(KEYS))
        scroll(self)

    def _connect(self) -> None:
        self._follower = Follower(self._dock, self._layers_changed)
        for box in (self.mask_box, self.truth_box):
            box.currentIndexChanged.connect(self._boxes_changed)
        self._dock.connect(self._choice.changed, self._offer)
        self.label_box.currentIndexChanged.connect(self._label_changed)
        self.open.clicked.connect(self._open)
        self.state.said.connect(self.message.setText)
        self.state.chosen.connect(self._chosen)
        self._dock.on_close(self._remember)

    def _remember(self) -> None:
        """Keep what is compared, for when the widget is opened again."""
        state = self.state
        self._dock.memory.update(
            matching=state.matching,
            label=state.label,
            tolerance=state.tolerance,
            seen=self.errors.seen,
        )

    def _restore(self) -> None:
        memory = self._dock.memory
        if "label" not in memory:
            return
        self.state.label = memory["label"]
        self.numbers.tolerance.setValue(memory["tolerance"])
        self._choose()
        self.errors.seen = memory["seen"]
        if memory["matching"] is not None:
            self.state.begin(memory["matching"])

    # --- what is compared -----------------------------------------------------------------------
    def _layers_changed(self) -> None:
        if not self._busy:
            self._choice.update(self.viewer)
            self._offer()

    def _offer(self) -> None:
        """Offer what there is, and show what is chosen, here or elsewhere."""
        if self._busy:
            return
        self._busy = True
        there, chosen = masks(self.viewer), self._choice
        for box, wanted in ((self.mask_box, chosen.mask), (self.truth_box, chosen.truth)):
            offer(
                box,
                [(NONE, None), *((la.name, la) for la in there)],
                partial(operator.is_, wanted),
            )
        self._busy = False
        mask, truth = self.mask_box.currentData(), self.truth_box.currentData()
        if (mask, truth) != (self.state.mask, self.state.truth) or mask is None or truth is None:
            self._choose()

    def _boxes_changed(self, _: Any = None) -> None:
        if not self._busy:
            mask, truth = self.mask_box.currentData(), self.truth_box.currentData()
            self._choice.choose(mask=mask, truth=truth)
            self._choose()

    def _choose(self) -> None:
        mask, truth = self.mask_box.currentData(), self.truth_box.currentData()
        self.message.setText("")
        if mask is None or truth is None:
            self.message.setText(HINT)
        elif mask is truth:
            self.message.setText("Prediction and truth are the same layer: choose another.")
            truth = None
        self.state.choose(mask, truth)

    def _chosen(self) -> None:
        comparison, state = self.state.comparison, self.state
        names = [] if comparison is None else [(comparison.name(i), i) for i in comparison.labels()]
        offer(self.label_box, [("all classes", None), *names], lambda i: i == state.label)
        self.fold.setVisible(comparison is not None)
        self._fill_classes()

    def _fill_classes(self) -> None:
        state = self.state
        matching = state.matching
        self.classes.setRowCount(0)
        if state.comparison is None or matching is None:
            return
        assert state.mask is not None  # noqa: S101  (for the type checker: they are compared)
        assert state.truth is not None  # noqa: S101
        for side, layer, values in (
            ("mask", state.mask, matching.mask),
            ("truth", state.truth, matching.truth),
        ):
            names = values_of(layer, np.zeros(1, np.uint8))
            for value, label in sorted(values.items()):
                row = self.classes.rowCount()
                self.classes.insertRow(row)
                title = names.get(value)
                self.classes.setItem(row, 0, QTableWidgetItem(layer.name))
                told = str(value) if title is None else f"{value}: {title}"
                self.classes.setItem(row, 1, QTableWidgetItem(told))
                box = combo("The class that this value counts as.")
                offer(
                    box,
                    [*((name, i) for i, name in enumerate(matching.classes)), ("ignore", IGNORE)],
                    partial(operator.eq, label),
                )
                box.currentIndexChanged.connect(
                    lambda _, box=box, side=side, value=value: self._mapped(
                        side, value, box.currentData()
                    )
                )
                self.classes.setCellWidget(row, 2, box)

    def _mapped(self, side: str, value: int, label: int) -> None:
        matching = self.state.meant
        if matching is None:
            return
        sides = {"mask": dict(matching.mask), "truth": dict(matching.truth)}
        sides[side][value] = label
        self.state.begin(Matching(matching.classes, sides["mask"], sides["truth"]))

    def _label_changed(self, _: Any = None) -> None:
        self.state.label = self.label_box.currentData()
        self.slices.refresh()
        self.by_eye.refresh_surface()

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a truth", "", "NIfTI (*.nii *.nii.gz)")
        if not path:
            return
        try:
            layer = open_labels(self.viewer, path)
        except Exception as error:
            self.message.setText(f"{Path(path).name} cannot be opened: {error}")
            return
        mask = self.state.mask
        if mask is not None and layer.ndim > mask.ndim:
            self.viewer.layers.remove(layer)
            self.message.setText(
                f"{Path(path).name} holds {layer.data.shape[0]} volumes along its fourth axis, but "
                "the prediction is one volume. Of one for each class (one-hot), save the most "
                "probable class of each voxel; of a series, one time point."
            )
            return
        pick(self.truth_box, lambda la: la is layer)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Show both sides as they are compared (Qt calls this)."""
        super().showEvent(event)
        if event is not None and not event.spontaneous():
            self.by_eye.come_back()

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Give the layers back to the tab that is looked at now (Qt calls this)."""
        super().hideEvent(event)
        if event is not None and not event.spontaneous():
            self.by_eye.leave()

    # --- keys -----------------------------------------------------------------------------------
    def do(self, action: str) -> None:
        """Do what a key stands for."""
        actions: dict[str, Callable[[], None]] = {
            "next_worst": lambda: self.slices.step(1),
            "previous_worst": lambda: self.slices.step(-1),
            "next_error": lambda: self.errors.step(1),
            "previous_error": lambda: self.errors.step(-1),
            "hold_blink": self.by_eye.swap,
        }
        actions[action]()

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        parts = self.state, self.by_eye, self.errors, self.threshold
        return any(part.busy for part in parts)
