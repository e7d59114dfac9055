"""At its least width nothing of the panel is cut, and no page scrolls sideways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import brain, show_result
from fits import faults
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QPushButton, QTableWidgetItem, QWidget

from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.tabs import Tabs
from napari_attn_unet.plugin.panel import WIDTH
from napari_attn_unet.prediction import Prediction

PLUGIN = "napari-attn-unet"
SIZES = ((1280, 800), (1280, 620))
"""Of the window; in the lower one pages and docks scroll, which takes the room of two bars."""


@pytest.fixture
def viewer(
    make_napari_viewer: Callable[..., Viewer],
    tiny_checkpoint_path: Path,
    tiny_prediction: Prediction,
) -> Viewer:
    """A result with long names, and a truth that differs from it."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(brain(), name="brain", scale=(2, 1, 1), units=("mm",) * 3)
    _, segment = open_tab(viewer, "Segment")
    segment.use_checkpoint(tiny_checkpoint_path)
    show_result(viewer, tiny_prediction)
    truth = np.roll(tiny_prediction.mask, 2, 1)
    viewer.add_labels(truth, name="truth by two readers", scale=(2, 1, 1), units=("mm",) * 3)
    return viewer


def open_tab(viewer: Viewer, name: str) -> tuple[QDockWidget, Any]:
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    return dock, widget


def done(qtbot: QtBot, task: Any) -> None:
    task.button.click()
    qtbot.waitUntil(lambda: not task.running)


def fill_inspect(qtbot: QtBot, inspect: Any) -> None:
    """Let every page have something to show."""
    qtbot.waitUntil(lambda: inspect.state.inspection is not None and not inspect.state.counting)
    for z in (4, 20):
        inspect.probe.add((z, 9, 8))
    inspect.agreement.random.setChecked(False)
    done(qtbot, inspect.agreement.task)
    done(qtbot, inspect.knockout.task)
    next(iter(inspect.knockout.choices.values()))[1].setCurrentIndex(4)  # with a factor
    inspect.profile.step(1)
    assert inspect.agreement.rows
    assert inspect.knockout.rows


def fill_compare(qtbot: QtBot, compare: Any) -> None:
    qtbot.waitUntil(lambda: compare.state.rows is not None and not compare.busy)
    done(qtbot, compare.numbers.attention)
    compare.slices.step(1)
    compare.errors.step(1)
    compare.fold.expand(animate=False)


def wrong_with(
    qtbot: QtBot, viewer: Viewer, name: str, dock: QDockWidget, widget: Any
) -> list[str]:
    """Open every page; return what is wrong with each, by its name."""
    found = []
    page = getattr(widget, "native", widget)
    tabs: Tabs | None = getattr(widget, "tabs", None)
    for i in range(1 if tabs is None else tabs.count()):
        for size in SIZES:
            if tabs is not None:
                tabs.setCurrentIndex(i)
            viewer.window.resize(*size)
            QApplication.processEvents()
            qtbot.wait(50)
            at = f"{name} {'' if tabs is None else tabs.tabText(i)} {size}"
            found += [f"{at}: {fault}" for fault in faults(page)]
            if dock.width() != WIDTH:
                found.append(f"{at}: is {dock.width()} wide")
    return found


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_is_cut_on_any_page(qtbot: QtBot, viewer: Viewer, theme: str) -> None:
    viewer.theme = theme
    found = wrong_with(qtbot, viewer, "Segment", *open_tab(viewer, "Segment"))
    for name, fill in (("Inspect", fill_inspect), ("Compare", fill_compare)):
        dock, widget = open_tab(viewer, name)
        fill(qtbot, widget)
        found += wrong_with(qtbot, viewer, name, dock, widget)
    assert not found, "\n".join(found)


class TestWhatIsCutIsFound:
    """Of the checks themselves: a page that fits, broken in every way."""

    @pytest.fixture
    def page(self, qtbot: QtBot) -> QWidget:
        page = QWidget()
        qtbot.addWidget(page)
        page.resize(400, 300)
        page.show()
        return page

    @pytest.mark.parametrize("kind", [QLabel, QPushButton])
    def test_words(self, page: QWidget, kind: Any) -> None:
        word = kind("Agreement", page)
        word.show()
        word.resize(word.sizeHint())
        assert faults(page) == []
        word.resize(word.sizeHint().width() // 2, word.height())
        assert len(faults(page)) == 1

    def test_lines(self, page: QWidget) -> None:
        lines = QLabel("one line and another line", page)
        lines.setWordWrap(True)
        lines.show()
        lines.resize(80, lines.heightForWidth(80))
        assert faults(page) == []
        lines.resize(80, lines.height() // 2)
        assert len(faults(page)) == 1

    @pytest.mark.parametrize(("text", "elided"), [("0.123456", True), ("posterior", False)])
    def test_cells(self, page: QWidget, text: str, *, elided: bool) -> None:
        table = Table("some")
        table.setParent(page)
        table.setRowCount(1)
        table.setColumnCount(1)
        table.setHorizontalHeaderLabels(["x"])
        table.setItem(0, 0, QTableWidgetItem(text))
        table.arrange()
        table.show()
        table.resize(300, 100)
        QApplication.processEvents()
        assert faults(page) == []
        table.setColumnWidth(0, 44)
        if not elided:
            table.setTextElideMode(Qt.TextElideMode.ElideNone)
        assert len(faults(page)) == 1
