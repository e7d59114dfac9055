"""Three docks that are one panel: one is shown, one of a kind, one X for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from docks import close_by_its_x, our_docks, settle
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QTabBar, QWidget

from napari_attn_unet.plugin.kit.navigate import camera
from napari_attn_unet.plugin.panel import TABS, WIDTH

PLUGIN = "napari-attn-unet"
CANVAS, DOCK, HIGH = 560, 400, 560
"""Pixels that the canvas keeps at 1280, that the panel takes at most, and may ask for at most."""


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer]) -> Viewer:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.add_image(np.random.default_rng(0).random((20, 30, 40)), name="brain")
    return viewer


def open_tab(viewer: Viewer, name: str) -> tuple[QDockWidget, QWidget]:
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    return dock, getattr(widget, "native", widget)


def shown(viewer: Viewer) -> list[str]:
    return [d.windowTitle().split(" ")[0] for d in our_docks(viewer) if d.isVisible()]


def tabs_of(widget: QWidget) -> QTabBar:
    return widget.findChildren(QTabBar)[0]


def click(qtbot: QtBot, bar: QTabBar, name: str) -> None:
    index = list(TABS).index(name)
    qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(index).center())


def test_one_of_them_is_shown_in_the_place_of_the_one_before(qtbot: QtBot, viewer: Viewer) -> None:
    for name in TABS:
        open_tab(viewer, name)
        qtbot.waitUntil(lambda name=name: shown(viewer) == [name])
    assert len(our_docks(viewer)) == len(TABS)


def test_a_click_on_a_tab_shows_it_and_makes_it_first_where_it_is_not_there(
    qtbot: QtBot, viewer: Viewer
) -> None:
    _, segment = open_tab(viewer, "Segment")
    click(qtbot, tabs_of(segment), "Inspect")
    qtbot.waitUntil(lambda: shown(viewer) == ["Inspect"])
    inspect = next(d for d in our_docks(viewer) if d.isVisible())
    assert inspect.name == "Inspect (Attention U-Net)"  # as napari's menu calls it
    click(qtbot, tabs_of(inspect.inner_widget()), "Segment")
    qtbot.waitUntil(lambda: shown(viewer) == ["Segment"])
    assert len(our_docks(viewer)) == 2
    assert tabs_of(segment).currentIndex() == 0  # each says what it is


def test_there_is_one_of_a_kind(qtbot: QtBot, viewer: Viewer) -> None:
    open_tab(viewer, "Inspect")
    again = TABS["Inspect"][0]
    assert again.startswith("inspect:")
    from napari_attn_unet.plugin.inspect import InspectWidget

    widget = InspectWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Inspect (Attention U-Net)")
    qtbot.waitUntil(lambda: len(our_docks(viewer)) == 1)
    assert our_docks(viewer)[0].inner_widget() is widget


def test_the_x_of_the_one_that_is_shown_closes_all(qtbot: QtBot, viewer: Viewer) -> None:
    for name in TABS:
        open_tab(viewer, name)
        qtbot.waitUntil(lambda name=name: shown(viewer) == [name])
    close_by_its_x(next(d for d in our_docks(viewer) if d.isVisible()))
    qtbot.waitUntil(lambda: our_docks(viewer) == [])
    settle()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_canvas_keeps_its_room_and_the_window_its_size(
    qtbot: QtBot, viewer: Viewer, theme: str
) -> None:
    viewer.theme = theme
    for name in TABS:
        dock, widget = open_tab(viewer, name)
        window = dock.window()
        qtbot.waitUntil(lambda dock=dock: dock.width() <= max(WIDTH, dock.minimumWidth()) + 20)
        assert dock.width() <= DOCK
        assert (window.width(), window.height()) == (1280, 800)
        qtbot.waitUntil(lambda: viewer.canvas.size[1] >= CANVAS)
        assert widget.minimumSizeHint().height() <= HIGH


def test_what_fitted_the_canvas_fits_again(qtbot: QtBot, viewer: Viewer) -> None:
    viewer.reset_view()
    before = camera(viewer).zoom
    open_tab(viewer, "Segment")
    qtbot.waitUntil(lambda: camera(viewer).zoom < before)
    fitted = camera(viewer).zoom
    viewer.reset_view()
    assert camera(viewer).zoom == pytest.approx(fitted)


def test_what_was_zoomed_by_hand_stays(qtbot: QtBot, viewer: Viewer) -> None:
    viewer.reset_view()
    camera(viewer).zoom *= 5
    zoom, width = camera(viewer).zoom, viewer.canvas.size[1]
    open_tab(viewer, "Segment")
    qtbot.waitUntil(lambda: viewer.canvas.size[1] < width)
    assert camera(viewer).zoom == pytest.approx(zoom)


def test_what_is_chosen_in_one_tab_is_chosen_in_all(
    qtbot: QtBot, viewer: Viewer, tiny_prediction: Any
) -> None:
    from conftest import show_result

    _, segment = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    _, inspect = viewer.window.add_plugin_dock_widget(PLUGIN, "Inspect")
    _, compare = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    viewer.layers["brain"].data = np.zeros(tiny_prediction.mask.shape)
    viewer.add_labels(np.roll(tiny_prediction.mask, 2, 1), name="by hand")
    show_result(viewer, tiny_prediction)
    qtbot.waitUntil(lambda: compare.mask_box.currentText() == "mask · brain")
    assert inspect.mask_box.currentText() == "mask · brain"
    assert inspect.truth_box.currentText() == compare.truth_box.currentText() == "by hand"
    other = viewer.add_image(np.ones((6, 7, 8)), name="other")
    assert segment.image.value is other
    assert inspect.image_box.currentText() == "other"
    assert inspect.result_box.currentIndex() == -1  # nothing of another image
    viewer.layers.selection.active = viewer.layers["gate 1 · brain"]
    assert inspect.image_box.currentText() == "brain"
    assert segment.image.value is viewer.layers["brain"]
