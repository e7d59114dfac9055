"""A widget in a dock, over a viewer without a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_attn_unet.plugin.kit.dock import Dock

Open = Callable[..., Dock]


class Docked(QWidget):
    """As the plugin's widgets are: it holds its viewer and its dock."""

    def __init__(self, viewer: Any, name: str) -> None:
        super().__init__()
        self.viewer = viewer
        self.dock = Dock(self, viewer, name)
        self.done: list[str] = []

    def do(self, action: str) -> None:
        """Note what a key asked for."""
        self.done.append(action)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    """What docks stand in."""
    parent = QWidget()
    qtbot.addWidget(parent)
    return parent


@pytest.fixture
def docked(window: QWidget, viewer: ViewerModel) -> Docked:
    widget = Docked(viewer, "test")
    widget.setParent(window)
    return widget


@pytest.fixture
def dock(docked: Docked) -> Dock:
    return docked.dock
