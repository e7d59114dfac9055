"""Pages behind buttons, which scroll, and open where they were left."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize
from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.plugin.kit.dock import Scrolled
from napari_attn_unet.plugin.kit.settings import Settings

LEAST_HEIGHT = 280
"""Pixels that a page keeps, however low the dock is."""
MARGIN = 2
IN_A_ROW = 4
"""More pages than these take a second row: Qt's own tabs would scroll, and hide the last."""


class _Stack(QStackedWidget):
    """As high as there is room, and asks for no more than the least: its pages scroll."""

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        return QSize(super().sizeHint().width(), LEAST_HEIGHT)


class Tabs(QWidget):
    """Pages, one of which is shown; all their names are in sight.

    Parameters
    ----------
    pages
        (page, name, tooltip) of each.
    settings
        Keep which of them is open.
    """

    def __init__(self, pages: Sequence[tuple[QWidget, str, str]], settings: Settings) -> None:
        super().__init__()
        self._names = [name for _, name, _ in pages]
        self._settings = settings
        self._stack = _Stack()
        self._stack.setMinimumHeight(LEAST_HEIGHT)
        self._buttons = QButtonGroup(self)
        self._buttons.setExclusive(True)
        rows = [QHBoxLayout() for _ in range(0, len(pages), IN_A_ROW)]
        for i, (page, name, tip) in enumerate(pages):
            inner = page.layout()
            if inner is not None:
                inner.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
            area = Scrolled()  # the dock is as wide as the widest page: none scrolls sideways
            area.setWidget(page)
            area.setWidgetResizable(True)
            area.setFrameShape(Scrolled.Shape.NoFrame)
            self._stack.addWidget(area)
            button = QPushButton(name)
            button.setToolTip(tip)
            button.setCheckable(True)
            self._buttons.addButton(button, i)
            rows[i // IN_A_ROW].addWidget(button, len(name))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for row in rows:
            row.setSpacing(2)
            column.addLayout(row)
        column.addWidget(self._stack, 1)
        self._buttons.idClicked.connect(self.setCurrentIndex)
        kept = str(settings.value("tab", self._names[0]))
        self.setCurrentIndex(self._names.index(kept) if kept in self._names else 0)

    def setCurrentIndex(self, index: int) -> None:  # noqa: N802  (as of Qt's own tabs)
        """Show a page."""
        self._stack.setCurrentIndex(index)
        button = self._buttons.button(index)
        if button is not None:
            button.setChecked(True)
        self._settings.keep("tab", self._names[index])

    def currentIndex(self) -> int:  # noqa: N802
        """Return which page is shown."""
        return int(self._stack.currentIndex())

    def count(self) -> int:
        """Return how many pages there are."""
        return len(self._names)

    def tabText(self, index: int) -> str:  # noqa: N802
        """Return a page's name."""
        return self._names[index]
