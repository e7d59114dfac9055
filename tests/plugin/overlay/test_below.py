"""The dock below the canvas takes no room that it was not given."""

from __future__ import annotations

from collections.abc import Callable

from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDockWidget, QMainWindow
from shown import show

from napari_attn_unet.plugin.overlay.below import HEIGHT, SHARE, Below


def test_orthogonal_views_take_the_height_that_they_need_and_the_window_stays_as_it_is(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    show(viewer)  # type: ignore[arg-type]
    viewer.window.resize(1280, 800)
    viewer.window.add_plugin_dock_widget("napari-attn-unet", "Inspect")
    below = next(w for w in viewer.window.dock_widgets.values() if isinstance(w, Below))
    main = below.window()
    assert isinstance(main, QMainWindow)
    qtbot.waitUntil(below.strip.isVisible)
    assert (main.width(), main.height()) == (1280, 800)
    low = below.height()
    below.three.setChecked(True)
    qtbot.waitUntil(lambda: below.height() > low)
    assert below.planes.isVisible()
    assert not below.strip.isVisible()
    assert below.height() <= SHARE * main.height() + HEIGHT / 4
    below.three.setChecked(False)
    qtbot.waitUntil(lambda: below.height() == low)
    assert isinstance(below.parent(), QDockWidget)
    assert (main.width(), main.height()) == (1280, 800)
