"""Rows in a Qt table: numbers short, sorted as numbers, copied and saved whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from napari_attn_unet.inspection import Row


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
        return "–" if math.isnan(value) else f"{value:.4g}"
    return "–" if value is None else str(value)


def fill(table: QTableWidget, rows: Sequence[Row]) -> None:
    """Show rows, all with the same columns; a click on a header sorts."""
    table.setSortingEnabled(False)
    columns = list(rows[0]) if rows else []
    table.setRowCount(len(rows))
    table.setColumnCount(len(columns))
    table.setHorizontalHeaderLabels(columns)
    table.verticalHeader().setVisible(False)
    for i, row in enumerate(rows):
        for j, value in enumerate(row.values()):
            table.setItem(i, j, _Cell(value))
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    table.setSortingEnabled(True)
