"""A dock of no window, over a viewer of no window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from docks import settle
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget
from shown import drawn, show, strip_of

from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.strip import Strip


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def dock(qtbot: QtBot, viewer: ViewerModel) -> Iterator[Dock]:
    widget = QWidget()
    qtbot.addWidget(widget)
    dock = Dock(widget, viewer, "test")
    yield dock
    dock.close()


@pytest.fixture
def strip(dock: Dock, viewer: ViewerModel, qtbot: QtBot) -> Iterator[Strip]:
    show(viewer)
    strip = strip_of(dock, qtbot)
    drawn(strip, qtbot)
    yield strip
    dock.close()
    settle()
