"""Controls that are folded away until they are wanted."""

from __future__ import annotations

from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


class Fold(QCollapsible):
    """A title that shows and hides what is below it.

    Parameters
    ----------
    title
        What is below.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._title = title
        # Its own icons are black, whatever napari's theme.
        for set_icon in (self.setCollapsedIcon, self.setExpandedIcon):
            set_icon(QIcon())
        self.toggleButton().setStyleSheet("text-align: left; background: transparent;")
        if (column := self.layout()) is not None:
            column.setContentsMargins(0, 0, 0, 0)
        self.toggled.connect(self._say)
        self._say(False)

    def hold(self, content: QWidget) -> None:
        """Fold something away."""
        if (inner := content.layout()) is not None:
            inner.setContentsMargins(0, 0, 0, 0)
        self.setContent(content)
        self.collapse(animate=False)

    def _say(self, is_open: bool) -> None:
        self.setText(f"{'▾' if is_open else '▸'} {self._title}")
