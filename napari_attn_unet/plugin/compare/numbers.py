"""The numbers, per class and together; and what the gates say where the mask is right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.gates import statistics
from napari_attn_unet.gates.cover import Cover
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.tables import fill, save
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.placement import shown_geometry
from napari_attn_unet.plugin.results import Result, gate_map, results
from napari_attn_unet.prediction import Progress
from napari_attn_unet.scores.comparison import CountedRow
from napari_attn_unet.table import Row, column, markdown

DIGITS = 3
"""Of a mean coefficient: as many as its column has room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InErrorsRow(Row):
    """Mean coefficient of a gate where a class is right and where it is wrong."""

    gate: str = column("gate")
    class_name: str = column("class")
    true_positive: float = column("TP")
    false_positive: float = column("FP")
    false_negative: float = column("FN")


class NumbersTab(QWidget):
    """A row per class; distances follow once the brush rests."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self.tolerance = QDoubleSpinBox()
        self.tolerance.setRange(0.0, 1000.0)
        self.tolerance.setSingleStep(0.5)
        self.tolerance.setValue(state.tolerance)
        self.tolerance.setToolTip(
            "Surface Dice: the share of both surfaces that lies within this distance of the other."
        )
        self.table = Table("numbers", ("class", "Dice", "HD95", "note"))
        self.table.setToolTip(
            "Overlap is counted at once; distances and objects are measured when the brush rests. "
            "Click a header to sort."
        )
        self.copy = QPushButton("Copy as Markdown")
        self.copy.setToolTip("Copy the table for a text.")
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save the table as CSV.")
        self.message = Text()
        self.gates = Table("numbers of gates")
        self.gates.setToolTip(
            "Mean coefficient α of every gate where the mask is right (TP: true positives) and "
            "where it is wrong (FP, FN: false positives, false negatives)."
        )
        self.attention = Task(
            state.dock,
            "Gates in the errors",
            "Mean α of every gate in true positives, false positives and false negatives.",
            self._prepare,
            self._show_gates,
            self.message.setText,
            network=lambda: False,
        )
        self._arrange()
        self.tolerance.valueChanged.connect(self._tolerance_changed)
        self.copy.clicked.connect(self._copy)
        self.save.clicked.connect(self._save)
        state.chosen.connect(self._chosen)
        state.changed.connect(lambda _: self._show())
        state.measured.connect(self._show)

    def _arrange(self) -> None:
        form = QFormLayout()
        self._unit = QLabel("tolerance")
        form.addRow(self._unit, self.tolerance)
        line = QHBoxLayout()
        line.addWidget(self.copy)
        line.addWidget(self.save)
        line.addStretch()
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.table, 3)
        column.addLayout(line)
        column.addWidget(self.attention)
        column.addWidget(self.gates, 2)
        column.addWidget(self.message)
        self.gates.setVisible(False)

    def rows(self) -> Sequence[CountedRow]:
        """Return what is known: all, or, while the brush moves, what is counted."""
        state = self._state
        if state.comparison is None:
            return []
        return state.rows or state.comparison.counted_rows()

    def _chosen(self) -> None:
        state = self._state
        unit = "voxels" if state.comparison is None else state.comparison.geometry.length_unit
        self._unit.setText(f"tolerance ({unit})")
        self.gates.setVisible(False)
        self.attention.setVisible(self._result() is not None)
        self._show()

    def _show(self) -> None:
        rows = self.rows()
        titles: list[str] = []
        if rows and self._state.rows is None:  # the columns stay where they are
            known = [self.table.horizontalHeaderItem(i) for i in range(self.table.columnCount())]
            titles = [item.text() for item in known if item is not None]
        colours = self._state.colours()
        fill(self.table, rows, titles=titles, missing="…", colours=colours)

    def _tolerance_changed(self, value: float) -> None:
        self._state.tolerance = value
        self._state.measure()

    def markdown(self) -> str:
        """Return the table as Markdown."""
        return markdown(self.rows())

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.markdown())
        self.message.setText("Copied.")

    def _save(self) -> None:
        save(self, "comparison.csv", self.rows(), self.message.setText)

    # --- gates ----------------------------------------------------------------------------------
    def _result(self) -> Result | None:
        """Return the result that the prediction is the mask of."""
        state = self._state
        for result in results(state.viewer):
            if result.mask is state.mask and result.mask is not None and result.gates:
                return result
        return None

    def _prepare(self) -> Any:
        state, result = self._state, self._result()
        assert state.comparison is not None  # noqa: S101  (for the type checker: else hidden)
        assert state.mask is not None  # noqa: S101
        assert result is not None  # noqa: S101
        counted, geometry = state.comparison, shown_geometry(state.mask)

        def steps() -> workers.Work:
            comparison = counted.copy()
            gates = [gate_map(gate, state.viewer) for gate in result.gates.values()]
            rows: list[InErrorsRow] = []
            for gate in gates:
                yield Progress(gate.name, len(rows) / (len(gates) * len(comparison.labels())))
                cover = Cover(gate, geometry, comparison.mask.shape)
                for label in comparison.labels():
                    e = statistics.in_errors(
                        cover, comparison.mask == label, comparison.truth == label
                    )
                    rows.append(
                        InErrorsRow(
                            gate=gate.name,
                            class_name=comparison.name(label),
                            true_positive=round(e.true_positive, DIGITS),
                            false_positive=round(e.false_positive, DIGITS),
                            false_negative=round(e.false_negative, DIGITS),
                        )
                    )
            return rows

        return steps

    def _show_gates(self, rows: list[InErrorsRow]) -> None:
        fill(self.gates, rows, colours=self._state.colours())
        self.gates.setVisible(True)
