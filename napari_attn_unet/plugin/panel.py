"""One panel with tabs: Segment, Inspect and Compare are docks of their own, one of which is shown.

napari's menu opens each by its command; whichever is shown takes the place of the one before. Each
has the same tabs on top. The X of the one that is shown closes all.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from npe2 import PluginManager
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

from napari_attn_unet.plugin.kit.dock import Dock, ask_again, memory, model_of
from napari_attn_unet.plugin.kit.navigate import camera

PLUGIN = "napari-attn-unet"
WIDTH = 310
"""Pixels that the panel takes when it is opened: at 1280, 560 are left for the canvas."""
TABS = {
    "Segment": ("segment:SegmentWidget", "Run a checkpoint on an image: mask and gate maps."),
    "Inspect": ("inspect:InspectWidget", "Look into the gates: statistics, curves, knock-out."),
    "Compare": ("compare:CompareWidget", "Compare the mask with a truth, by eye and by number."),
}
"""Where each tab's widget is, and what it is for."""
SETTLE_MS = 1500
"""How long a canvas may take to get its new size when a dock comes up."""
_ZOOM = 0.1
"""Share by which a zoom may differ from the fitted one and still be it."""


class Panel(QObject):
    """Which of the docks of a viewer is shown; one of each kind at most.

    Parameters
    ----------
    viewer
        Whose docks they are.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._model = weakref.ref(viewer)  # which keeps the panel
        self._widgets: dict[str, weakref.ref[QWidget]] = {}
        self._shown: str | None = None
        self._width: dict[str, int] = {}
        self._fit: tuple[float, tuple[float, ...], float] | None = None
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLE_MS)
        self._settling.timeout.connect(self._settled)
        self._acts: list[Callable[[], None]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._act)

    @property
    def _viewer(self) -> Any:
        return self._model()

    def add(self, kind: str, widget: QWidget, dock: Dock) -> QTabBar:
        """Let a widget be one of the tabs; return the tabs that stand on its top."""
        before = self._widget(kind)
        self._widgets[kind] = weakref.ref(widget)
        self._width[kind] = self._width_now()
        if before is not None and _dock_of(before) is not None:
            self._later(partial(self._remove, before))  # there is one of a kind
        self.note_fit()
        watcher = _Shown(widget, lambda: self._came_up(kind))
        widget.installEventFilter(watcher)
        dock.on_close(self._closed, kind, weakref.ref(widget))
        return self._tabs(kind)

    def _tabs(self, kind: str) -> QTabBar:
        bar = QTabBar()
        bar.setExpanding(True)
        bar.setDrawBase(False)
        bar.setUsesScrollButtons(False)
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        for name, (_, tip) in TABS.items():
            bar.setTabToolTip(bar.addTab(name), tip)
        own = list(TABS).index(kind)
        bar.setCurrentIndex(own)
        me = weakref.ref(self)  # what is connected to a widget's signal lives as long as that

        def chosen(index: int) -> None:
            panel = me()
            if index != own and panel is not None:
                bar.setCurrentIndex(own)  # each widget has its own tabs, which say what it is
                panel.ask(list(TABS)[index])

        bar.currentChanged.connect(chosen)
        return bar

    def _widget(self, kind: str) -> QWidget | None:
        found = self._widgets.get(kind)
        return None if found is None else found()

    def ask(self, kind: str) -> None:
        """Show a tab, once Qt has done what it is at."""
        self._later(partial(self.show, kind))

    def show(self, kind: str) -> None:
        """Show a tab; its widget is made if it is not there yet."""
        widget = self._widget(kind)
        dock = None if widget is None else _dock_of(widget)
        if dock is not None:
            dock.show()
            dock.raise_()
            return
        module, name = TABS[kind][0].split(":")
        made = getattr(import_module(f"napari_attn_unet.plugin.{module}"), name)(self._viewer)
        # Called as napari's menu calls it, so that the menu finds it again.
        title = PluginManager.instance().get_manifest(PLUGIN).display_name
        self._viewer.window.add_dock_widget(made, name=f"{kind} ({title})", area="right")

    # --- one at a time --------------------------------------------------------------------------
    def _came_up(self, kind: str) -> None:
        """Hide the others, and take the room that they had."""
        widget = self._widget(kind)
        dock = None if widget is None else _dock_of(widget)
        main = None if dock is None else dock.parent()
        if widget is None or dock is None or dock.isFloating() or not isinstance(main, QMainWindow):
            return
        self._shown = kind
        # One that is new has widened the others already: by what it asked before napari's style.
        width = self._width.pop(kind, None) or self._width_now(kind)
        for beside in self._docked(kind):
            beside.hide()
        self._later(partial(self._take_room, widget, width))

    def _docked(self, but: str | None = None) -> list[QDockWidget]:
        """Return the docks that take room, but for one."""
        there = [self._widget(kind) for kind in TABS if kind != but]
        docks = [None if widget is None else _dock_of(widget) for widget in there]
        return [d for d in docks if d is not None and d.isVisible() and not d.isFloating()]

    def _width_now(self, but: str | None = None) -> int:
        """Return how wide the panel is, without one of its docks; what it takes if it is not."""
        return max((dock.width() for dock in self._docked(but)), default=WIDTH)

    def _take_room(self, widget: QWidget, width: int) -> None:
        dock = _dock_of(widget)
        main = None if dock is None else dock.parent()
        if dock is None or not isinstance(main, QMainWindow):
            return
        # napari has given the dock a least width: from then on Qt lets that grow, never shrink.
        # With none, another theme would make it as narrow as can be.
        dock.setMinimumWidth(WIDTH)
        ask_again(widget)
        if (layout := dock.layout()) is not None:
            layout.activate()
        docks, widths = [dock], [width]
        for other in main.findChildren(QDockWidget):  # or Qt would widen them: the canvas needs it
            if main.dockWidgetArea(other) == Qt.DockWidgetArea.LeftDockWidgetArea:
                docks.append(other)
                widths.append(other.minimumSizeHint().width())
        main.resizeDocks(docks, widths, Qt.Orientation.Horizontal)

    def note_fit(self) -> None:
        """Remember what is seen, until the canvas has its new size."""
        eye = camera(self._viewer)
        if self._fit is None:
            self._viewer.canvas.events.size.connect(self._refit)
        self._fit = eye.zoom, tuple(eye.center), self._viewer.canvas.size[1]
        self._settling.start()

    def _settled(self) -> None:
        self._fit = None
        if self._viewer is not None:
            self._viewer.canvas.events.size.disconnect(self._refit)

    def _refit(self, _: Any = None) -> None:
        """Fit the picture into a canvas that has shrunk, if it fitted before."""
        if self._fit is None or not len(self._viewer.layers):
            return
        zoom, center, width = self._fit
        eye, now = camera(self._viewer), self._viewer.canvas.size[1]
        if now == width or eye.zoom != zoom or tuple(eye.center) != center:
            return
        self._viewer.reset_view()
        moved = any(abs(a - b) * eye.zoom > 1 for a, b in zip(eye.center, center, strict=True))
        if moved or zoom < eye.zoom * (1 - _ZOOM) or zoom > eye.zoom * width / now * (1 + _ZOOM):
            eye.zoom, eye.center = zoom, center  # the user had chosen what to see
        self._fit = eye.zoom, tuple(eye.center), now

    # --- the end --------------------------------------------------------------------------------
    def _closed(self, kind: str, widget: weakref.ref[QWidget]) -> None:
        if self._widgets.get(kind) is not widget and self._widget(kind) is not widget():
            return  # another of its kind has taken its place
        self._widgets.pop(kind, None)
        if self._shown != kind:
            return
        self._shown = None
        for other in list(self._widgets):
            hidden = self._widget(other)
            dock = None if hidden is None else _dock_of(hidden)
            if hidden is not None and dock is not None and not dock.isVisible():
                self._later(partial(self._remove, hidden))

    def _remove(self, widget: QWidget) -> None:
        dock = _dock_of(widget)
        if dock is not None and self._viewer is not None:
            self._viewer.window.remove_dock_widget(dock)

    def _later(self, act: Callable[[], None]) -> None:
        """Do something once Qt has done what it is at."""
        self._acts.append(act)
        self._timer.start(0)

    def _act(self) -> None:
        acts, self._acts = self._acts, []
        for act in acts:
            act()


class _Shown(QObject):
    """Tells when a widget is shown."""

    def __init__(self, widget: QWidget, act: Callable[[], None]) -> None:
        super().__init__(widget)
        self._act = act

    def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Hear of it (Qt calls this)."""
        if event is not None and event.type() == QEvent.Type.Show:
            self._act()
        return False


def _dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget stands in; None if it stands in none, or is gone."""
    with suppress(RuntimeError):  # deleted by Qt
        parent = widget.parent()
        return parent if isinstance(parent, QDockWidget) else None
    return None


def panel_of(viewer: Any) -> Panel:
    """Return the panel of a viewer."""
    kept = memory(viewer, "panel")
    if not kept:
        kept["panel"] = Panel(model_of(viewer))
    panel: Panel = kept["panel"]
    return panel
