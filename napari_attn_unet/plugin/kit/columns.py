"""A table that fits its dock: some columns are shown, the rest by a menu on the header.

Those that are shown share the room. Where it is too little, words end with an ellipsis, and a
tooltip has them; a number that is cut is another number, so numbers stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, QPoint, QRect, QSize, Qt
from qtpy.QtGui import QHelpEvent, QPainter, QResizeEvent
from qtpy.QtWidgets import (
    QHeaderView,
    QMenu,
    QStyle,
    QStyleOptionHeader,
    QTableWidget,
    QToolButton,
    QToolTip,
)

from napari_attn_unet.plugin.kit.settings import Settings

TIP = "Which columns are shown (a right-click on the header, too). All are saved."
LEAST, SHORT = 5, 6
"""Characters that a word keeps, with the ellipsis it ends with; and of those that are never cut."""
WORD = re.compile(r"[^\W\d_]{2}")
"""Two letters in a row tell words from numbers, which have units, signs and ± at most."""


class _Header(QHeaderView):
    """Titles, the last of which leaves room for the button of the menu."""

    def _is_last(self, column: int) -> bool:
        after = range(self.visualIndex(column) + 1, self.count())
        return all(self.isSectionHidden(self.logicalIndex(i)) for i in after)

    def sectionSizeFromContents(self, column: int) -> QSize:  # noqa: N802
        """Return what a title asks for: Qt would keep room for an arrow on each (Qt calls this)."""
        model, style = self.model(), self.style()
        if model is None or style is None:
            return super().sectionSizeFromContents(column)
        option = QStyleOptionHeader()
        self.initStyleOption(option)
        option.section = column
        option.text = str(model.headerData(column, self.orientation()) or "")
        if self.isSortIndicatorShown() and self.sortIndicatorSection() == column:
            option.sortIndicator = QStyleOptionHeader.SortIndicator.SortDown
        asked = QStyle.ContentsType.CT_HeaderSection
        size = style.sizeFromContents(asked, option, QSize(), self)
        return size + QSize(_side(self), 0) if self._is_last(column) else size

    def paintSection(  # noqa: N802
        self, painter: QPainter | None, place: QRect, column: int
    ) -> None:
        """Draw a title (Qt calls this)."""
        side = _side(self) if self._is_last(column) else 0
        super().paintSection(painter, place.adjusted(0, 0, -side, 0), column)


class Table(QTableWidget):
    """A table with a menu of its columns; what was chosen is kept.

    Parameters
    ----------
    name
        Under which the choice is kept.
    first
        How the titles of the columns begin that are shown until somebody chooses; all without.
    """

    def __init__(self, name: str, first: Sequence[str] = ()) -> None:
        super().__init__()
        self.first = tuple(first)
        self._settings = Settings("columns")
        self._name = name
        self.menu = QMenu(self)
        """The columns' names, ticked where they are shown."""
        self.button = QToolButton(self)
        self.button.setText("⋮")
        self.button.setToolTip(TIP)
        self.button.setAutoRaise(True)
        self.button.clicked.connect(self._open_at_button)
        self._shared = False
        self.setWordWrap(False)  # or a cell's second word would lie below its row
        across = _Header(Qt.Orientation.Horizontal, self)
        across.setSectionsClickable(True)
        across.sortIndicatorChanged.connect(self._share_again)
        self.setHorizontalHeader(across)
        down = self.verticalHeader()
        assert down is not None  # noqa: S101  (for the type checker: a table has one)
        down.setVisible(False)
        across.setTextElideMode(Qt.TextElideMode.ElideRight)
        across.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        across.customContextMenuRequested.connect(self._open)

    def header(self) -> QHeaderView:
        """Return the header of the columns."""
        across = self.horizontalHeader()
        assert across is not None  # noqa: S101  (for the type checker: a table has one)
        return across

    def arrange(self) -> None:
        """Show the columns that are wanted, once there are others."""
        for column in range(self.columnCount()):
            self.setColumnHidden(column, not self._is_wanted(self.title(column)))
        self._place()
        self._share_again()

    def title(self, column: int) -> str:
        """Return what a column is called."""
        item = self.horizontalHeaderItem(column)
        return "" if item is None else item.text()

    def _is_wanted(self, title: str) -> bool:
        kept = self._settings.value(f"{self._name}/{title}")
        if kept is not None:
            return kept in (True, "true")
        return not self.first or not title or title.startswith(self.first)

    def _fill(self) -> None:
        self.menu.clear()
        for column in range(self.columnCount()):
            title = self.title(column)
            action = self.menu.addAction(title)
            if action is None or not title:
                continue
            action.setCheckable(True)
            action.setChecked(not self.isColumnHidden(column))
            action.toggled.connect(partial(self._toggled, title))

    def _toggled(self, title: str, shown: bool) -> None:
        self._settings.keep(f"{self._name}/{title}", shown)
        self.arrange()

    def _open(self, place: QPoint) -> None:
        self._fill()
        self.menu.popup(self.header().mapToGlobal(place))

    def _open_at_button(self) -> None:
        self._fill()
        self.menu.popup(self.button.mapToGlobal(QPoint(0, self.button.height())))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Keep the button at the header's end, and share the new room (Qt calls this)."""
        super().resizeEvent(event)
        self._place()
        self._share()

    def _place(self) -> None:
        across, side = self.header(), _side(self.header())
        self.button.setVisible(self.columnCount() > 0)
        self.button.setGeometry(across.geometry().right() - side, 1, side, across.height())
        self.button.raise_()

    # --- the room that the columns share ----------------------------------------------------------
    def dataChanged(self, *changed: Any) -> None:  # noqa: N802
        """Share the room anew, once all of the cells are there (Qt calls this)."""
        super().dataChanged(*changed)
        self._share_again()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Share the room anew where texts are larger now (Qt calls this)."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self._share_again()

    def _share_again(self, *_: Any) -> None:
        self._shared = False
        self.scheduleDelayedItemsLayout()

    def doItemsLayout(self) -> None:  # noqa: N802
        """Lay out what has changed (Qt calls this)."""
        super().doItemsLayout()
        if not self._shared:
            self._shared = True
            self._share()

    def _share(self) -> None:
        """Give every column its share of the room."""
        columns = [c for c in range(self.columnCount()) if not self.isColumnHidden(c)]
        view = self.viewport()
        if not columns or view is None:
            return
        asked = [self._asks(column) for column in columns]
        widths = shares([least for least, _ in asked], [whole for _, whole in asked], view.width())
        for column, width in zip(columns, widths, strict=True):
            self.setColumnWidth(column, width)
            item = self.horizontalHeaderItem(column)
            if item is not None:
                cut = self.header().sectionSizeHint(column) > width
                item.setData(Qt.ItemDataRole.ToolTipRole, item.text() if cut else None)

    def _asks(self, column: int) -> tuple[int, int]:
        """Return the width of which a column makes do, and that in which all of it is seen."""
        model = self.model()
        assert model is not None  # noqa: S101  (for the type checker: a table has one)
        whole = self.header().sectionSizeHint(column)
        least = self._least(self.title(column), whole)
        for row in range(self.rowCount()):
            index = model.index(row, column)
            width = self.sizeHintForIndex(index).width() + 1  # the grid's line
            whole = max(whole, width)
            if (control := self.cellWidget(row, column)) is not None:
                whole = max(whole, control.sizeHint().width())
                least = max(least, control.minimumSizeHint().width())
            else:
                least = max(least, self._least(str(index.data() or ""), width))
        return least, whole

    def _least(self, text: str, width: int) -> int:
        """Return how narrow a text may become that takes a width."""
        if len(text) <= SHORT or WORD.search(text) is None:
            return width
        return width - self.fontMetrics().horizontalAdvance(text[LEAST:])

    def viewportEvent(self, event: QEvent | None) -> bool:  # noqa: N802
        """Tell the whole of a word that is cut (Qt calls this)."""
        if isinstance(event, QHelpEvent):
            index = self.indexAt(event.pos())
            if index.isValid() and self.sizeHintForIndex(index).width() >= self.columnWidth(
                index.column()
            ):
                own = index.data(Qt.ItemDataRole.ToolTipRole)
                told = "\n".join(str(text) for text in (index.data(), own) if text)
                QToolTip.showText(event.globalPos(), told, self)
                return True
        return super().viewportEvent(event)


def _side(across: QHeaderView) -> int:
    """Return how wide the button is at the end of a header: three dots above each other."""
    return max(across.height() * 2 // 3, 12)


def shares(least: Sequence[int], whole: Sequence[int], room: int) -> list[int]:
    """Return how wide columns are that share a room.

    Parameters
    ----------
    least, whole
        What each column makes do with, and what all of it takes. Where there is no room for the
        least of all, they have the whole, and are scrolled.
    room
        What there is. What is left over goes to all alike; where it is too little, to those that
        ask for least first, so that a long word gives way, not a short one.
    """
    spare = room - sum(whole)
    if spare >= 0:
        parts = [spare // len(whole) + (i < spare % len(whole)) for i in range(len(whole))]
        return [width + part for width, part in zip(whole, parts, strict=True)]
    if sum(least) > room:
        return list(whole)
    low, high = 0, max(whole)  # the widest that a column may be: between these
    while high - low > 1:
        cap = (low + high) // 2
        fits = sum(max(a, min(cap, b)) for a, b in zip(least, whole, strict=True)) <= room
        low, high = (cap, high) if fits else (low, cap)
    return [max(a, min(low, b)) for a, b in zip(least, whole, strict=True)]
