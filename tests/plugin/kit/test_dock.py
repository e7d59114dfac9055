"""What a docked widget holds is let go when it is closed, and not before."""

from __future__ import annotations

import gc
import weakref

import pytest
from docks import settle
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from psygnal import Signal
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication, QEvent, QTimer
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QScrollArea, QVBoxLayout, QWidget

from napari_attn_unet.plugin.kit import dock as module
from napari_attn_unet.plugin.kit.dock import Dock, scroll


class Docked(QWidget):
    def __init__(self, viewer: object, name: str = "test") -> None:
        super().__init__()
        self.dock = Dock(self, viewer, name)

    def hear(self, *_: object) -> None:
        """A slot."""


def test_the_x_ends_everything_once_and_the_latest_first(
    window: QWidget, docked: QWidget, dock: Dock
) -> None:
    ended: list[int] = []
    for i in range(3):
        dock.on_close(ended.append, i)
    docked.setParent(None)
    assert dock.is_closed
    assert ended == [2, 1, 0]
    docked.setParent(window)
    docked.setParent(None)
    dock.close()
    assert ended == [2, 1, 0]


@pytest.mark.parametrize("error", [RuntimeError("deleted"), ValueError("not in the list")])
def test_what_is_gone_by_itself_is_no_error(dock: Dock, error: Exception) -> None:
    ended: list[int] = []

    def fails() -> None:
        raise error

    dock.on_close(ended.append, 0)
    dock.on_close(fails)
    dock.on_close(ended.append, 2)
    dock.close()
    assert ended == [2, 0]


def test_an_error_on_closing_is_heard_and_keeps_nothing_else(
    qtbot: QtBot, docked: QWidget, dock: Dock
) -> None:
    ended: list[int] = []

    def fails() -> None:
        msg = "a mistake of ours"
        raise KeyError(msg)

    dock.on_close(ended.append, 0)
    dock.on_close(fails)
    dock.on_close(ended.append, 2)
    docked.destroyed.connect(lambda: ended.append(-1))
    with qtbot.captureExceptions() as errors:
        docked.setParent(None)
        settle()
    assert ended == [2, 0, -1]  # the widget is deleted all the same
    assert [error for error, *_ in errors] == [KeyError]


def test_widget_and_dock_are_collected(window: QWidget, viewer: ViewerModel) -> None:
    widget = Docked(viewer)
    widget.dock.connect(viewer.layers.events.inserted, widget.hear)
    widget.dock.connect(viewer.dims.events.point, widget.hear)
    widget.dock.append(viewer.mouse_move_callbacks, widget.hear)
    widget.dock.timer(10_000, widget.hear).start()
    widget.setParent(window)
    references = [weakref.ref(widget), weakref.ref(widget.dock)]
    widget.setParent(None)
    del widget
    settle()
    assert [r() for r in references] == [None, None]
    assert viewer.mouse_move_callbacks == []


def test_a_destroyed_window_ends_it_too(qtbot: QtBot, viewer: ViewerModel) -> None:
    window = QWidget()
    widget = Docked(viewer)
    widget.setParent(window)
    ended: list[bool] = []
    widget.dock.on_close(ended.append, True)
    with qtbot.waitSignal(widget.destroyed):
        window.deleteLater()
    assert ended == [True]


def test_timers_stop(qtbot: QtBot, docked: QWidget, dock: Dock) -> None:
    fired: list[int] = []
    timer: QTimer = dock.timer(1, lambda: fired.append(1))
    timer.start()
    qtbot.waitUntil(lambda: fired == [1])
    timer.start()
    docked.setParent(None)
    qtbot.wait(20)
    assert fired == [1]


def test_slots_are_connected_until_it_closes(dock: Dock, viewer: ViewerModel) -> None:
    heard: list[object] = []
    dock.connect(viewer.layers.events.inserted, heard.append)
    viewer.layers.append(ViewerModel().add_points())
    assert len(heard) == 1
    dock.close()
    viewer.layers.append(ViewerModel().add_points())
    assert len(heard) == 1


def test_signals_of_its_own_lose_every_slot(dock: Dock) -> None:
    class Speaker:
        said = Signal(str)

    speaker = Speaker()
    heard: list[str] = []
    speaker.said.connect(heard.append)
    dock.owns(speaker.said)
    dock.close()
    speaker.said.emit("anybody?")
    assert heard == []


def test_a_widget_that_was_never_docked_does_not_end(window: QWidget, viewer: ViewerModel) -> None:
    widget = Docked(viewer)
    # Qt may tell of a parent that came and went at once.
    QCoreApplication.sendEvent(widget, QEvent(QEvent.Type.ParentChange))
    assert not widget.dock.is_closed
    widget.setParent(window)
    assert not widget.dock.is_closed
    widget.setParent(None)
    assert widget.dock.is_closed


def test_a_widget_made_in_its_dock_ends_with_it(window: QWidget, viewer: ViewerModel) -> None:
    widget = QWidget(window)
    dock = Dock(widget, viewer, "test")
    widget.setParent(None)
    assert dock.is_closed


def test_floating_and_moving_to_another_dock_do_not_end_it(
    qtbot: QtBot, viewer: ViewerModel
) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    first, second = QDockWidget(window), QDockWidget(window)
    widget = Docked(viewer)
    first.setWidget(widget)
    first.setFloating(True)
    first.setFloating(False)
    second.setWidget(widget)
    second.hide()
    second.show()
    assert not widget.dock.is_closed


class TestScroll:
    @pytest.fixture
    def tall(self, qtbot: QtBot) -> QWidget:
        """A docked widget of twenty lines, wider than high."""
        widget = QWidget()
        column = QVBoxLayout(widget)
        for _ in range(20):
            line = QLabel("a line")
            line.setMinimumSize(530, 50)
            column.addWidget(line)
        scroll(widget)
        return widget

    def test_what_does_not_fit_is_scrolled_to_and_not_squeezed(
        self, qtbot: QtBot, tall: QWidget
    ) -> None:
        qtbot.addWidget(tall)
        assert tall.minimumSizeHint().height() == module.LEAST_HEIGHT
        tall.resize(tall.minimumSizeHint())
        tall.show()
        (area,) = tall.findChildren(QScrollArea)
        assert area.verticalScrollBar().maximum() >= 20 * 50 - module.LEAST_HEIGHT
        assert area.horizontalScrollBar().maximum() == 0  # the bar stands beside, not over it
        assert all(line.height() >= 50 for line in tall.findChildren(QLabel))

    def test_a_dock_that_is_high_enough_shows_all(self, qtbot: QtBot, tall: QWidget) -> None:
        qtbot.addWidget(tall)
        tall.resize(tall.sizeHint().width() + 200, tall.sizeHint().height())
        tall.show()
        (area,) = tall.findChildren(QScrollArea)
        assert area.verticalScrollBar().maximum() == 0
        assert all(line.width() > 530 + 100 for line in tall.findChildren(QLabel))  # and wide


class TestMemory:
    def test_is_found_again_by_the_next_of_its_name(self, viewer: ViewerModel) -> None:
        first = Docked(viewer, "inspect")
        first.dock.memory["tab"] = 4
        first.dock.close()
        assert Docked(viewer, "inspect").dock.memory == {"tab": 4}
        assert Docked(PublicOnlyProxy(viewer), "inspect").dock.memory == {"tab": 4}
        assert Docked(viewer, "compare").dock.memory == {}

    def test_is_each_viewer_s_own(self, viewer: ViewerModel) -> None:
        other = ViewerModel()
        assert other == viewer  # they look the same
        Docked(viewer).dock.memory["tab"] = 4
        assert Docked(other).dock.memory == {}

    def test_goes_with_the_viewer(self, qtbot: QtBot) -> None:
        gc.collect()
        before = len(module._MEMORIES)
        viewer = ViewerModel()
        widget = Docked(viewer)
        widget.dock.memory["tab"] = 4
        assert len(module._MEMORIES) == before + 1
        widget.dock.close()
        del widget, viewer
        gc.collect()
        assert len(module._MEMORIES) == before
