"""The Inspect widget: what is chosen on top, and a tab for each way to look at it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.choice import choice_of, images, masks
from napari_attn_unet.plugin.inspect.agreement import AgreementTab
from napari_attn_unet.plugin.inspect.difference import DifferenceTab
from napari_attn_unet.plugin.inspect.export import ExportTab
from napari_attn_unet.plugin.inspect.gates import GatesTab
from napari_attn_unet.plugin.inspect.knockout import KnockoutTab
from napari_attn_unet.plugin.inspect.probe import ProbeTab
from napari_attn_unet.plugin.inspect.profile import ProfileTab
from napari_attn_unet.plugin.inspect.runs import Runs
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import keys
from napari_attn_unet.plugin.kit.choices import combo, offer
from napari_attn_unet.plugin.kit.dock import Dock, scroll
from napari_attn_unet.plugin.kit.follow import Follower
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.kit.side_by_side import SideBySide
from napari_attn_unet.plugin.kit.tabs import Tabs
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.overlay.picture import show_picture
from napari_attn_unet.plugin.panel import panel_of
from napari_attn_unet.plugin.results import results

NONE = "none"
EMPTY = "There are no gate maps yet: press Segment in the Segment widget, or open saved ones."
KEYS = (
    ("next_gate", "G", "show the next gate alone"),
    ("previous_gate", "Shift-G", "show the gate before alone"),
    ("all_gates", "Alt-G", "show again what was shown before"),
    ("next_peak", "N", "go to the next peak of the profile"),
    ("previous_peak", "Shift-N", "go to the peak before"),
    ("side_by_side", "Alt-S", "side by side, and back"),
)

IN_WORDS = (
    "gates {next_gate}, {previous_gate}, back {all_gates} · peaks {next_peak}, {previous_peak} · "
    "side by side {side_by_side}"
)
"""What they do, in the few words that there is room for."""


class InspectWidget(QWidget):
    """Look at the gates of a result: statistics, curves, values, agreement, knock-out, export.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are inspected.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self._settings = Settings("inspect")
        self._busy = False
        self._dock = dock = Dock(self, napari_viewer, "inspect")
        self._regrid = dock.timer(0, self._follow_cells)  # napari is still at it when it tells
        self._later = dock.timer(50, self._layers_changed)  # the provenance is set after the data
        self._choice = choice_of(napari_viewer)
        self.panel_tabs = panel_of(napari_viewer).add("Inspect", self, dock)
        self.state = State(dock)
        self.side_by_side_view = SideBySide(napari_viewer)
        self.result_box = combo("The run whose gates are inspected.")
        self.image_box = combo("The image that lies under the maps.")
        self.mask_box = combo("The mask whose inside and outside are compared.")
        self.truth_box = combo("Labels to compare with, if there are any.")
        self.message = Text()
        self.grid = QPushButton("Side by side")
        self.grid.setCheckable(True)
        self.grid.setToolTip(
            "Image and mask, every gate and the truth beside each other, one camera and slice "
            "for all (Alt-S). Click again to go back."
        )
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Remove all layers of this result. The image and others' stay.")
        self.strip = QPushButton("Strip")
        self.strip.setToolTip(
            "Show the strip of all gates below the canvas again, if it was closed."
        )
        self._runs = Runs(self.state, Settings("segment"), self.message.setText)
        self.gates = GatesTab(self.state)
        self.profile = ProfileTab(self.state)
        self.probe = ProbeTab(self.state)
        self.agreement = AgreementTab(self.state, self._runs)
        self.knockout = KnockoutTab(self.state, self._runs)
        self.difference = DifferenceTab(self.state, self._runs)
        self.export = ExportTab(self.state, self._runs, self.agreement.top.value)
        self.tabs = Tabs(
            (
                (self.gates, "Gates", "Statistics of every gate; one look for all."),
                (self.profile, "Profile", "Curves over the slices."),
                (self.probe, "Probe", "Values under the cursor."),
                (self.agreement, "Agreement", "How well the maps detect a structure."),
                (self.knockout, "Knock-out", "Force gates and see what the mask does."),
                (self.difference, "Second", "A second checkpoint on the same image."),
                (self.export, "Export", "Figures, films, maps, tables."),
            ),
            self._settings,
        )
        dock.on_close(self.side_by_side_view.turn_off)  # before the tabs take their layers away
        keys.listen(self, dock, KEYS)
        self._arrange()
        self._connect()
        self._layers_changed()
        self.profile.choose(dock.memory.get("label"))
        self.picture = show_picture(dock)
        self.strip.clicked.connect(self.picture.show_strip)

    def _arrange(self) -> None:
        form = QFormLayout()
        line = QHBoxLayout()
        line.addWidget(self.result_box, 1)
        line.addWidget(self.clear)
        form.addRow("result", line)
        form.addRow("image", self.image_box)
        form.addRow("mask", self.mask_box)
        form.addRow("truth", self.truth_box)
        column = QVBoxLayout(self)
        column.addWidget(self.panel_tabs)
        column.addLayout(form)
        column.addWidget(self.message)
        views = QHBoxLayout()
        views.addWidget(self.grid, 3)
        views.addWidget(self.strip, 1)
        column.addLayout(views)
        column.addWidget(self.tabs, 1)
        column.addWidget(keys.legend(KEYS, IN_WORDS))
        scroll(self)

    def _connect(self) -> None:
        self._follower = Follower(self._dock, self._layers_changed, self._later.start)
        boxes = {"image": self.image_box, "mask": self.mask_box, "truth": self.truth_box}
        for name, box in boxes.items():
            box.currentIndexChanged.connect(partial(self._box_changed, name, box))
        self._dock.connect(self._choice.changed, self._offer)
        self.result_box.currentIndexChanged.connect(self._result_changed)
        self.grid.toggled.connect(self._grid_toggled)
        self.clear.clicked.connect(self._clear)
        self.state.failed.connect(self.message.setText)
        self.state.ready.connect(self._tell)
        self._dock.on_close(self._remember)

    def _tell(self, inspection: Inspection) -> None:
        """Say what of the image is counted, when, and what labels come from another grid."""
        notes = self.state.time, inspection.covered_words(), self.state.note
        self.message.setText("\n".join(note for note in notes if note))

    def _remember(self) -> None:
        """Keep what is looked at, for when the widget is opened again."""
        self._dock.memory.update(label=self.state.label)

    # --- what is looked at ----------------------------------------------------------------------
    def _layers_changed(self) -> None:
        if not self._busy:
            self._choice.update(self.viewer)
            self._offer()

    def _offer(self) -> None:
        """Offer what there is, and show what is chosen, here or elsewhere."""
        if self._busy:
            return
        self._busy = True
        chosen, viewer = self._choice, self.viewer
        found = [result for result in results(viewer) if result.gates]
        key = None if chosen.result is None else chosen.result.key
        labels = [(NONE, None), *((la.name, la) for la in masks(viewer))]
        offer(self.result_box, [(r.name, r) for r in found], lambda r: r.key == key)
        if key not in [r.key for r in found]:
            self.result_box.setCurrentIndex(-1)
        for box, choices, layer in (
            (self.image_box, [(la.name, la) for la in images(viewer)], chosen.image),
            (self.mask_box, labels, chosen.mask),
            (self.truth_box, labels, chosen.truth),
        ):
            offer(box, choices, partial(operator.is_, layer))
        self._busy = False
        self._choose()

    def _box_changed(self, name: str, box: QComboBox, _: int = 0) -> None:
        if not self._busy:
            self._choice.choose(**{name: box.currentData()})  # the others may not be ours to say
            self._choose()

    def _result_changed(self, _: Any = None) -> None:
        """Choose the image and mask that belong to the result."""
        result = self.result_box.currentData()
        if not self._busy and result is not None:
            self._choice.take(result, self.viewer)

    def _choose(self) -> None:
        now = tuple(
            c.currentData()
            for c in (self.image_box, self.result_box, self.mask_box, self.truth_box)
        )
        state = self.state
        before = (state.image, state.result, state.mask, state.truth)
        same = all(
            a is b or (hasattr(a, "key") and hasattr(b, "key") and _same_layers(a, b))
            for a, b in zip(now, before, strict=True)
        )
        if same and now[1] is not None:
            return
        self.message.setText(EMPTY if now[1] is None else "")
        self.grid.setEnabled(now[1] is not None)
        other = now[0] is not before[0] or _key(now[1]) != _key(before[1])
        if other:
            self.grid.setChecked(False)
        elif self.side_by_side_view.is_on:
            self._regrid.start()
        state.choose(*now)

    def _clear(self) -> None:
        """Remove the layers of the result that is looked at."""
        result = self.state.result
        if result is not None:
            layers.remove(self.viewer, result.layers)

    def _grid_toggled(self, on: bool) -> None:
        self._busy = True  # the copies are no news
        self.side_by_side_view.turn_off()
        if on:
            self.side_by_side_view.turn_on(self.state.image, self._cells())
        self._busy = False
        self._layers_changed()

    def _cells(self) -> list[Layer | None]:
        """Return what has a cell of its own, side by side."""
        state = self.state
        gates = [] if state.result is None else list(state.result.gates.values())
        return [state.mask, *gates, state.truth]

    def _follow_cells(self) -> None:
        """Build the cells anew, if others are wanted."""
        view = self.side_by_side_view
        if view.is_on and not view.shows(self._cells()):
            self._grid_toggled(True)
            self.grid.setChecked(view.is_on)

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Leave the canvas to the tab that is shown instead (Qt calls this)."""
        super().hideEvent(event)
        if event is not None and not event.spontaneous():  # not for a window that is made small
            self.grid.setChecked(False)

    # --- keys -----------------------------------------------------------------------------------
    def do(self, action: str) -> None:
        """Do what a key stands for."""
        actions: dict[str, Callable[[], None]] = {
            "next_gate": lambda: self.gates.step(1),
            "previous_gate": lambda: self.gates.step(-1),
            "all_gates": lambda: self.gates.solo(None),
            "next_peak": lambda: self.profile.step(1),
            "previous_peak": lambda: self.profile.step(-1),
            "side_by_side": self.grid.toggle,
        }
        actions[action]()


def _key(result: Any) -> Any:
    return None if result is None else result.key


def _same_layers(a: Any, b: Any) -> bool:
    return bool(a.key == b.key and a.gates == b.gates and a.mask is b.mask)
