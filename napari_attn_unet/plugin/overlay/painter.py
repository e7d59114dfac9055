"""One small picture of a slice, painted by Qt: grey, a map, outlines, sides, a caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import (
    QColor,
    QFont,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPen,
    QTransform,
    QWheelEvent,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_attn_unet.prediction import Colour

CAPTION, NOTE = 16, 14
"""Pixels of the line below the picture, and of a second one."""
_EDGE = 4
_GAP = 6
"""Pixels around a place that the cross-hair leaves free."""
_MARK, _PAPER, _INK = QColor("#ffffff"), QColor("#000000"), QColor("#b8b8b8")
_PLATE = QColor(0, 0, 0, 150)
_CROSS, _SHADE = QColor(255, 255, 255, 210), QColor(0, 0, 0, 130)
"""A hue would be a class's or the gates'."""


class Edges:
    """Outlines in one colour; several pictures may paint the same.

    Parameters
    ----------
    pieces
        (N, 2, 2) as of `report.picture.outlines`.
    colour
        (r, g, b) in 0..1.
    """

    def __init__(self, pieces: npt.NDArray[np.float32], colour: Colour) -> None:
        self.pieces, self.colour = pieces, colour

    @cached_property
    def path(self) -> QPainterPath:
        """The pieces as Qt's, (column, row)."""
        path = QPainterPath()
        for (r0, c0), (r1, c1) in self.pieces.tolist():
            path.moveTo(c0, r0)
            path.lineTo(c1, r1)
        return path


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
    edges
        Outlines in their colours.
    sides
        Letters at "top", "bottom", "left" and "right".
    cross
        (row, column) of the cross-hair.
    means
        Of a gate's coefficients inside and outside the mask; None where there is none.
    """

    rgb: npt.NDArray[np.uint8]
    step: tuple[float, float] = (1.0, 1.0)
    part: tuple[float, float, float, float] | None = None
    edges: Sequence[Edges] = ()
    sides: Mapping[str, str] = field(default_factory=dict)
    cross: tuple[float, float] | None = None
    means: tuple[float, float] | None = None


class Pane(QWidget):
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

    def __init__(self, caption: str, tooltip: str, *, noted: bool = False) -> None:
        super().__init__()
        self.caption, self.note = caption, ""
        self.is_noteworthy = False
        """Whether the note stands out."""
        self._below = CAPTION + (NOTE if noted else 0)
        self.is_marked = False
        """Whether it is framed: it is what the canvas shows."""
        self._plane: Plane | None = None
        self.setToolTip(tooltip)
        # It paints all of itself: what lies below need not be painted with every slice.
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(64, 64 + self._below)
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
        return QSize(120, 104 + self._below)

    def tell(
        self, caption: str, tooltip: str, note: str = "", *, is_noteworthy: bool = False
    ) -> None:
        """Change what is said of it."""
        said = caption, note, is_noteworthy
        if said != (self.caption, self.note, self.is_noteworthy):
            self.caption, self.note, self.is_noteworthy = said
            self.update()
        if tooltip != self.toolTip():
            self.setToolTip(tooltip)

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
        room = QRectF(self.rect()).adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE - self._below)
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
        top = self.height() - self._below
        line = QRectF(1, top, self.width() - 2, CAPTION)
        _write(painter, line, self.caption, _font(9, bold=self.is_marked))
        line = QRectF(1, top + CAPTION, self.width() - 2, NOTE)
        _write(painter, line, self.note, _font(8, bold=self.is_noteworthy))
        painter.end()

    def _paint(self, painter: QPainter, plane: Plane) -> None:
        rows, columns = plane.rgb.shape[:2]
        top, left, height, width = self._part(plane)
        target = self._target(plane)
        down, across = target.height() / height, target.width() / width
        painter.save()
        painter.setClipRect(target)
        # Pixel i reaches from i - 0.5 to i + 0.5.
        painter.translate(target.left() - left * across, target.top() - top * down)
        r0, r1 = max(int(top + 0.5), 0), min(int(np.ceil(top + height + 0.5)), rows)
        c0, c1 = max(int(left + 0.5), 0), min(int(np.ceil(left + width + 0.5)), columns)
        box = QRectF((c0 - 0.5) * across, (r0 - 0.5) * down, (c1 - c0) * across, (r1 - r0) * down)
        painter.drawImage(box, self._image(plane.rgb[r0:r1, c0:c1], box))
        by = QTransform.fromScale(across, down)
        for edges in plane.edges:
            painter.setPen(QPen(QColor.fromRgbF(*edges.colour), 1))
            path = by.map(edges.path)
            painter.drawPath(path)
            # One and a half pixels wide, in a tenth of the time that Qt takes for such a pen.
            painter.drawPath(path.translated(0.5, 0.5))
        if plane.cross is not None:
            y, x = plane.cross[0] * down, plane.cross[1] * across
            self._cross(painter, QRectF(-across, -down, (columns + 1) * across, (rows + 1) * down),
                        QPointF(x, y))  # fmt: skip
        painter.restore()
        if self.is_marked:
            painter.setPen(QPen(_MARK, 2))
            painter.drawRect(target.adjusted(-2, -2, 2, 2))
        self._letter(painter, target, plane.sides)

    def _image(self, rgb: npt.NDArray[np.uint8], box: QRectF) -> QImage:
        """Return pixels as Qt's; made as small as they will be, if they are to be smaller.

        Left to the painter, single pixels would be picked: thin structures come and go.
        """
        rows, columns = rgb.shape[:2]
        image = QImage(rgb.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888)
        ratio = self.devicePixelRatioF()
        wide, tall = round(box.width() * ratio), round(box.height() * ratio)
        if wide >= columns or tall >= rows:
            return image.copy()  # of bytes that go with this call
        return image.scaled(
            max(wide, 1),
            max(tall, 1),
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )

    @staticmethod
    def _cross(painter: QPainter, room: QRectF, at: QPointF) -> None:
        """Draw a cross-hair that leaves free what it points at."""
        for colour, shift in ((_SHADE, 1.0), (_CROSS, 0.0)):
            painter.setPen(QPen(colour, 1))
            x, y = at.x() + shift, at.y() + shift
            for near, far in ((-_GAP, room.left()), (_GAP, room.right())):
                painter.drawLine(QPointF(at.x() + near, y), QPointF(far, y))
            for near, far in ((-_GAP, room.top()), (_GAP, room.bottom())):
                painter.drawLine(QPointF(x, at.y() + near), QPointF(x, far))

    def _letter(self, painter: QPainter, target: QRectF, sides: Mapping[str, str]) -> None:
        painter.setFont(_font(8, bold=True))
        metrics = painter.fontMetrics()
        high, wide = metrics.height() - 1.0, metrics.horizontalAdvance("W") + 4.0
        # Within a picture too small for two letters, they would change places.
        x, y = max(2 * wide - target.width(), 0) / 2, max(2 * high - target.height(), 0) / 2
        room = target.adjusted(-x, -y, x, y)
        for side, letter in sides.items():
            if not letter:
                continue
            plate = QRectF(0, 0, metrics.horizontalAdvance(letter) + 4, high)
            plate.moveCenter(room.center())
            if side == "top":
                plate.moveTop(room.top())
            elif side == "bottom":
                plate.moveBottom(room.bottom())
            elif side == "left":
                plate.moveLeft(room.left())
            else:
                plate.moveRight(room.right())
            painter.fillRect(plate, _PLATE)
            painter.setPen(_MARK)
            painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, letter)

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


def _font(points: int, *, bold: bool = False) -> QFont:
    font = QFont()
    font.setPointSize(points)
    font.setBold(bold)
    return font


def _write(painter: QPainter, line: QRectF, words: str, font: QFont) -> None:
    """Write a line of words, cut where there is no room; what is bold stands out."""
    painter.setPen(_MARK if font.bold() else _INK)
    painter.setFont(font)
    told = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, int(line.width()))
    painter.drawText(line, Qt.AlignmentFlag.AlignCenter, told)
