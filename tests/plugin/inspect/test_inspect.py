"""The Inspect widget, its controls driven as a user drives them."""
# Over 350 lines: one widget, driven as a whole, tab by tab.

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import current_thread, main_thread
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest
import zarr
from docks import close_by_its_x, lines_on, our_docks
from napari.layers import Surface
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import KeyBinding
from napari.utils.shortcuts import default_shortcuts
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_attn_unet.plugin import layers, results
from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.inspect import InspectWidget
from napari_attn_unet.plugin.inspect import gates as gates_tab
from napari_attn_unet.plugin.inspect import widget as widget_module
from napari_attn_unet.plugin.inspect.effects import DIVERGING_TOLD, MASK_TOLD
from napari_attn_unet.plugin.kit.navigate import camera, grid
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.overlay.told import told_of
from napari_attn_unet.plugin.segment.widget import SegmentWidget
from napari_attn_unet.prediction import Prediction
from napari_attn_unet.report.picture import outlines
from napari_attn_unet.scores.grids import OnGrid, onto_grid


def click(qtbot: QtBot, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def wait(qtbot: QtBot, task: Any) -> None:
    qtbot.waitUntil(lambda: not task.running)


def save(qtbot: QtBot, task: Any) -> None:
    click(qtbot, task.button)
    wait(qtbot, task)


def settle(qtbot: QtBot, inspect: InspectWidget) -> None:
    qtbot.waitUntil(lambda: not inspect.state.counting and inspect.state.inspection is not None)


@pytest.fixture
def empty(qtbot: QtBot, widget: SegmentWidget) -> InspectWidget:
    """The widget before anything was segmented."""
    inspect = InspectWidget(widget._viewer)
    widget._viewer.window.add_dock_widget(inspect, name="Inspect")
    return inspect


@pytest.fixture
def inspect(qtbot: QtBot, empty: InspectWidget, show_tiny: Callable[[], None]) -> InspectWidget:
    """The widget over a result."""
    show_tiny()
    settle(qtbot, empty)
    return empty


def test_building_the_widget_imports_no_torch() -> None:
    code = "import sys, napari_attn_unet.plugin.inspect; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_a_result_it_says_what_to_do(empty: InspectWidget) -> None:
    assert "press Segment" in empty.message.text()
    assert not empty.grid.isEnabled()


def test_a_result_is_taken_up_with_its_layers(
    qtbot: QtBot, widget: SegmentWidget, empty: InspectWidget
) -> None:
    inspect = empty
    click(qtbot, widget.run.native)
    qtbot.waitUntil(lambda: not widget.running)
    settle(qtbot, inspect)
    assert inspect.result_box.currentText() == "brain · tiny"
    assert inspect.image_box.currentText() == "brain"
    assert inspect.mask_box.currentText() == "mask · brain"
    assert inspect.truth_box.currentText() == "none"
    assert inspect.message.text() == ""


def test_a_checkpoint_by_another_name_is_told_apart(
    qtbot: QtBot, widget: SegmentWidget, inspect: InspectWidget, tiny_checkpoint_path: Path
) -> None:
    click(qtbot, widget.run.native)
    qtbot.waitUntil(lambda: not widget.running)
    assert "cpu" in widget.result.text()
    other = tiny_checkpoint_path.with_name("copy.safetensors")
    other.write_bytes(tiny_checkpoint_path.read_bytes())
    widget.use_checkpoint(other)
    assert widget.result.text() == ""  # it was of another network
    click(qtbot, widget.run.native)
    qtbot.waitUntil(lambda: not widget.running)
    named = "brain · tiny (copy.safetensors)"
    qtbot.waitUntil(lambda: inspect.result_box.currentText() == named)
    settle(qtbot, inspect)
    assert inspect.result_box.count() == 1  # the layers are the same
    assert inspect.state.result.provenance["checkpoint_file"] == "copy.safetensors"


def test_every_gate_has_a_row_with_its_statistics(inspect: InspectWidget) -> None:
    table = inspect.gates.table
    assert [table.item(i, 1).text() for i in range(2)] == ["gate 1", "gate 2"]
    assert table.item(0, 2).text() == "11×9×9"
    values = inspect.gates.gates[1].data
    assert table.item(0, 3).text() == f"{values.mean():.2f} ± {values.std():.2f}"
    assert table.cellWidget(0, 6) is not None
    assert ("does not select" in inspect.gates.verdict.text()) == (values.std() < 0.02)


def test_the_eye_and_the_layer_list_agree(inspect: InspectWidget) -> None:
    tab = inspect.gates
    tab.table.item(1, 0).setCheckState(Qt.CheckState.Checked)
    assert tab.gates[2].visible
    tab.gates[2].visible = False
    assert tab.table.item(1, 0).checkState() == Qt.CheckState.Unchecked


def test_solo_by_click_and_back(inspect: InspectWidget) -> None:
    tab = inspect.gates
    before = [g.visible for g in tab.gates.values()]
    tab.table.cellClicked.emit(1, 1)
    assert [g.visible for g in tab.gates.values()] == [False, True]
    tab.table.cellClicked.emit(1, 1)
    assert [g.visible for g in tab.gates.values()] == before


def test_solo_by_keys(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer = inspect.viewer
    shown = []
    for key in ("G", "G", "Shift-G", "Alt-G"):
        viewer.keymap.get(key)
        action = {"G": "next_gate", "Shift-G": "previous_gate", "Alt-G": "all_gates"}[key]
        assert key in action_manager._shortcuts[f"napari-attn-unet:{action}"]
        inspect.do(action)
        shown.append([g.visible for g in inspect.gates.gates.values()])
    assert shown == [[True, False], [False, True], [True, False], [True, False]]


def test_the_keys_take_none_of_napari_s(inspect: InspectWidget) -> None:
    theirs = {str(key) for keys in default_shortcuts.values() for key in keys}
    ours = {str(KeyBinding.from_str(key)) for _, key, _ in widget_module.KEYS}
    assert not ours & theirs


def test_one_look_for_all_gates(inspect: InspectWidget) -> None:
    tab = inspect.gates
    tab.opacity.setValue(0.7)
    tab.colormap.setCurrentText("viridis")
    tab.contrast.setValue((0.2, 0.8))
    for layer in tab.gates.values():
        assert layer.opacity == pytest.approx(0.7)
        assert layer.colormap.name == "viridis (clear at 0)"
        np.testing.assert_allclose(layer.colormap.map([0.0, 1.0])[:, 3], [0, 1], atol=0.01)
        assert layer.contrast_limits == pytest.approx([0.2, 0.8], abs=0.01)


def test_share_of_the_total_is_in_units_of_the_mean(inspect: InspectWidget) -> None:
    tab = inspect.gates
    tab.view.setCurrentText(gates_tab.SHARE)
    top = tab.contrast.value()[1]
    for layer in tab.gates.values():
        assert layer.contrast_limits[1] == pytest.approx(top * layer.data.mean(), rel=1e-3)
    tab.view.setCurrentText(gates_tab.COEFFICIENT)
    assert tab.gates[2].contrast_limits == [0, 1]


def drawn(qtbot: QtBot, inspect: InspectWidget) -> None:
    qtbot.waitUntil(lambda: not inspect.gates.contours.busy)


def lines(inspect: InspectWidget) -> np.ndarray:
    """Both ends of every line of gate 1's contour on screen, in voxels (y, x)."""
    return inspect.gates.contours.lines[1].segments


def edges(inside: np.ndarray) -> np.ndarray:
    """The same of a slice's outline."""
    (pieces,) = outlines(inside.astype(np.uint8)).values()
    return pieces


def test_contours_follow_threshold_visibility_and_3d(qtbot: QtBot, inspect: InspectWidget) -> None:
    tab, viewer = inspect.gates, inspect.viewer
    values = np.asarray(tab.gates[1].data)
    t = round(float(np.median(values)), 3)
    tab.threshold.setValue(t)
    tab.contour.setChecked(True)
    drawn(qtbot, inspect)
    fine = values.repeat(2, 0).repeat(2, 1).repeat(2, 2)[:21, :18, :17]
    for z in (4, 11):
        viewer.dims.set_point(0, 2 * z)
        np.testing.assert_allclose(lines(inspect), edges(fine[z] >= t))
    tab.threshold.setValue(t + 0.001)
    drawn(qtbot, inspect)
    np.testing.assert_allclose(lines(inspect), edges(fine[11] >= tab.threshold.value()))
    viewer.dims.ndisplay = 3
    assert not tab.contours.lines  # at once
    drawn(qtbot, inspect)
    assert sum(isinstance(la, Surface) for la in viewer.layers) == 1
    tab.gates[1].visible = False
    assert not any(isinstance(la, Surface) for la in viewer.layers)
    viewer.dims.ndisplay = 2
    assert not tab.contours.lines
    tab.gates[1].visible = True
    drawn(qtbot, inspect)
    assert tab.contours.lines
    tab.contour.setChecked(False)
    assert not tab.contours.lines


def test_a_click_in_the_profile_moves_the_viewer(qtbot: QtBot, inspect: InspectWidget) -> None:
    plot, viewer = inspect.profile.plot, inspect.viewer
    inspect.tabs.setCurrentIndex(1)
    plot.resize(400, 300)
    plot.draw()
    ax = plot.axes[1]
    x, y = ax.transData.transform((6, ax.get_ylim()[1] / 2))
    ratio = plot.device_pixel_ratio
    from qtpy.QtCore import QPoint

    place = QPoint(round(x / ratio), round(plot.height() - y / ratio))
    qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=place)
    assert viewer.dims.point[0] == pytest.approx(12)  # slice 6 of 2 mm
    viewer.dims.set_point(0, 8)
    assert plot._slice == 4


def test_the_profile_follows_the_axis_on_screen(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer, plot = inspect.viewer, inspect.profile.plot
    for order, axis, name in (((1, 0, 2), 1, "y"), ((2, 0, 1), 2, "x")):
        viewer.dims.order = order
        qtbot.waitUntil(lambda axis=axis: inspect.profile._axis == axis)
        assert plot.axes[1].get_xlabel().endswith(f"along {name}")
        inspect.profile.go_to(3)
        assert viewer.dims.point[axis] == pytest.approx(3)


def test_peaks_by_button_begin_anew_beyond_the_last_and_say_so(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    viewer, tab = inspect.viewer, inspect.profile
    peaks = inspect.state.inspection.profile(0, None).peaks()
    assert len(peaks) > 1
    viewer.dims.set_point(0, 0)
    seen, told = [], []
    for _ in range(len([p for p in peaks if p > 0]) + 1):
        click(qtbot, tab.next)
        seen.append(round(viewer.dims.point[0] / 2))
        told.append(tab.message.text())
    assert seen == [*(p for p in peaks if p > 0), peaks[0]]
    assert ["Beyond the last" in words for words in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].startswith(f"Peak 1 of {len(peaks)}, slice z = {peaks[0]}.")
    click(qtbot, tab.previous)
    assert round(viewer.dims.point[0] / 2) == peaks[-1]
    assert "Before the first" in tab.message.text()


def test_painting_the_mask_counts_again(qtbot: QtBot, inspect: InspectWidget) -> None:
    mask = inspect.viewer.layers["mask · brain"]
    before = inspect.state.inspection
    area = inspect.state.inspection.profile(0, None).area[4]
    mask.data_setitem((np.full(4, 4), np.arange(4), np.zeros(4, int)), 0)
    mask.data_setitem((np.full(4, 4), np.arange(4), np.zeros(4, int)), 1)
    qtbot.waitUntil(lambda: inspect.state.inspection is not before)
    settle(qtbot, inspect)
    painted = (np.asarray(mask.data)[4] != 0).sum()
    assert inspect.state.inspection.profile(0, None).area[4] == painted
    assert painted >= area


@pytest.mark.parametrize("by", ["undo", "threshold"])
def test_what_only_refreshes_the_mask_counts_again(
    qtbot: QtBot, inspect: InspectWidget, by: str
) -> None:
    """As an undo and Compare's thresholds do, on whatever slice."""
    mask = inspect.viewer.layers["mask · brain"]
    inspect.viewer.dims.set_point(0, 8)

    def counted() -> int:
        settle(qtbot, inspect)
        return int(inspect.state.inspection.profile(0, None).area.sum())

    before = counted()
    _, rows, columns = np.nonzero(mask.data[4:5])
    mask.data_setitem((np.full(len(rows), 4), rows, columns), 0)
    qtbot.waitUntil(lambda: counted() == before - len(rows))
    if by == "undo":
        mask.undo()
        qtbot.waitUntil(lambda: counted() == before)
    else:
        mask.data[10:12] = 0
        mask.refresh()
        qtbot.waitUntil(lambda: counted() == np.count_nonzero(mask.data))


def test_a_truth_on_another_grid_is_brought_over(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer = inspect.viewer
    truth = np.zeros((42, 18, 17), np.uint8)  # 1 mm slices
    truth[20:24] = 1
    viewer.add_labels(truth, name="truth", translate=(-0.5, 0, 0))
    inspect.truth_box.setCurrentText("truth")
    settle(qtbot, inspect)
    area = inspect.state.inspection.profile(0, None).truth_area
    assert np.flatnonzero(area).tolist() == [10, 11]
    assert "truth lies on another grid (42, 18, 17)" in inspect.message.text()


def test_labels_are_brought_over_off_the_windows_thread(
    qtbot: QtBot, inspect: InspectWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the tables, for a knock-out, and to write everything."""
    threads = []

    def seen(*args: Any, **names: Any) -> OnGrid:
        threads.append(current_thread() is main_thread())
        return onto_grid(*args, **names)

    monkeypatch.setattr(results, "onto_grid", seen)
    truth = np.zeros(inspect.state.image.data.shape, np.uint8)
    inspect.viewer.add_labels(truth, name="truth", scale=(2, 1, 1))
    inspect.truth_box.setCurrentText("truth")
    settle(qtbot, inspect)
    for bring in (inspect.knockout._prepare, inspect.knockout._prepare_all):
        counted = len(threads)
        assert callable(bring())  # what the window's thread prepares
        assert len(threads) == counted
    assert threads
    assert not any(threads)


def test_a_result_of_some_slices_counts_those_alone(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer = inspect.viewer
    layer = viewer.layers["gate 1 · brain"]
    before = inspect.state.inspection.agreement_rows()[0].voxels
    with qtbot.waitSignal(inspect.state.ready):
        layer.data = np.asarray(layer.data)[:3]
        inspect.state.count()
    row = inspect.state.inspection.agreement_rows()[0]
    assert row.voxels == before * 6 // inspect.state.image.data.shape[0]
    assert "cover a part of the image" in inspect.message.text()


def test_a_truth_that_is_an_image_of_whole_numbers_is_on_offer_as_in_compare(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    viewer, choice = inspect.viewer, choice_of(inspect.viewer)
    truth = np.zeros((21, 18, 17), np.float32)
    truth[4:8] = 1
    viewer.add_image(truth, name="truth.nii", scale=(2, 1, 1), units=("mm",) * 3)
    viewer.add_image(truth + 0.5, name="other", scale=(2, 1, 1), units=("mm",) * 3)
    choice.take(results.results(viewer)[-1], viewer)  # which was left for the new images
    choice.choose(truth=viewer.layers["truth.nii"])
    assert inspect.truth_box.currentText() == "truth.nii"
    settle(qtbot, inspect)
    area = inspect.state.inspection.profile(0, None).truth_area
    assert np.flatnonzero(area).tolist() == [4, 5, 6, 7]
    inspect.image_box.setCurrentText("other")
    assert choice.truth is viewer.layers["truth.nii"]


def test_a_box_tells_of_itself_alone(inspect: InspectWidget) -> None:
    """What another tab has chosen stays, though no box here has it."""
    viewer, choice = inspect.viewer, choice_of(inspect.viewer)
    truth = viewer.add_image(np.zeros((21, 18, 17)) + 0.5, name="not on offer")
    choice.take(results.results(viewer)[-1], viewer)
    choice.choose(truth=truth)
    assert inspect.truth_box.currentText() == "none"
    inspect.mask_box.setCurrentText("none")
    assert choice.mask is None
    assert choice.truth is truth


def test_labels_that_lie_elsewhere_are_an_error_in_words(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    far = np.ones((5, 5, 5), np.uint8)
    inspect.viewer.add_labels(far, name="far", translate=(900, 0, 0))
    inspect.truth_box.setCurrentText("far")
    qtbot.waitUntil(lambda: "do not overlap" in inspect.message.text())


def test_the_probe_reads_every_layer(
    inspect: InspectWidget, tmp_path: Path, monkeypatch: Any
) -> None:
    viewer, probe = inspect.viewer, inspect.probe
    row = probe.row((8.0, 5.2, 6.7))
    assert row.intensity == pytest.approx(float(viewer.layers["brain"].data[4, 5, 7]))
    assert row.label == ("background", "one", "two")[viewer.layers["mask · brain"].data[4, 5, 7]]
    for level, gate in inspect.gates.gates.items():
        index = tuple(i >> level for i in (4, 5, 7))
        assert row.coefficients[level] == pytest.approx(float(gate.data[index]))
    assert probe.row((-5.0, 0.0, 0.0)) is None
    viewer.cursor.position = (8.0, 5.0, 7.0)
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, None)
    assert "α gate 1" in probe.values.text()
    probe.add((8.0, 5.0, 7.0))
    probe.add((800.0, 5.0, 7.0))  # outside: nothing
    assert probe.table.rowCount() == 1
    path = tmp_path / "p.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
    probe.save.click()
    titles = "point,z,y,x,intensity,label,α gate 1,α gate 2"
    assert path.read_text(encoding="utf-8").splitlines()[0] == titles
    probe.clear.click()
    assert probe.table.rowCount() == 0


def test_pinned_points_are_on_the_canvas_until_they_are_forgotten(inspect: InspectWidget) -> None:
    viewer, probe = inspect.viewer, inspect.probe
    active = viewer.layers.selection.active
    assert "pinned points" not in viewer.layers
    for point in ((8.0, 5.0, 7.0), (12.0, 3.0, 4.0)):
        probe.add(point)
    pins = viewer.layers["pinned points"]
    np.testing.assert_allclose([pins.data_to_world(p) for p in pins.data], [(8, 5, 7), (12, 3, 4)])
    np.testing.assert_array_equal(pins.text.values, ["1", "2"])
    assert viewer.layers.selection.active is active
    probe.table.sortItems(1, Qt.SortOrder.DescendingOrder)  # by z: the second comes first
    probe.table.cellDoubleClicked.emit(0, 0)
    assert viewer.dims.point[0] == 12
    viewer.layers.remove("pinned points")
    probe.add((4.0, 3.0, 4.0))
    assert len(viewer.layers["pinned points"].data) == 3
    probe.clear.click()
    assert "pinned points" not in viewer.layers


def test_pinned_points_go_with_their_image(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer, probe = inspect.viewer, inspect.probe
    place = {"scale": (2, 1, 1), "units": ("mm",) * 3}
    viewer.add_image(np.zeros((21, 18, 17)) + 0.5, name="other", **place)
    choice = choice_of(viewer)
    choice.take(results.results(viewer)[-1], viewer)
    for point in ((8.0, 5.0, 7.0), (12.0, 3.0, 4.0)):
        probe.add(point)
    assert len(probe.rows) == 2  # the layer of pins, though added, is not looked at
    choice.choose(mask=None)  # the same image's stay, and say what is chosen now
    assert [row.label for row in probe.rows] == [None, None]
    assert [row.number for row in probe.rows] == [1, 2]
    assert "pinned points" in viewer.layers
    inspect.image_box.setCurrentText("other")
    assert probe.rows == []
    assert probe.table.rowCount() == 0
    assert "pinned points" not in viewer.layers


def test_a_click_pins_only_when_asked(inspect: InspectWidget) -> None:
    viewer, probe = inspect.viewer, inspect.probe
    viewer.cursor.position = (8.0, 5.0, 7.0)

    def press() -> None:
        event = SimpleNamespace(type="mouse_press", pos=(10, 10), button=1)
        steps = probe._pressed(viewer, event)
        next(steps)
        event.type = "mouse_release"
        for _ in steps:
            pass

    press()
    assert not probe.rows
    probe.pin.setChecked(True)
    press()
    assert len(probe.rows) == 1


def test_side_by_side_and_back(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer = inspect.viewer
    before = [(la.name, la.visible) for la in viewer.layers]
    click(qtbot, inspect.grid)
    assert grid(viewer).enabled
    assert grid(viewer).stride == 2
    cells, others = list(viewer.layers)[:6], list(viewer.layers)[6:]
    titles = ["mask", "gate 1", "gate 2"]
    assert [la.name for la in cells[1::2]] == [f"{title} · brain" for title in titles]
    # Of the whole name a cell has no room for more than the image's.
    assert [la.name for la in viewer.layers if la.name_overlay.visible] == titles
    assert all(la.visible for la in cells)
    assert not any(la.visible for la in others)
    assert all(np.shares_memory(la.data, viewer.layers["brain"].data) for la in cells[::2])
    click(qtbot, inspect.grid)
    assert not grid(viewer).enabled
    assert [(la.name, la.visible) for la in viewer.layers] == before
    assert not any(la.name_overlay.visible for la in viewer.layers)


def is_on(inspect: InspectWidget) -> bool:
    return bool(grid(inspect.viewer).enabled)


def later_result(inspect: InspectWidget, prediction: Prediction) -> None:
    """A second run of the same image, kept beside the first."""
    about = prediction.provenance | {"date": "2999-01-01T00:00:00+00:00", "checkpoint": "later"}
    _, placement = layers.to_volumes(inspect.viewer.layers["brain"])
    data = layers.from_prediction(replace(prediction, provenance=about), placement)
    layers.show(inspect.viewer, data, keep_old=True)


def test_side_by_side_is_left_for_another_result(
    qtbot: QtBot, inspect: InspectWidget, tiny_prediction: Prediction
) -> None:
    before = inspect.result_box.currentText()
    later_result(inspect, tiny_prediction)
    qtbot.waitUntil(lambda: inspect.result_box.count() == 2)
    there = [la.name for la in inspect.viewer.layers]
    click(qtbot, inspect.grid)
    assert is_on(inspect)
    inspect.result_box.setCurrentText(before)
    assert not is_on(inspect)
    assert not inspect.grid.isChecked()
    assert [la.name for la in inspect.viewer.layers] == there


def test_side_by_side_follows_its_cells(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer = inspect.viewer

    def titles() -> list[str]:
        return [la.name for la in viewer.layers if la.name_overlay.visible]

    click(qtbot, inspect.grid)
    assert titles() == ["mask", "gate 1", "gate 2"]
    viewer.layers.remove("gate 2 · brain")
    qtbot.waitUntil(lambda: titles() == ["mask", "gate 1"])
    viewer.add_labels(np.ones((21, 18, 17), np.uint8), name="truth", scale=(2, 1, 1))
    qtbot.waitUntil(lambda: titles() == ["mask", "gate 1", "truth"])
    assert is_on(inspect)
    click(qtbot, inspect.grid)
    assert [la.name for la in viewer.layers] == ["brain", "gate 1 · brain", "mask · brain", "truth"]


def test_side_by_side_stays_when_another_image_is_selected_in_the_list(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    viewer, choice = inspect.viewer, choice_of(inspect.viewer)
    other = viewer.add_image(np.zeros((21, 18, 17)) + 0.5, name="other", scale=(2, 1, 1))
    choice.take(results.results(viewer)[-1], viewer)
    click(qtbot, inspect.grid)
    assert is_on(inspect)
    assert choice.image is viewer.layers["brain"]
    assert viewer.layers.selection.active is other
    click(qtbot, inspect.grid)


def test_a_colour_bar_hidden_side_by_side_can_be_shown_after(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    """As Compare hides the gates when it takes the place of Inspect."""
    click(qtbot, inspect.grid)
    barred = [la.colorbar.visible for la in inspect.gates.gates.values()]
    assert barred == [False, True]
    for layer in inspect.gates.gates.values():
        layer.visible = False
    click(qtbot, inspect.grid)
    for layer in inspect.gates.gates.values():
        layer.visible = layer.colorbar.visible = True
        layer.visible = layer.colorbar.visible = False


@pytest.mark.parametrize("spontaneous", [False, True])
def test_side_by_side_is_left_to_the_tab_that_is_shown_instead(
    qtbot: QtBot, inspect: InspectWidget, spontaneous: bool
) -> None:
    click(qtbot, inspect.grid)
    event = QHideEvent()
    if spontaneous:  # the window was made small
        event.spontaneous = lambda: True
    inspect.hideEvent(event)
    assert is_on(inspect) is spontaneous
    inspect.grid.setChecked(False)


def test_agreement_fills_the_table_and_saves(
    qtbot: QtBot, inspect: InspectWidget, tmp_path: Path, monkeypatch: Any
) -> None:
    click(qtbot, inspect.agreement.task.button)
    wait(qtbot, inspect.agreement.task)
    assert inspect.agreement.message.text() == ""
    detectors = {r.detector for r in inspect.agreement.rows}
    assert "gate 1, random weights" in detectors
    assert {r.class_name for r in inspect.agreement.rows} == {"any", "one", "two"}
    path = tmp_path / "a.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
    inspect.agreement.save.click()
    assert len(path.read_text().splitlines()) == 1 + len(inspect.agreement.rows)
    slices = tmp_path / "a_slices.csv"
    assert slices.is_file()
    slices.unlink()
    slices.mkdir()  # cannot be written: said, not raised
    inspect.agreement.save.click()
    assert "a_slices.csv cannot be written" in inspect.agreement.message.text()


def test_knock_out_shows_what_changed(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer, tab = inspect.viewer, inspect.knockout
    for tick, kind, _ in tab.choices.values():
        tick.setChecked(True)
        kind.setCurrentIndex(kind.findData("zero"))
    click(qtbot, tab.task.button)
    assert tab.task.button.text() == "Cancel"
    wait(qtbot, tab.task)
    assert "voxels changed their label" in tab.message.text()
    changed = viewer.layers["changed voxels · brain"]
    assert int(tab.message.text().split(": ")[-1].split()[0].replace(",", "")) == (
        np.count_nonzero(changed.data)
    )
    delta = viewer.layers["Δ probability of one · brain"]
    np.testing.assert_allclose(delta.extent.world, viewer.layers["brain"].extent.world)
    assert np.abs(delta.data).max() > 0
    assert tab.table.rowCount() == 2
    assert inspect.result_box.count() == 1  # not taken for a result
    layers = len(viewer.layers)
    click(qtbot, tab.task.button)
    wait(qtbot, tab.task)
    assert len(viewer.layers) == layers  # updated in place


def knock_out(qtbot: QtBot, inspect: InspectWidget) -> None:
    click(qtbot, inspect.knockout.task.button)
    wait(qtbot, inspect.knockout.task)
    assert "voxels changed their label" in inspect.knockout.message.text()


def looks(inspect: InspectWidget) -> list[tuple[str, bool]]:
    return [(layer.name, layer.visible) for layer in inspect.viewer.layers]


@pytest.mark.parametrize("ending", ["the dock's X", "by hand", "another result"])
def test_what_a_knock_out_hides_comes_back_with_its_end(
    qtbot: QtBot, inspect: InspectWidget, show_tiny: Callable[[], None], ending: str
) -> None:
    viewer = inspect.viewer
    before = looks(inspect)
    knock_out(qtbot, inspect)
    click(qtbot, inspect.knockout.cam.button)  # which hides the knock-out's, too
    wait(qtbot, inspect.knockout.cam)
    assert not any(layer.visible for layer in inspect.state.result.layers)
    assert viewer.layers["brain"].visible
    if ending == "the dock's X":
        (dock,) = (d for d in our_docks(viewer) if d.inner_widget() is inspect)
        close_by_its_x(dock)
    elif ending == "by hand":
        effects = [la.metadata.get(OUTPUT, {}).get("effect") for la in viewer.layers]
        for layer, effect in zip(list(viewer.layers), effects, strict=True):
            if effect is None:
                continue
            viewer.layers.remove(layer)
    else:
        for layer in inspect.state.result.layers:
            layer.metadata[OUTPUT]["date"] = "2001-01-01T00:00:00"
        inspect._layers_changed()
    assert looks(inspect) == before
    if ending != "by hand":
        return
    knock_out(qtbot, inspect)  # and it can be done again
    assert any(la.visible for la in viewer.layers if la.name.startswith("Δ"))


def told(inspect: InspectWidget) -> list[str]:
    return [line.text for line in told_of(inspect.viewer).lines]


def test_the_legend_says_what_a_knock_out_and_grad_cam_show(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    viewer, tab = inspect.viewer, inspect.knockout
    tab.choices[1][0].setChecked(False)
    tab.choices[2][0].setChecked(True)
    knock_out(qtbot, inspect)
    (delta,) = (la for la in viewer.layers if la.name.startswith("Δ") and la.visible)
    name = delta.name.split(" · ")[0]
    assert told(inspect) == [name, "without gate 2", DIVERGING_TOLD, MASK_TOLD]
    assert delta.colorbar.visible
    assert not viewer.layers["changed voxels · brain"].visible  # another code of colours
    tab.label.setCurrentText("two")
    click(qtbot, tab.cam.button)
    wait(qtbot, tab.cam)
    assert told(inspect) == ["Grad-CAM of two at level 2", "yellow is most", MASK_TOLD]
    assert not delta.colorbar.visible
    for layer in [la for la in viewer.layers if la.metadata.get(OUTPUT, {}).get("effect")]:
        viewer.layers.remove(layer)
    assert told(inspect) == []


def test_what_was_done_other_than_shutting_a_gate_is_named(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    _, kind, _ = inspect.knockout.choices[1]
    kind.setCurrentIndex(kind.findData("mean"))
    knock_out(qtbot, inspect)
    assert told(inspect)[1] == "gate 1: mean"


def test_a_result_of_a_file_of_another_name_is_hidden_and_named_alike(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    viewer = inspect.viewer
    viewer.layers["brain"].name = "patient 7"
    inspect.image_box.setCurrentText("patient 7")
    settle(qtbot, inspect)
    knock_out(qtbot, inspect)
    assert "changed voxels · brain" in viewer.layers
    assert not any(layer.visible for layer in inspect.state.result.layers)


def test_nothing_ticked_is_said(qtbot: QtBot, inspect: InspectWidget) -> None:
    tab = inspect.knockout
    for tick, _, _ in tab.choices.values():
        tick.setChecked(False)
    click(qtbot, tab.task.button)
    assert "at least one gate" in tab.message.text()
    assert not tab.task.running


def test_the_table_of_all_knock_outs(qtbot: QtBot, inspect: InspectWidget) -> None:
    tab = inspect.knockout
    click(qtbot, tab.all.button)
    wait(qtbot, tab.all)
    assert tab.table.rowCount() == 2 * 5 * 2


def test_a_long_task_can_be_cancelled(qtbot: QtBot, inspect: InspectWidget) -> None:
    tab = inspect.knockout
    click(qtbot, tab.all.button)
    click(qtbot, tab.all.button)
    wait(qtbot, tab.all)
    assert tab.message.text() == "Cancelled."
    assert tab.all.button.text() == "All gates × all interventions"
    assert tab.all.button.isEnabled()


def test_grad_cam_is_a_layer(qtbot: QtBot, inspect: InspectWidget) -> None:
    tab = inspect.knockout
    tab.label.setCurrentText("two")
    tab.level.setValue(2)
    click(qtbot, tab.cam.button)
    wait(qtbot, tab.cam)
    cam = inspect.viewer.layers["Grad-CAM of two, level 2 · brain"]
    gate = inspect.gates.gates[1]
    assert cam.data.shape == gate.data.shape
    np.testing.assert_allclose(cam.extent.world, gate.extent.world)
    assert "Spearman" in tab.message.text()


def test_grad_cam_is_of_the_class_that_the_slice_shows_until_one_is_picked(
    qtbot: QtBot, inspect: InspectWidget
) -> None:
    viewer, label = inspect.viewer, inspect.knockout.label
    mask = viewer.layers["mask · brain"]
    data = np.zeros_like(mask.data)
    data[4, :3], data[12, :3, :4], data[12, 3:] = 1, 1, 2
    mask.data = data
    mask.features = mask.features.assign(voxels=[0, 3, 99])
    with qtbot.waitSignal(inspect.state.ready):
        inspect.state.count()

    def at(z: int, name: str) -> None:
        viewer.dims.set_point(0, 2 * z)
        qtbot.waitUntil(lambda: label.currentText() == name)

    at(12, "two")
    at(4, "one")
    at(0, "two")  # nothing is on this slice: the largest
    at(4, "one")
    label.setCurrentText("two")
    viewer.dims.set_point(0, 8)
    viewer.dims.set_point(0, 10)
    assert not inspect.knockout._classes.busy
    assert label.currentText() == "two"


def test_a_checkpoint_that_is_gone_is_said(
    qtbot: QtBot, inspect: InspectWidget, tiny_checkpoint_path: Path
) -> None:
    tiny_checkpoint_path.unlink()
    click(qtbot, inspect.knockout.task.button)
    assert "Browse" in inspect.knockout.message.text()


def test_words_go_with_what_they_are_of(qtbot: QtBot, inspect: InspectWidget) -> None:
    save(qtbot, inspect.export.copy)
    knock_out(qtbot, inspect)
    assert "must be a NIfTI file first" in inspect.export.message.text()
    inspect.viewer.layers.clear()
    for tab in (inspect.export, inspect.knockout, inspect.agreement, inspect.difference):
        assert tab.message.text() == ""
    assert inspect.knockout.table.rowCount() == 0


def test_a_checkpoint_opened_in_segment_is_a_second_at_once(
    widget: SegmentWidget, inspect: InspectWidget, tiny_checkpoint_path: Path
) -> None:
    second = inspect.difference.second
    second.setCurrentText("phantom")
    other = tiny_checkpoint_path.with_name("other.safetensors")
    shutil.copy(tiny_checkpoint_path, other)
    widget.use_checkpoint(other)
    offered = [second.itemText(i) for i in range(second.count())]
    assert offered == ["hippocampus", "phantom", "other.safetensors"]
    assert second.currentText() == "phantom"


def test_exports(qtbot: QtBot, inspect: InspectWidget, tmp_path: Path, monkeypatch: Any) -> None:
    export = inspect.export
    export.slices.setText("3, 10")
    for ending in ("png", "svg", "pdf"):
        path = tmp_path / f"f.{ending}"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, p=path: (str(p), ""))
        save(qtbot, export.figure)
        assert path.stat().st_size > 5000
    export.slices.setText("99")
    save(qtbot, export.figure)
    assert "0 to 20" in export.message.text()
    export.slices.setText("")
    film = tmp_path / "f.gif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(film), ""))
    save(qtbot, export.film)
    assert film.is_file()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(tmp_path))
    save(qtbot, export.maps)
    gate = nibabel.load(tmp_path / "gate1.nii.gz")
    assert gate.shape == (9, 9, 11)
    np.testing.assert_allclose(np.abs(np.diag(gate.affine)[:3]), (2, 2, 4))
    where = tmp_path / "maps.zarr"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(where), ""))
    save(qtbot, export.zarr)
    image = zarr.open_group(where, mode="r")["gate1"]
    np.testing.assert_array_equal(image["0"], inspect.gates.gates[1].data)
    (about,) = image.attrs["ome"]["multiscales"]
    assert [axis["name"] for axis in about["axes"]] == ["z", "y", "x"]
    assert {axis["unit"] for axis in about["axes"]} == {"millimeter"}
    scale, translation = about["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == [4, 2, 2]
    assert translation["translation"] == [1, 0.5, 0.5]
    save(qtbot, export.zarr)
    assert "does not exist yet" in export.message.text()
    save(qtbot, export.tables)
    assert (tmp_path / "gates.csv").is_file()
    assert len((tmp_path / "profile.csv").read_text().splitlines()) == 1 + 21 + 18 + 17


def test_a_figure_says_what_the_window_says_of_it(
    qtbot: QtBot, inspect: InspectWidget, tmp_path: Path, monkeypatch: Any
) -> None:
    said: list[str] = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "f.png"), ""))
    monkeypatch.setattr(
        "napari_attn_unet.report.figure.save",
        lambda drawn, _: said.extend(text.get_text() for text in drawn.texts),
    )
    inspect.state.note = "The truth lies elsewhere."
    save(qtbot, inspect.export.figure)
    checkpoint = inspect.state.result.provenance["checkpoint"]
    assert said == [f"brain · {checkpoint}", "The truth lies elsewhere."]


def test_exports_take_no_other_case_s_place(
    qtbot: QtBot, inspect: InspectWidget, tmp_path: Path, monkeypatch: Any
) -> None:
    export = inspect.export
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(tmp_path))
    for task in (export.maps, export.tables):
        save(qtbot, task)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()}
    for task in (export.maps, export.tables):
        save(qtbot, task)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert (tmp_path / "brain" / "prediction.json").is_file()
    assert (tmp_path / "brain (2)" / "gates.csv").is_file()
    asked: list[str] = []

    def answer(*arguments: Any) -> tuple[str, str]:
        asked.append(arguments[2])
        return str(tmp_path / "picture"), "SVG (*.svg)"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    for _ in range(2):
        save(qtbot, export.figure)
    assert asked == ["brain_figure.png"] * 2
    assert {p.name for p in tmp_path.glob("picture*")} == {"picture.svg", "picture (2).svg"}
    layer = inspect.viewer.open(tmp_path / "brain" / "mask.nii.gz", plugin="napari-attn-unet")[0]
    assert layer.name == "mask · brain [1]"


def test_rerun_writes_everything(
    qtbot: QtBot, inspect: InspectWidget, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: "")
    click(qtbot, inspect.export.again.button)
    assert not inspect.export.again.running  # nothing was chosen, nothing is done
    assert inspect.export.message.text() == ""
    out = tmp_path / "everything"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(out))
    click(qtbot, inspect.export.again.button)
    wait(qtbot, inspect.export.again)
    assert f"Saved in {out}" in inspect.export.message.text()
    mask = nibabel.load(out / "mask.nii.gz").get_fdata().T
    np.testing.assert_array_equal(mask, inspect.viewer.layers["mask · brain"].data)
    for name in ("gates", "profile", "agreement", "agreement_slices", "gradcam", "knockout"):
        assert (out / f"{name}.csv").is_file()


def test_a_second_checkpoint(
    qtbot: QtBot, widget: SegmentWidget, inspect: InspectWidget, tmp_path: Path, monkeypatch: Any
) -> None:
    tab, viewer = inspect.difference, inspect.viewer
    assert [tab.second.itemText(i) for i in range(tab.second.count())] == ["hippocampus", "phantom"]
    click(qtbot, tab.task.button)  # hippocampus: no class of that name, gates of another depth
    wait(qtbot, tab.task)
    assert [tab.what.itemText(i) for i in range(tab.what.count())] == ["gate 1", "gate 2"]
    tab.threshold.setValue(0.05)
    assert tab.components == []  # until they are counted, on a thread
    qtbot.waitUntil(lambda: not tab.busy)
    layer = viewer.layers["brain · hippocampus − tiny"]
    gate = inspect.gates.gates[1]
    np.testing.assert_allclose(layer.extent.world, gate.extent.world)
    first = tab.components[0]
    assert abs(layer.data[first.peak]) >= 0.05
    tab.next.click()
    world = layer.data_to_world(first.peak)
    np.testing.assert_allclose(camera(viewer).center[-2:], world[-2:])
    assert abs(viewer.dims.point[0] - world[0]) <= 1  # half a slice
    assert "Component 1 of" in tab.message.text()
    if len(tab.components) > 1:
        tab.next.click()
        assert "Component 2 of" in tab.message.text()
        tab.previous.click()
        assert "Component 1 of" in tab.message.text()
    item = tab.table.visualItemRect(tab.table.item(len(tab.components) - 1, 0))
    tab.table.cellClicked.emit(len(tab.components) - 1, 0)
    assert item.isValid()
    assert f"Component {len(tab.components)} of" in tab.message.text()
    path = tmp_path / "difference.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
    tab.save.click()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "component,sum of |Δ|,largest Δ,voxels,mm³,z,y,x"
    assert len(lines) == 1 + len(tab.components)
    tab.what.setCurrentText("gate 2")
    qtbot.waitUntil(lambda: not tab.busy)
    np.testing.assert_allclose(layer.extent.world, inspect.gates.gates[2].extent.world)
    viewer.layers.remove(layer)
    tab.next.click()
    assert layer.name in viewer.layers
    viewer.layers.remove("brain")
    assert tab.what.count() == 0
    assert tab.table.rowCount() == 0


def test_a_series_is_inspected_at_the_time_on_screen_and_says_which(
    qtbot: QtBot, widget: SegmentWidget, image: np.ndarray
) -> None:
    viewer = widget._viewer
    viewer.layers.clear()
    series = np.stack([image, image[::-1] * 2])
    viewer.add_image(series, name="beats", scale=(1, 2, 1, 1), units=("s", "mm", "mm", "mm"))
    inspect = InspectWidget(viewer)
    viewer.window.add_dock_widget(inspect, name="Inspect")
    click(qtbot, widget.run.native)
    qtbot.waitUntil(lambda: not widget.running)
    settle(qtbot, inspect)
    means = []
    for time in (0, 1):
        viewer.dims.set_current_step(0, time)
        settle(qtbot, inspect)
        assert inspect.gates.gates[1].data.shape[0] == 2
        values = inspect.gates.gates[1].data[time]
        means.append(inspect.gates.table.item(0, 3).text())
        assert means[-1] == f"{values.mean():.2f} ± {values.std():.2f}"
        np.testing.assert_array_equal(inspect.state.inspection.image, series[time])
        assert f"Time point {time + 1} of 2." in inspect.message.text()
        inspect.probe.add((time, 8.0, 5.0, 7.0))
        assert inspect.probe.rows[-1].t == time
    assert "over 2 time points" in widget.result.text()
    click(qtbot, inspect.knockout.task.button)
    wait(qtbot, inspect.knockout.task)
    assert "changed their label" in inspect.knockout.message.text()
    changed = viewer.layers["changed voxels · beats"]
    mask = viewer.layers["mask · beats"]
    np.testing.assert_allclose(changed.extent.world[:, -3:], mask.extent.world[:, -3:])
    viewer.dims.set_point(1, 4)
    assert changed in viewer.layers  # a slice is no time point
    viewer.dims.set_current_step(0, 0)
    assert changed not in viewer.layers  # it was of another
    assert not inspect.knockout.rows


def test_removed_and_renamed_layers(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer = inspect.viewer
    viewer.layers["mask · brain"].name = "my mask"
    assert inspect.mask_box.currentText() == "my mask"
    viewer.layers.remove("my mask")
    settle(qtbot, inspect)
    assert inspect.mask_box.currentText() == "none"
    viewer.layers.remove("gate 2 · brain")
    settle(qtbot, inspect)
    assert inspect.gates.table.rowCount() == 1
    viewer.layers.remove("gate 1 · brain")
    assert "no gate maps" in inspect.message.text()
    assert inspect.state.inspection is None


def test_closing_and_opening_again(qtbot: QtBot, inspect: InspectWidget) -> None:
    viewer = inspect.viewer
    inspect.tabs.setCurrentIndex(4)
    viewer.add_labels(np.zeros((21, 18, 17), np.uint8), name="other", scale=(2, 1, 1))
    inspect.truth_box.setCurrentText("other")
    before = [layer.visible for layer in viewer.layers]
    inspect.gates.solo(2)
    inspect.gates.contour.setChecked(True)
    drawn(qtbot, inspect)
    inspect.grid.setChecked(True)
    (dock,) = (d for d in our_docks(viewer) if d.inner_widget() is inspect)
    close_by_its_x(dock)
    assert not [node for node in lines_on(viewer) if node.name == "gate 2"]
    assert [layer.visible for layer in viewer.layers] == before
    viewer.dims.set_point(0, 4)
    again = InspectWidget(viewer)
    viewer.window.add_dock_widget(again, name="Inspect")
    assert again.tabs.currentIndex() == 4
    assert again.truth_box.currentText() == "other"
    settle(qtbot, again)
    assert again.gates.table.rowCount() == 2


def test_a_result_is_cleared_by_one_button(qtbot: QtBot, inspect: InspectWidget) -> None:
    click(qtbot, inspect.clear)
    assert [layer.name for layer in inspect.viewer.layers] == ["brain"]
    assert inspect.state.result is None
    click(qtbot, inspect.clear)  # there is nothing left to clear
