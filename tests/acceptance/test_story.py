"""Inspect and Compare as a person uses them: by mouse and keys, from the sample to the table."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QSettings, Qt
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_attn_unet.plugin.kit.tabs import Tabs


@pytest.fixture
def viewer(qtbot: QtBot, make_napari_viewer: Callable[..., Viewer], tmp_path: Path) -> Viewer:
    """The program with the phantom sample, segmented by a click."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path))
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1500, 950)
    viewer.open_sample("napari-attn-unet", "phantom")
    _, segment = viewer.window.add_plugin_dock_widget("napari-attn-unet", "Segment")
    segment.checkpoint.value = dict(segment._checkpoint_choices())["phantom"]
    segment.probabilities.value = True
    qtbot.mouseClick(segment.run.native, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not segment.running)
    return viewer


def turn_to(qtbot: QtBot, tabs: Tabs, name: str) -> None:
    """Click on the name of a page."""
    (index,) = (i for i in range(tabs.count()) if tabs.tabText(i) == name)
    button = next(b for b in tabs.findChildren(QPushButton) if b.text() == name)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert tabs.currentIndex() == index


def test_inspect_from_the_sample_to_the_table(
    qtbot: QtBot, viewer: Viewer, tmp_path: Path, monkeypatch: Any
) -> None:
    dock, inspect = viewer.window.add_plugin_dock_widget("napari-attn-unet", "Inspect")
    dock.raise_()
    qtbot.waitUntil(lambda: inspect.state.inspection is not None)
    assert inspect.truth_box.currentText() != "none"  # the sample's own

    # a click in the profile moves the viewer
    turn_to(qtbot, inspect.tabs, "Profile")
    plot = inspect.profile.plot
    plot.draw()
    ax = plot.axes[0]
    for slice_ in (12, 30):
        x, y = ax.transData.transform((slice_, 0.5)) / plot.device_pixel_ratio
        place = QPoint(round(x), round(plot.height() - y))
        qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=place)
        assert viewer.dims.point[0] == pytest.approx(slice_)
    # so do the keys, from the canvas
    canvas = viewer.window._qt_viewer.canvas.native
    peaks = inspect.state.inspection.profile(0, None).peaks()
    beyond = [p for p in peaks if p > 30]
    before = [p for p in peaks if p < 30]
    if beyond:
        qtbot.keyClick(canvas, Qt.Key.Key_N)
        assert viewer.dims.point[0] == pytest.approx(beyond[0])
        viewer.dims.set_point(0, 30)
    assert before
    qtbot.keyClick(canvas, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert viewer.dims.point[0] == pytest.approx(before[-1])
    gates = list(inspect.gates.gates.values())
    qtbot.keyClick(canvas, Qt.Key.Key_G)
    qtbot.keyClick(canvas, Qt.Key.Key_G)
    assert [gate.visible for gate in gates] == [False, True, False]
    qtbot.keyClick(canvas, Qt.Key.Key_G, Qt.KeyboardModifier.AltModifier)
    assert [gate.visible for gate in gates] == [True, False, False]

    # knock-out of the finest gate
    turn_to(qtbot, inspect.tabs, "Knock-out")
    qtbot.mouseClick(inspect.knockout.task.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not inspect.knockout.task.running)
    changed = next(layer for layer in viewer.layers if "changed voxels" in layer.name)
    mask = next(layer for layer in viewer.layers if layer.name.startswith("mask ·"))
    np.testing.assert_allclose(changed.extent.world, mask.extent.world)
    assert inspect.knockout.table.rowCount() == 2
    path = tmp_path / "knockout.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
    qtbot.mouseClick(inspect.knockout.save, Qt.MouseButton.LeftButton)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:
        assert float(row["Dice with the truth before"]) > 0.85
    figure = tmp_path / "figure.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(figure), ""))
    turn_to(qtbot, inspect.tabs, "Export")
    qtbot.mouseClick(inspect.export.figure.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not inspect.export.figure.running)
    assert figure.stat().st_size > 20_000


def test_compare_from_the_sample_to_the_table(
    qtbot: QtBot, viewer: Viewer, tmp_path: Path, monkeypatch: Any
) -> None:
    dock, compare = viewer.window.add_plugin_dock_widget("napari-attn-unet", "Compare")
    dock.raise_()
    qtbot.waitUntil(lambda: compare.state.components is not None)
    assert compare.mask_box.currentText() == "mask · Phantom"
    assert compare.truth_box.currentText() == "truth · Phantom"
    front = compare.numbers.rows()[0]
    assert front.class_name == "front lobe"
    assert 0.85 < front.dice < 1

    # the worst slice, by key from the canvas
    turn_to(qtbot, compare.tabs, "Slices")
    worst = compare.state.comparison.worst_slices(0, None)
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_W)
    assert viewer.dims.point[0] == pytest.approx(worst[0])
    qtbot.keyClick(canvas, Qt.Key.Key_W)
    assert viewer.dims.point[0] == pytest.approx(worst[1])

    # the first error, by a click in the list
    qtbot.mouseClick(compare.by_eye.errors, Qt.MouseButton.LeftButton)
    turn_to(qtbot, compare.tabs, "Errors")
    table = compare.errors.table
    place = table.visualItemRect(table.item(0, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    component = compare.state.components[0]
    np.testing.assert_allclose(viewer.dims.point, component.voxel)
    errors = viewer.layers["errors · mask · Phantom"]
    assert errors.data[component.voxel] > 1

    # the tables
    turn_to(qtbot, compare.tabs, "Numbers")
    for button, name, rows in (
        (compare.numbers.save, "numbers.csv", 3),
        (compare.errors.save, "errors.csv", len(compare.state.components)),
    ):
        path = tmp_path / name
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, p=path: (str(p), ""))
        turn_to(qtbot, compare.tabs, "Errors" if name == "errors.csv" else "Numbers")
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        with path.open(newline="") as file:
            assert len(list(csv.DictReader(file))) == rows
