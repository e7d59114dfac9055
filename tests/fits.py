"""What of a page does not fit the room that it has: cut words, pages that scroll sideways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyleOptionButton,
    QTabBar,
    QTableView,
    QToolTip,
    QWidget,
)

LEAST = 4
"""Characters that a word which gives way keeps, before its ellipsis."""


def faults(page: QWidget) -> list[str]:
    """Say of everything that is seen on a page what of it is not."""
    found: list[str] = []
    for area in [page, *page.findChildren(QScrollArea)]:
        if isinstance(area, QScrollArea) and area.isVisible():
            bar = area.horizontalScrollBar()
            if bar is not None and bar.maximum() > bar.minimum():
                found.append(f"scrolls sideways by {bar.maximum() - bar.minimum()} pixels")
    found += [f"label: {_shown(label.text())}" for label in _seen(page, QLabel) if _cut(label)]
    found += [f"button: {b.text()!r}" for b in _seen(page, QAbstractButton) if _cut_button(b)]
    found += [f"box: {b.text()!r}" for b in _seen(page, QAbstractSpinBox) if _cut_box(b)]
    for bar in _seen(page, QTabBar):
        if bar.width() < bar.minimumSizeHint().width():
            found.append(f"tabs: {[bar.tabText(i) for i in range(bar.count())]}")
    for table in _seen(page, QTableView):
        found += _cut_in(table)
    return found


def _seen(page: QWidget, kind: Any) -> Iterator[Any]:
    """Return what is seen, or is once one scrolls there; what is folded away has no height."""
    for widget in page.findChildren(kind):
        above, folded = widget, False
        while above is not None and above is not page:
            folded, above = folded or above.height() == 0, above.parentWidget()
        if widget.isVisible() and not folded:
            yield widget


def _shown(text: str) -> str:
    return repr(text if len(text) < 60 else text[:60] + "…")


def _cut(label: QLabel) -> bool:
    if label.wordWrap():
        width, height = label.minimumSizeHint().width(), label.heightForWidth(label.width())
    else:
        hint = label.sizeHint()
        width, height = hint.width(), hint.height()
    return width > label.width() or height > label.height()


def _cut_button(button: QAbstractButton) -> bool:
    style, text = button.style(), button.text()
    if style is None or not isinstance(button, QPushButton | QCheckBox):
        return bool(button.width() < button.fontMetrics().horizontalAdvance(text))
    option = QStyleOptionButton()
    button.initStyleOption(option)
    element = (
        QStyle.SubElement.SE_CheckBoxContents
        if isinstance(button, QCheckBox)
        else QStyle.SubElement.SE_PushButtonContents
    )
    room = style.subElementRect(element, option, button)
    return bool(room.width() < button.fontMetrics().horizontalAdvance(text.replace("&", "")))


def _cut_box(box: QAbstractSpinBox) -> bool:
    line = box.lineEdit()
    # Of the line's width Qt keeps two pixels at each side, and one is the cursor's.
    return bool(line.width() - 5 < line.fontMetrics().horizontalAdvance(line.text()))


def _cut_in(table: QTableView) -> list[str]:
    """Return cells and titles of a table that are cut, but for words that say so themselves."""
    found: list[str] = []
    bar, across, model = table.horizontalScrollBar(), table.horizontalHeader(), table.model()
    if bar is not None and bar.maximum() > bar.minimum():
        found.append(f"table scrolls sideways by {bar.maximum() - bar.minimum()}")
    if across is None or model is None:
        return found
    for column in range(model.columnCount()):
        if table.isColumnHidden(column):
            continue
        title = str(model.headerData(column, Qt.Orientation.Horizontal) or "")
        tip = model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        if across.sectionSizeHint(column) > across.sectionSize(column):
            found += _gives_way(across, title, tip, across.sectionSize(column), "title")
        for row in range(model.rowCount()):
            index = model.index(row, column)
            if table.sizeHintForIndex(index).width() > table.columnWidth(column):
                text, tip = str(index.data() or ""), _tip(table, table.visualRect(index).center())
                found += _gives_way(table, text, tip, table.columnWidth(column), "cell")
    return found


def _tip(table: QTableView, place: QPoint) -> str:
    """Return what a table tells where the cursor rests."""
    view = table.viewport()
    assert view is not None
    QToolTip.hideText()
    asked = QHelpEvent(QEvent.Type.ToolTip, place, view.mapToGlobal(place))
    QApplication.sendEvent(view, asked)
    return QToolTip.text()


def _gives_way(view: Any, text: str, tip: Any, width: int, what: str) -> list[str]:
    """Return what is wrong with a text that is cut: numbers never are, words end with "…"."""
    if not re.search(r"[^\W\d_]{2}", text):
        return [f"{what} {text!r} is a number and cut"]
    if view.textElideMode() == Qt.TextElideMode.ElideNone:
        return [f"{what} {text!r} is cut without an ellipsis"]
    if text not in str(tip or ""):
        return [f"{what} {text!r} is cut without a tooltip"]
    if width < view.fontMetrics().horizontalAdvance(text[:LEAST] + "…"):
        return [f"of {what} {text!r} nothing is left"]
    return []
