"""Rows in a Qt table: numbers short, sorted as numbers, copied and saved whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_attn_unet.errors import AttnUNetError
from napari_attn_unet.gates.inspection import Row, write_csv


class _Cell(QTableWidgetItem):
    def __init__(self, value: Any) -> None:
        super().__init__(short(value))
        self._value = value
        if isinstance(value, int | float):
            self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        a, b = self._value, getattr(other, "_value", None)
        numbers = isinstance(a, int | float) and isinstance(b, int | float)
        return bool(a < b) if numbers else str(a) < str(b)


def short(value: Any) -> str:
    """Return a value as a table shows it."""
    if isinstance(value, float):
        if math.isnan(value):
            return "–"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004
    return "–" if value is None else str(value)


def cell(table: QTableWidget, row: int, column: int) -> QTableWidgetItem:
    """Return a cell's item, made where there was none."""
    item = table.item(row, column)
    if item is None:
        item = QTableWidgetItem()
        table.setItem(row, column, item)
    return item


def header(table: QTableWidget) -> QHeaderView:
    """Return the header of the columns, which are as wide as their texts; the rows have none."""
    across, down = table.horizontalHeader(), table.verticalHeader()
    assert across is not None  # noqa: S101  (for the type checker: a table has both)
    assert down is not None  # noqa: S101
    down.setVisible(False)
    across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    return across


def fill(table: QTableWidget, rows: Sequence[Row]) -> None:
    """Show rows, all with the same columns; a click on a header sorts. None can be edited."""
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSortingEnabled(False)
    columns = list(rows[0]) if rows else []
    table.setRowCount(len(rows))
    table.setColumnCount(len(columns))
    table.setHorizontalHeaderLabels(columns)
    for i, row in enumerate(rows):
        for j, value in enumerate(row.values()):
            table.setItem(i, j, _Cell(value))
    header(table)
    table.setSortingEnabled(True)


def save(parent: QWidget, name: str, rows: Sequence[Row], say: Callable[[str], None]) -> str | None:
    """Ask for a file and write rows into it as CSV; return its path, None if none was written."""
    path, _ = QFileDialog.getSaveFileName(parent, "Save the table", name, "CSV (*.csv)")
    if not path:
        return None
    try:
        write_csv(path, rows)
    except AttnUNetError as error:
        say(str(error))
        return None
    say(f"Saved {path}.")
    return str(path)
