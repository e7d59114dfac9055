"""Boxes to choose from, whose choices come and go with the layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtWidgets import QComboBox, QPushButton, QSizePolicy


def combo(tooltip: str) -> QComboBox:
    """Return a box that does not widen its dock for a long name."""
    box = QComboBox()
    box.setToolTip(tooltip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box


def tight(button: QPushButton) -> QPushButton:
    """Let a button be as narrow as its text, and as wide as there is room."""
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    button.setMinimumWidth(button.fontMetrics().horizontalAdvance(button.text()) + 10)
    return button


def offer(
    box: QComboBox, choices: Sequence[tuple[str, Any]], wanted: Callable[[Any], bool]
) -> None:
    """Fill a box without a signal; choose what is wanted, if it is there."""
    box.blockSignals(True)
    box.clear()
    for name, data in choices:
        box.addItem(name, data)
    pick(box, wanted)
    box.blockSignals(False)


def pick(box: QComboBox, wanted: Callable[[Any], bool]) -> None:
    """Choose the first that is wanted."""
    for i in range(box.count()):
        if wanted(box.itemData(i)):
            box.setCurrentIndex(i)
            return
