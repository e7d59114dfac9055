"""Boxes to choose from, whose choices come and go with the layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QToolTip

LEAST = 5
"""Characters that a box keeps room for, however narrow its dock."""
PADDING = 6
"""Pixels beside the text that styles keep free of it."""


def combo(tooltip: str) -> QComboBox:
    """Return a box that does not widen its dock for a long name."""
    box = QComboBox()
    box.setToolTip(tooltip)
    narrow(box)
    return box


def narrow(box: QComboBox) -> None:
    """Let a box be narrower than its names: they end with an ellipsis, and its tooltip has them.

    Qt's own would widen its dock, or cut a name so that nothing tells that there is more.
    """
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(LEAST)
    box.installEventFilter(_Shortens(box))


class _Shortens(QObject):
    """Paints a box's text, and tells what of it is not seen."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Take the place of Qt's own painting and tooltip (Qt calls this)."""
        if not isinstance(watched, QComboBox) or event is None:
            return False
        if event.type() == QEvent.Type.Paint:
            _paint(watched)
            return True
        if isinstance(event, QHelpEvent) and _shortened(watched) != watched.currentText():
            told = f"{watched.currentText()}\n{watched.toolTip()}"
            QToolTip.showText(event.globalPos(), told, watched)
            return True
        return False


def _option(box: QComboBox) -> QStyleOptionComboBox:
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    return option


def _shortened(box: QComboBox) -> str:
    style, edit = box.style(), QStyle.SubControl.SC_ComboBoxEditField
    assert style is not None  # noqa: S101  (for the type checker: a widget has one)
    room = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, _option(box), edit, box)
    text, middle = box.currentText(), Qt.TextElideMode.ElideMiddle
    return box.fontMetrics().elidedText(text, middle, room.width() - PADDING)


def _paint(box: QComboBox) -> None:
    painter, option = QStylePainter(box), _option(box)
    painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
    option.currentText = _shortened(box)
    painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


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
