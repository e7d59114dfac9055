"""A dock of no window, over a viewer of no window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_attn_unet.plugin.kit.dock import Dock


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
