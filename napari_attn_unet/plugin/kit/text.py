"""Text in a dock."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel


class Text(QLabel):
    """A line of text that wraps, can be copied, and takes no room while it is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setVisible(False)

    def setText(self, text: str | None) -> None:  # noqa: N802  (Qt's name)
        """Show a text, or nothing."""
        super().setText(text)
        self.setVisible(bool(text))
