"""`Dock`: what a docked widget holds of its viewer, all let go when it closes.

napari's X sets a widget's parent to None and forgets it; Qt tells of that by ParentChange alone:
neither `destroyed` nor `closeEvent` comes.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from psygnal import EmitLoopError
from qtpy.QtCore import QEvent, QObject, QSize, QTimer
from qtpy.QtWidgets import QDockWidget, QLayout, QScrollArea, QStyle, QVBoxLayout, QWidget

MARGIN = 5
_BORDER = 1
"""Pixels around what is scrolled, of napari's style; a scroll area does not tell."""
LEAST_HEIGHT = 300
"""Pixels that a dock keeps when others stand below it; what does not fit is scrolled to."""

_MEMORIES: dict[int, dict[str, dict[str, Any]]] = {}

_SLOTS: set[Callable[..., None]] = set()
"""Functions that Qt calls when a widget is destroyed, until then: a widget that Python's collector
takes apart would first empty the function, and then call it, which no program survives."""


class Hold:
    """Owner of what must end together: timers, callbacks, keys, helper layers.

    No QObject: PySide6 would take its own `connect` for ours.

    Parameters
    ----------
    viewer
        The viewer that it is of.
    memory
        Kept for as long as the viewer lives.
    """

    def __init__(self, viewer: Any, memory: dict[str, Any]) -> None:
        self.viewer, self.memory = model_of(viewer), memory  # a proxy is slow: 1 ms of every slice
        self.is_closed = False
        self._closers: dict[object, Callable[[], None]] = {}

    def on_close(self, act: Callable[..., object], *arguments: Any) -> Callable[[], None]:
        """Call something when this closes; what was asked for last comes first.

        What is returned takes it back.
        """
        key = object()
        self._closers[key] = partial(_guarded, act, *arguments)

        def forget() -> None:
            self._closers.pop(key, None)

        return forget

    def connect(self, event: Any, slot: Callable[..., object]) -> None:
        """Connect a slot to an event or signal until this closes."""
        event.connect(slot)
        self.on_close(event.disconnect, slot)

    def owns(self, *signals: Any) -> None:
        """Drop every slot of signals of the owner's own, psygnal's, when this closes.

        psygnal is compiled: Python's collector does not see the cycle through its slots.
        """
        for signal in signals:
            self.on_close(signal.disconnect)

    def append(self, callbacks: list[Any], callback: Callable[..., Any]) -> None:
        """Add to one of the viewer's lists of mouse callbacks until this closes."""
        callbacks.append(callback)
        self.on_close(callbacks.remove, callback)

    def timer(self, milliseconds: int, slot: Callable[..., None]) -> QTimer:
        """Return a single-shot timer that stops when this closes."""
        timer = QTimer()
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(slot)
        self.on_close(timer.deleteLater)
        self.on_close(timer.stop)
        return timer

    def branch(self) -> Hold:
        """Return an owner that closes with this, or before; then nothing of it is left here."""
        part = Hold(self.viewer, self.memory)
        part.on_close(self.on_close(part.close))
        return part

    def close(self) -> None:
        """Let everything go; a second call does nothing.

        What cannot be let go keeps nothing else: the first error is raised when all are through.
        """
        self.is_closed = True
        errors = []
        while self._closers:
            try:
                self._closers.popitem()[1]()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


class Dock(Hold):
    """What is held for a docked widget, until it closes.

    Parameters
    ----------
    widget
        The widget that is docked. It is deleted once it has been closed.
    viewer
        The viewer that it looks at.
    name
        What the widget is called; see `memory`.
    """

    def __init__(self, widget: QWidget, viewer: Any, name: str) -> None:
        super().__init__(viewer, memory(viewer, name))  # what it finds when it is opened again
        self._widget = weakref.ref(widget)
        self._was_docked = widget.parent() is not None
        self._ear = _Ear(self._heard)
        widget.installEventFilter(self._ear)
        # Qt drops connections to methods of the object that is being destroyed, and what it is
        # connected to it holds: a function, and that but a weak reference.
        me = weakref.ref(self)

        def gone(*_: Any) -> None:
            _SLOTS.discard(gone)
            _close(me())

        _SLOTS.add(gone)
        widget.destroyed.connect(gone)

    def close(self) -> None:
        """Let everything go; a second call does nothing."""
        widget = self._widget()
        if widget is not None and not self.is_closed:
            # Qt would ask what Python may have taken apart.
            _guarded(widget.removeEventFilter, self._ear)
        super().close()

    def _heard(self) -> None:
        """Notice the dock's X: the widget has another parent, or none."""
        widget = self._widget()
        if widget is None:
            return
        if widget.parent() is not None:
            self._was_docked = True
        elif self._was_docked:
            # Slots of its parts hold it from C++, where Python's collector does not see.
            widget.deleteLater()
            self._close_heard()

    def _close_heard(self) -> None:
        """Close, and tell of a mistake of ours as PyQt does with an error in a function of Qt's.

        PySide6 would raise it again where the dock was let go: in napari, half through its X.
        """
        try:
            self.close()
        except Exception:
            sys.excepthook(*sys.exc_info())


class _Ear(QObject):
    """Hears when a widget gets another parent, for as long as there is who listens."""

    def __init__(self, heard: Callable[[], None]) -> None:
        super().__init__()
        self._tell = weakref.WeakMethod(heard)

    def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Pass on a change of parents (Qt calls this)."""
        tell = self._tell()
        if event is not None and tell is not None and event.type() == QEvent.Type.ParentChange:
            tell()
        return False


class Scrolled(QScrollArea):
    """As wide as what it holds, and as high, but for others content with less."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the least that it asks for (Qt calls this)."""
        return self._size(least=True)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return what it asks for (Qt calls this)."""
        return self._size(least=False)

    def _size(self, *, least: bool) -> QSize:
        inner, style = self.widget(), self.style()
        if inner is None or style is None:  # is being taken down
            return QSize()
        size = inner.minimumSizeHint() if least else inner.sizeHint()
        bar = style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent) + 2 * _BORDER
        if not least:
            return QSize(size.width() + bar, size.height())
        # Qt's own style is wider than napari's: asked for before that comes, it widens the window.
        width = size.width() + bar if _is_seen(self) else 0
        return QSize(width, min(size.height(), LEAST_HEIGHT))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask for another width when what it holds does (Qt calls this)."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def _is_seen(widget: QWidget) -> bool:
    """Return whether a widget's dock is seen, whichever page is; True without a dock."""
    above = widget
    while not isinstance(above, QDockWidget) and (parent := above.parentWidget()) is not None:
        above = parent
    return above.isVisible() or not isinstance(above, QDockWidget)


def ask_again(widget: QWidget) -> None:
    """Forget how large the parts of a widget once were: before napari's style came to them.

    Pages that are not seen would else be as wide as in Qt's own style until somebody opens them.
    """
    for part in (*widget.findChildren(QWidget), widget):
        part.ensurePolished()
        part.updateGeometry()
    for layout in widget.findChildren(QLayout):
        layout.invalidate()


def scroll(widget: QWidget) -> None:
    """Let what is laid out in a widget scroll where its dock is too low for it.

    Without, Qt cuts lines of text and squeezes controls until they cannot be read.
    """
    layout = widget.layout()
    assert layout is not None  # noqa: S101  (for the type checker: it is laid out)
    layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
    inner = QWidget()
    inner.setLayout(layout)  # which takes it, and all that stands in it, from the widget
    area = Scrolled()
    area.setWidget(inner)
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    outer = QVBoxLayout(widget)
    outer.setContentsMargins(0, 0, 0, 0)
    outer.addWidget(area)


def _close(dock: Dock | None) -> None:
    if dock is not None:
        dock.close()


def _guarded(act: Callable[..., object], *arguments: Any) -> None:
    """Let go of something that may be gone by itself: a layer's event, a timer deleted by Qt."""
    # A window that is being closed takes its canvas along: napari then cannot follow a change.
    with suppress(RuntimeError, ValueError, EmitLoopError):
        act(*arguments)


def model_of(viewer: Any) -> Any:
    """Return the viewer itself: plugins are given a proxy.

    Compare viewers by `is`, of what this returns: `==` is true of any two in the same state.
    """
    return getattr(viewer, "__wrapped__", viewer)


def memory(viewer: Any, name: str) -> dict[str, Any]:
    """Return what is kept under a name for as long as a viewer lives. It must not hold the viewer.

    A dictionary with viewers for keys would take any two in the same state for one.
    """
    model = model_of(viewer)
    key = id(model)
    if key not in _MEMORIES:
        _MEMORIES[key] = {}
        weakref.finalize(model, _MEMORIES.pop, key, None)
    return _MEMORIES[key].setdefault(name, {})
