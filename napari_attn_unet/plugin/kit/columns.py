"""A table that fits its dock: some columns are shown, the rest by a menu on the header."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QMenu, QTableWidget, QToolButton

from napari_attn_unet.plugin.kit.settings import Settings

TIP = "Which columns are shown (a right-click on the header, too). All are saved."


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
        self._first = tuple(first)
        self._settings = Settings("columns")
        self._name = name
        self.menu = QMenu(self)
        """The columns' names, ticked where they are shown."""
        self.button = QToolButton(self)
        self.button.setText("⋮")
        self.button.setToolTip(TIP)
        self.button.setAutoRaise(True)
        self.button.clicked.connect(self._open_at_button)
        across = self.horizontalHeader()
        assert across is not None  # noqa: S101  (for the type checker: a table has one)
        across.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        across.customContextMenuRequested.connect(self._open)

    def arrange(self) -> None:
        """Show the columns that are wanted, once there are others."""
        for column in range(self.columnCount()):
            self.setColumnHidden(column, not self._is_wanted(self.title(column)))
        self._place()

    def title(self, column: int) -> str:
        """Return what a column is called."""
        item = self.horizontalHeaderItem(column)
        return "" if item is None else item.text()

    def _is_wanted(self, title: str) -> bool:
        kept = self._settings.value(f"{self._name}/{title}")
        if kept is not None:
            return kept in (True, "true")
        return not self._first or not title or title.startswith(self._first)

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
        across = self.horizontalHeader()
        if across is not None:
            self._fill()
            self.menu.popup(across.mapToGlobal(place))

    def _open_at_button(self) -> None:
        self._fill()
        self.menu.popup(self.button.mapToGlobal(QPoint(0, self.button.height())))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Keep the button at the header's end (Qt calls this)."""
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        across = self.horizontalHeader()
        if across is None:
            return
        side = across.height()
        self.button.setVisible(self.columnCount() > 0)
        self.button.setGeometry(self.width() - side - 2, 1, side, side)
        self.button.raise_()
