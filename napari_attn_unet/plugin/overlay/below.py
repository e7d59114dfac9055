"""The dock below the canvas: which plane, and the strip of gates or three orthogonal views."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.layers import BOX
from napari_attn_unet.plugin.overlay.buttons import PlaneButtons
from napari_attn_unet.plugin.overlay.planes import Planes
from napari_attn_unet.plugin.overlay.sides import Sides
from napari_attn_unet.plugin.overlay.strip import Strip

HEIGHT = 168
"""Pixels of the strip with its buttons."""
SHARE = 0.45
"""Of the window's height, that orthogonal views take at most by themselves."""
_THREE = "three"
WHERE, _ROOM = 200, 12
"""Pixels that the slice's place takes at most, a longer one is cut; and left free for the next."""


class Below(QWidget):
    """What lies below the canvas.

    Parameters
    ----------
    viewer
        Whose slice it is.
    choice, sides
        What is looked at, and how it is turned.
    """

    def __init__(self, viewer: Any, choice: Choice, sides: Sides) -> None:
        super().__init__()
        self.viewer = viewer
        self._dock = dock = Dock(self, viewer, "below")
        self._settings = Settings("overlay")
        self.strip = Strip(dock, choice, sides)
        self.planes = Planes(dock, choice, sides)
        self.buttons = PlaneButtons(dock, choice, sides)
        self.three = QPushButton("Orthogonal")
        self.three.setCheckable(True)
        self.three.setToolTip(
            "Orthogonal views: axial, coronal and sagittal through one point, in place of the "
            "gates of this slice."
        )
        self.where = QLabel()
        self.where.setToolTip("The slice on screen: index, and place along its axis.")
        self._choice, self._sides = choice, sides
        dock.connect(sides.changed, self._tell)
        sides.write_slice(False)
        dock.on_close(sides.write_slice, True)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.strip)
        self._stack.addWidget(self.planes)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self.where)
        head.addWidget(self.buttons, 1)
        head.addWidget(self.three)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self._stack, 1)
        self.setMinimumHeight(HEIGHT)
        self._resizing = dock.timer(0, self._take_height)
        self._has_room = False
        self.three.toggled.connect(self._toggled)
        self.three.setChecked(self._settings.value(_THREE) in (True, "true"))

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Take the height that orthogonal views need, where they were left on (Qt calls this)."""
        super().showEvent(event)
        if self.three.isChecked() and not self._has_room:
            self._resizing.start()

    def _tell(self) -> None:
        result = self._choice.result
        box = None if result is None else result.provenance.get(BOX)
        metrics, place = self.where.fontMetrics(), self._sides.told
        if box:  # a name may be cut, a number may not
            room = WHERE - _ROOM - metrics.horizontalAdvance(" · " + place)
            box = metrics.elidedText(str(box), Qt.TextElideMode.ElideRight, max(room, 0))
        told = " · ".join(filter(None, (box, place)))
        is_first = not self.where.text()
        self.where.setText(told)
        needed = min(metrics.horizontalAdvance(told) + _ROOM, WHERE)
        if is_first or needed > self.where.width():
            # Of one size, or the whole window would be laid out with every slice.
            self.where.setFixedSize(needed, self.where.sizeHint().height())

    def _toggled(self, three: bool) -> None:
        self._stack.setCurrentWidget(self.planes if three else self.strip)
        self._settings.keep(_THREE, three)
        self._resizing.start()

    def _take_height(self) -> None:
        dock, main = self.parent(), self.window()
        if not isinstance(dock, QDockWidget) or not isinstance(main, QMainWindow):
            return
        height, self._has_room = HEIGHT, self.three.isChecked()
        if self._has_room:
            others = self.height() - self._stack.height()
            wanted = others + self.planes.height_for(self._stack.width())
            height = max(HEIGHT, min(wanted, round(main.height() * SHARE)))
        main.resizeDocks([dock], [height], Qt.Orientation.Vertical)
