"""One small picture of a slice, painted by Qt: grey, a map, outlines, sides, a caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPen, QWheelEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_attn_unet.prediction import Colour

CAPTION = 16
"""Pixels of the line below the picture."""
_EDGE = 4
_MARK, _PAPER, _INK = QColor("#ffffff"), QColor("#000000"), QColor("#e8e8e8")


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A slice as it is seen.

    Attributes
    ----------
    rgb
        (rows, columns, 3) uint8.
    step
        Length of a pixel down and across.
    part
        (top, left, height, width) in pixels of the part that is shown; None for all.
    outlines
        Pieces (N, 2, 2) as of `report.picture.outlines`, each with its colour.
    sides
        Letters at "top", "bottom", "left" and "right".
    cross
        (row, column) of the cross-hair.
    """

    rgb: npt.NDArray[np.uint8]
    step: tuple[float, float] = (1.0, 1.0)
    part: tuple[float, float, float, float] | None = None
    outlines: Sequence[tuple[npt.NDArray[np.float32], Colour]] = ()
    sides: Mapping[str, str] = field(default_factory=dict)
    cross: tuple[float, float] | None = None


class Picture(QWidget):
    """Shows a `Plane` as large as there is room, in true proportions.

    Parameters
    ----------
    caption
        Below it.
    tooltip
        What it is.
    """

    clicked = Signal()
    """It was clicked."""
    pointed = Signal(float, float)
    """Row and column of the plane, while the left button is down."""
    scrolled = Signal(int)
    """The wheel was turned by so many notches."""

    def __init__(self, caption: str, tooltip: str) -> None:
        super().__init__()
        self.caption = caption
        self.is_marked = False
        """Whether it is framed: it is what the canvas shows."""
        self._plane: Plane | None = None
        self.setToolTip(tooltip)
        self.setMinimumSize(64, 64 + CAPTION)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def plane(self) -> Plane | None:
        """What is shown."""
        return self._plane

    def show_plane(self, plane: Plane | None, *, marked: bool = False) -> None:
        """Show another slice."""
        self._plane, self.is_marked = plane, marked
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Return a good size (Qt calls this)."""
        return QSize(120, 104 + CAPTION)

    def let_go(self) -> None:
        """Forget who listens: psygnal's slots are a cycle that Python's collector does not see."""
        for signal in (self.clicked, self.pointed, self.scrolled):
            signal.disconnect()

    # --- where pixels lie -----------------------------------------------------------------------
    def _part(self, plane: Plane) -> tuple[float, float, float, float]:
        rows, columns = plane.rgb.shape[:2]
        return plane.part or (-0.5, -0.5, rows, columns)

    def _target(self, plane: Plane) -> QRectF:
        """Return where the part that is shown is painted."""
        _, _, height, width = self._part(plane)
        tall, wide = height * plane.step[0], width * plane.step[1]
        room = QRectF(_EDGE, _EDGE, self.width() - 2 * _EDGE, self.height() - CAPTION - 2 * _EDGE)
        by = min(room.width() / max(wide, 1e-9), room.height() / max(tall, 1e-9))
        target = QRectF(0, 0, wide * by, tall * by)
        target.moveCenter(room.center())
        return target

    def place(self, x: float, y: float) -> tuple[float, float] | None:
        """Return the row and column of the plane at a point of the widget."""
        if self._plane is None:
            return None
        top, left, height, width = self._part(self._plane)
        target = self._target(self._plane)
        row = top + (y - target.top()) / max(target.height(), 1e-9) * height
        column = left + (x - target.left()) / max(target.width(), 1e-9) * width
        return row, column

    # --- what Qt calls --------------------------------------------------------------------------
    def paintEvent(self, _: object) -> None:  # noqa: N802
        """Paint (Qt calls this)."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), _PAPER)
        if self._plane is not None:
            self._paint(painter, self._plane)
        painter.setPen(_INK)
        painter.setFont(_font(9))
        line = QRectF(0, self.height() - CAPTION, self.width(), CAPTION)
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, self.caption)
        if self.is_marked:
            painter.setPen(QPen(_MARK, 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()

    def _paint(self, painter: QPainter, plane: Plane) -> None:
        rgb = np.ascontiguousarray(plane.rgb)
        rows, columns = rgb.shape[:2]
        image = QImage(rgb.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888)
        top, left, height, width = self._part(plane)
        target = self._target(plane)
        down, across = target.height() / height, target.width() / width
        painter.save()
        painter.setClipRect(target)
        # Pixel i reaches from i - 0.5 to i + 0.5.
        painter.translate(target.left() - left * across, target.top() - top * down)
        painter.drawImage(QRectF(-across / 2, -down / 2, columns * across, rows * down), image)
        for pieces, colour in plane.outlines:
            painter.setPen(QPen(QColor.fromRgbF(*colour), 1.5))
            for (r0, c0), (r1, c1) in pieces.tolist():
                painter.drawLine(QPointF(c0 * across, r0 * down), QPointF(c1 * across, r1 * down))
        if plane.cross is not None:
            painter.setPen(QPen(QColor("#f0e442"), 1))
            y, x = plane.cross[0] * down, plane.cross[1] * across
            painter.drawLine(QPointF(-across, y), QPointF(columns * across, y))
            painter.drawLine(QPointF(x, -down), QPointF(x, rows * down))
        painter.restore()
        self._letter(painter, target, plane.sides)

    def _letter(self, painter: QPainter, target: QRectF, sides: Mapping[str, str]) -> None:
        painter.setPen(_INK)
        painter.setFont(_font(8))
        center = Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignVCenter
        flags = {
            "top": center[0] | Qt.AlignmentFlag.AlignTop,
            "bottom": center[0] | Qt.AlignmentFlag.AlignBottom,
            "left": center[1] | Qt.AlignmentFlag.AlignLeft,
            "right": center[1] | Qt.AlignmentFlag.AlignRight,
        }
        for side, letter in sides.items():
            painter.drawText(target.adjusted(2, 0, -2, 0), flags[side], letter)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Tell of a click (Qt calls this)."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()
            self._point(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Tell of a drag (Qt calls this)."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event)

    def _point(self, event: QMouseEvent) -> None:
        there = self.place(event.pos().x(), event.pos().y())
        if there is not None:
            self.pointed.emit(*there)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Tell of the wheel (Qt calls this)."""
        if event is not None and event.angleDelta().y():
            self.scrolled.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()


def _font(points: int) -> QFont:
    font = QFont()
    font.setPointSize(points)
    return font
