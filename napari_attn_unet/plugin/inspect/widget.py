"""The Inspect widget: what is chosen on top, and a tab for each way to look at it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import napari
from napari.layers import Image, Labels
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.plugin import layers
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
from napari_attn_unet.plugin.kit.choices import combo, offer, pick
from napari_attn_unet.plugin.kit.dock import Dock, scroll
from napari_attn_unet.plugin.kit.follow import Follower
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.kit.side_by_side import SideBySide
from napari_attn_unet.plugin.kit.tabs import tabs
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.results import results

NONE = "none"
WIDTH = 530
"""Pixels that the table of the gates and the tabs need."""
EMPTY = "There are no gate maps yet: press Segment in the Segment widget, or open saved ones."
KEYS = (
    ("next_gate", "G", "show the next gate alone"),
    ("previous_gate", "Shift-G", "show the gate before alone"),
    ("all_gates", "Alt-G", "show again what was shown before"),
    ("next_peak", "N", "go to the next peak of the profile"),
    ("previous_peak", "Shift-N", "go to the peak before"),
    ("side_by_side", "Alt-S", "side by side, and back"),
)


class InspectWidget(QWidget):
    """Look at the gates of a result: statistics, curves, values, agreement, knock-out, export.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are inspected.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.setMinimumWidth(WIDTH)
        self.viewer = napari_viewer
        self._settings = Settings("inspect")
        self._busy = False
        self._dock = dock = Dock(self, napari_viewer, "inspect")
        self._later = dock.timer(50, self._layers_changed)  # the provenance is set after the data
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
        self._runs = Runs(self.state, Settings("segment"), self.message.setText)
        self.gates = GatesTab(self.state)
        self.profile = ProfileTab(self.state)
        self.probe = ProbeTab(self.state)
        self.agreement = AgreementTab(self.state, self._runs)
        self.knockout = KnockoutTab(self.state, self._runs)
        self.difference = DifferenceTab(self.state, self._runs)
        self.export = ExportTab(self.state, self._runs, self.agreement.top.value)
        self.tabs = tabs(
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
        self._restore()

    def _arrange(self) -> None:
        form = QFormLayout()
        form.addRow("result", self.result_box)
        form.addRow("image", self.image_box)
        form.addRow("mask", self.mask_box)
        form.addRow("truth", self.truth_box)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.message)
        column.addWidget(self.grid)
        column.addWidget(self.tabs, 1)
        column.addWidget(keys.legend(KEYS))
        scroll(self)

    def _connect(self) -> None:
        self._follower = Follower(self._dock, self._layers_changed, self._later.start)
        for box in (self.image_box, self.mask_box, self.truth_box):
            box.currentIndexChanged.connect(self._choose)
        self.result_box.currentIndexChanged.connect(self._result_changed)
        self.grid.toggled.connect(self._grid_toggled)
        self.state.failed.connect(self.message.setText)
        self.state.ready.connect(self._tell)
        self._dock.on_close(self._remember)

    def _tell(self, inspection: Inspection) -> None:
        """Say what of the image is counted, and what labels come from another grid."""
        notes = inspection.covered_words(), self.state.note
        self.message.setText("\n".join(note for note in notes if note))

    def _remember(self) -> None:
        """Keep what is looked at, for when the widget is opened again."""
        state = self.state
        self._dock.memory.update(
            result=None if state.result is None else state.result.key,
            layers=[
                None if la is None else ref(la) for la in (state.image, state.mask, state.truth)
            ],
            label=state.label,
        )

    def _restore(self) -> None:
        memory = self._dock.memory
        if "result" not in memory:
            return
        self._busy = True
        pick(self.result_box, lambda r: r.key == memory["result"])
        boxes = (self.image_box, self.mask_box, self.truth_box)
        for box, kept_layer in zip(boxes, memory["layers"], strict=True):
            layer = None if kept_layer is None else kept_layer()
            pick(box, partial(operator.is_, layer))
        self._busy = False
        self.profile.choose(memory["label"])
        self._choose()

    # --- what is looked at ----------------------------------------------------------------------
    def _layers_changed(self) -> None:
        if self._busy:
            return
        self._busy = True
        found = [result for result in results(self.viewer) if result.gates]
        known = [r.key for r in found]
        kept = self.state.result.key if self.state.result is not None else None
        newest = bool(known) and known[-1] not in self._known(self.result_box)
        images = [
            la
            for la in self.viewer.layers
            if isinstance(la, Image) and layers.OUTPUT not in la.metadata and not la.rgb
        ]
        labels = [la for la in self.viewer.layers if isinstance(la, Labels)]
        wanted = kept if kept in known and not newest else known[-1] if known else None
        offer(self.result_box, [(r.name, r) for r in found], lambda r: r.key == wanted)
        offer(self.image_box, [(la.name, la) for la in images], lambda la: la is self.state.image)
        offer(
            self.mask_box,
            [(NONE, None), *((la.name, la) for la in labels)],
            lambda la: la is self.state.mask,
        )
        offer(
            self.truth_box,
            [(NONE, None), *((la.name, la) for la in labels if layers.OUTPUT not in la.metadata)],
            lambda la: la is self.state.truth,
        )
        result = self.result_box.currentData()
        last = self.state.result
        had_no_mask = last is not None and last.mask is None and self.state.mask is None
        if wanted == kept and result is not None and had_no_mask:
            pick(self.mask_box, lambda la: la is result.mask)  # it came after the gates
        self._busy = False
        if wanted != kept:
            self._result_changed()
        else:
            self._choose()

    @staticmethod
    def _known(box: QComboBox) -> list[Any]:
        return [box.itemData(i).key for i in range(box.count())]

    def _result_changed(self, _: Any = None) -> None:
        """Choose the image and mask that belong to the result, and a truth if one is named so."""
        if self._busy:
            return
        result = self.result_box.currentData()
        self._busy = True
        if result is not None:
            pick(self.image_box, lambda la: la.name == result.provenance.get("image"))
            pick(self.mask_box, lambda la: la is result.mask)
            if self.truth_box.currentData() is None:
                pick(self.truth_box, lambda la: la is not None and "truth" in la.name.lower())
        self._busy = False
        self._choose()

    def _choose(self, _: Any = None) -> None:
        if self._busy:
            return
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
        if self.side_by_side_view.is_on and now[1] is None:
            self.grid.setChecked(False)
        state.choose(*now)

    def _grid_toggled(self, on: bool) -> None:
        self._busy = True  # the copies are no news
        if on:
            state = self.state
            gates = [] if state.result is None else list(state.result.gates.values())
            self.side_by_side_view.turn_on(state.image, [state.mask, *gates, state.truth])
        else:
            self.side_by_side_view.turn_off()
        self._busy = False
        self._layers_changed()

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


def _same_layers(a: Any, b: Any) -> bool:
    return bool(a.key == b.key and a.gates == b.gates and a.mask is b.mask)
