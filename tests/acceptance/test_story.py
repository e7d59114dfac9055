"""Inspect as a person uses it: by mouse and keys, from the sample to the exported table."""

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
from qtpy.QtWidgets import QFileDialog

WAIT = 120_000


def test_from_the_sample_to_the_table(  # noqa: PLR0915  (one story)
    qtbot: QtBot, make_napari_viewer: Callable[..., Viewer], tmp_path: Path, monkeypatch: Any
) -> None:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path))
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1500, 950)
    viewer.open_sample("napari-attn-unet", "phantom")
    _, segment = viewer.window.add_plugin_dock_widget("napari-attn-unet", "Segment")
    segment.checkpoint.value = dict(segment._checkpoint_choices())["phantom"]
    qtbot.mouseClick(segment.run.native, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    dock, inspect = viewer.window.add_plugin_dock_widget("napari-attn-unet", "Inspect")
    dock.raise_()
    qtbot.waitUntil(lambda: inspect.state.inspection is not None, timeout=WAIT)
    assert inspect.truth_box.currentText() != "none"  # the sample's own

    def tab(name: str) -> None:
        bar = inspect.tabs.tabBar()
        (index,) = (i for i in range(bar.count()) if bar.tabText(i) == name)
        place = bar.tabRect(index).center()
        qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place)
        assert inspect.tabs.currentIndex() == index

    # a click in the profile moves the viewer
    tab("Profile")
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
    tab("Knock-out")
    qtbot.mouseClick(inspect.knockout.task.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not inspect.knockout.task.running, timeout=WAIT)
    changed = next(layer for layer in viewer.layers if "changed voxels" in layer.name)
    mask = next(layer for layer in viewer.layers if layer.name.endswith("· mask"))
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
    tab("Export")
    qtbot.mouseClick(inspect.export.figure, Qt.MouseButton.LeftButton)
    assert figure.stat().st_size > 20_000
