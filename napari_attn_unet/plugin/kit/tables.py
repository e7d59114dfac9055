"""Rows in a Qt table: numbers short, sorted as numbers, copied and saved whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_attn_unet.errors import AttnUNetError
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.prediction import Colour
from napari_attn_unet.table import Row, columns, text, write_csv

_CLASS = "class"


class _Cell(QTableWidgetItem):
    def __init__(self, value: Any) -> None:
        super().__init__(text(value))
        # Numbers first; "not a number", which is neither less nor more, stands with the texts.
        is_number = isinstance(value, Real) and not math.isnan(value)
        self._key = (0, value, "") if is_number else (1, 0, text(value))
        if isinstance(value, Real):
            self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return self._key < other._key if isinstance(other, _Cell) else super().__lt__(other)


def cell(table: QTableWidget, row: int, column: int) -> QTableWidgetItem:
    """Return a cell's item, made where there was none."""
    item = table.item(row, column)
    if item is None:
        item = QTableWidgetItem()
        table.setItem(row, column, item)
    return item


def fill(
    table: Table,
    rows: Sequence[Row],
    *,
    titles: Sequence[str] = (),
    missing: str = "",
    colours: Mapping[str, Colour] | None = None,
) -> None:
    """Show rows; a click on a header sorts. None can be edited.

    Parameters
    ----------
    table, rows
        What is shown, where.
    titles
        Columns to show even if no row has them, after those of the rows.
    missing
        Shown in a cell that a row does not have.
    colours
        Of classes by name, shown before the name in the column "class".
    """
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSortingEnabled(False)
    shown = list(dict.fromkeys((*columns(rows), *titles)))
    table.setRowCount(len(rows))
    table.setColumnCount(len(shown))
    table.setHorizontalHeaderLabels(shown)
    for i, cells in enumerate(map(Row.cells, rows)):
        for j, title in enumerate(shown):
            item = _Cell(cells.get(title, missing))
            if title == _CLASS and (colour := (colours or {}).get(item.text())) is not None:
                item.setData(Qt.ItemDataRole.DecorationRole, QColor.fromRgbF(*colour))
            table.setItem(i, j, item)
    table.setSortingEnabled(True)
    table.arrange()


def save(
    parent: QWidget,
    name: str,
    rows: Sequence[Row],
    say: Callable[[str], None],
    *,
    beside: Mapping[str, Sequence[Row]] | None = None,
) -> str | None:
    """Ask for a file and write rows into it as CSV; return its path, None where that failed.

    Parameters
    ----------
    parent, name
        Of the dialog: over what it opens, and the file that it proposes.
    rows
        The table.
    say
        Told what was saved, or why not.
    beside
        {ending: rows} of further files: "slices" goes to FILE_slices.csv.
    """
    path, _ = QFileDialog.getSaveFileName(parent, "Save the table", name, "CSV (*.csv)")
    if not path:
        return None
    base = str(path).removesuffix(".csv")  # not every desktop's dialog adds it
    path = f"{base}.csv"
    try:
        write_csv(path, rows)
        for ending, others in (beside or {}).items():
            write_csv(f"{base}_{ending}.csv", others)
    except AttnUNetError as error:
        say(str(error))
        return None
    say(f"Saved {path}.")
    return path
