"""How well each gate's map detects a structure, beside two yardsticks."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.errors import RunError
from napari_attn_unet.gates.inspection import AgreementRow, AgreementSliceRow
from napari_attn_unet.plugin.inspect.runs import Runs
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.tables import fill, save
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.prediction import Progress


class AgreementTab(QWidget):
    """A table: AUROC, average precision and more of every map, for every class."""

    def __init__(self, state: State, runs: Runs) -> None:
        super().__init__()
        self._state, self._runs = state, runs
        self.rows: list[AgreementRow] = []
        self.slice_rows: list[AgreementSliceRow] = []
        self.top = QDoubleSpinBox()
        self.top.setDecimals(1)
        self.top.setRange(0.1, 100.0)
        self.top.setValue(5.0)
        self.top.setSuffix(" %")
        self.top.setToolTip("Of this many voxels with the largest values, how many lie inside?")
        self.random = QCheckBox("random weights")
        self.random.setChecked(True)
        self.random.setToolTip(
            "Also run the network with random weights: a map that detects as well with those says "
            "nothing of what was learnt (Adebayo et al. 2018)."
        )
        self.table = Table("agreement", ("detector", "class", "AUROC"))
        self.table.setToolTip("Click a header to sort.")
        self.message = Text()
        self.task = Task(
            state.dock,
            "Compute",
            "Compare every gate's map, and two yardsticks, with the truth (or the mask).",
            self._prepare,
            self._show,
            self.message.setText,
            network=self.random.isChecked,
        )
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save the table as CSV; a second file has the values per slice.")
        line = QHBoxLayout()
        line.addWidget(QLabel("top"))
        line.addWidget(self.top)
        line.addStretch()
        below = QHBoxLayout()
        below.addWidget(self.task, 1)
        below.addWidget(self.save)
        column = QVBoxLayout(self)
        column.addLayout(line)
        column.addWidget(self.random)
        column.addLayout(below)
        column.addWidget(self.message)
        column.addWidget(self.table, 1)
        self.save.clicked.connect(self._save)
        state.left.connect(self._forget)

    def _forget(self) -> None:
        """Say no more of a result that is not looked at."""
        self._show(([], []))
        self.message.setText("")

    def _prepare(self) -> Any:
        inspection, axis = self._state.inspection, self._state.axis
        if inspection is None or (inspection.mask is None and inspection.truth is None):
            msg = "Choose a result with gates, and a mask or a truth, above."
            raise RunError(msg)
        run = self._runs.prepare() if self.random.isChecked() else None
        top = self.top.value()

        def steps() -> workers.Work:
            from napari_attn_unet.gates import knockout  # noqa: PLC0415  (torch)

            gates: Any = ()
            if run is not None:
                yield Progress("loading the network", 0.0)
                gates = yield from knockout.random_gates(self._runs.predictor(run), run.volume)
            rows: list[AgreementRow] = []
            slices: list[AgreementSliceRow] = []
            labels = [None, *inspection.labels()]
            for i, label in enumerate(labels):
                yield Progress(inspection.class_name(label), i / len(labels))
                rows += inspection.agreement_rows(label, top, gates)
                slices += inspection.agreement_slice_rows(axis, label)
            return rows, slices

        return steps

    def _show(self, result: tuple[list[AgreementRow], list[AgreementSliceRow]]) -> None:
        self.rows, self.slice_rows = result
        fill(self.table, self.rows, colours=self._state.colours)

    def _save(self) -> None:
        beside = {"slices": self.slice_rows}
        save(self, "agreement.csv", self.rows, self.message.setText, beside=beside)
