"""The Compare widget, its controls driven as a user drives them."""
# Over 350 lines: one widget, driven as a whole: a class for each of its tabs.

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from docks import close_by_its_x, lines_on, our_docks
from napari import Viewer
from napari.layers import Labels, Surface
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.key_bindings import KeyBinding
from napari.utils.shortcuts import default_shortcuts
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QComboBox, QFileDialog, QWidget

from napari_attn_unet import io
from napari_attn_unet.plugin.compare import CompareWidget
from napari_attn_unet.plugin.compare import widget as widget_module
from napari_attn_unet.plugin.compare.checkerboard import VEIL, VEILED
from napari_attn_unet.plugin.compare.pair import FILL, FILLED
from napari_attn_unet.plugin.inspect import widget as inspect_module
from napari_attn_unet.plugin.kit.navigate import camera, go_to_slice, grid, to_viewer
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.overlay.told import told_of
from napari_attn_unet.plugin.segment.widget import SegmentWidget
from napari_attn_unet.scores.comparison import Comparison
from napari_attn_unet.scores.errors import part_of
from napari_attn_unet.table import columns
from napari_attn_unet.volume import Geometry

NAMES = {"index": [0, 1, 2], "class": ["background", "front", "back"]}


def click(qtbot: QtBot, button: QWidget) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def settle(qtbot: QtBot, compare: CompareWidget) -> None:
    qtbot.waitUntil(lambda: not compare.busy)


def lobes() -> np.ndarray:
    truth = np.zeros((16, 20, 18), np.uint8)
    truth[4:12, 4:10, 4:14] = 1
    truth[4:12, 10:16, 4:14] = 2
    return truth


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A mask with three errors of different kinds, and the truth."""
    truth = lobes()
    mask = truth.copy()
    mask[4:12, 10:12, 4:14] = 1  # 160 voxels of the wrong class
    mask[4:6, 4:6, 4:6] = 0  # 8 missed
    mask[13, 1, 16] = 2  # 1 spurious
    return mask, truth


@pytest.fixture
def viewer(make_napari_viewer: Callable[[], Viewer]) -> Viewer:
    return make_napari_viewer()


@pytest.fixture
def compare(
    qtbot: QtBot, viewer: Viewer, image: np.ndarray, pair: tuple[np.ndarray, np.ndarray]
) -> CompareWidget:
    """The docked widget over an image, a mask and a truth."""
    place: dict[str, Any] = {"scale": (2, 1, 1), "units": ("mm",) * 3}
    viewer.add_image(np.zeros((16, 20, 18), np.float32), name="brain", **place)
    viewer.add_labels(pair[0], name="mine", features=NAMES, **place)
    viewer.add_labels(pair[1], name="truth", features=NAMES, **place)
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compare")
    settle(qtbot, widget)
    return widget


def told(compare: CompareWidget) -> list[str]:
    """What is said on the canvas beside the legend of mask and gate."""
    return [line.text for line in told_of(compare.viewer).lines]


def texts(table: Any, column: int) -> list[str]:
    return [table.item(i, column).text() for i in range(table.rowCount())]


def test_building_the_widget_imports_no_torch() -> None:
    code = "import sys, napari_attn_unet.plugin.compare; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_keys_are_nobody_else_s() -> None:
    theirs = {str(key) for keys in default_shortcuts.values() for key in keys}
    theirs |= {str(KeyBinding.from_str(key)) for _, key, _ in inspect_module.KEYS}
    assert not {str(KeyBinding.from_str(key)) for _, key, _ in widget_module.KEYS} & theirs


def test_every_control_has_a_tooltip(compare: CompareWidget) -> None:
    from qtpy.QtWidgets import QAbstractButton, QDoubleSpinBox, QTableWidget

    for kind in (QAbstractButton, QComboBox, QDoubleSpinBox, QTableWidget):
        for control in compare.findChildren(kind):
            inner = control.parent() is not None and isinstance(
                control.parent(), QTableWidget | QDoubleSpinBox
            )
            named = control.objectName().startswith("qt_") or control is compare.fold.toggleButton()
            scrolls = type(control.parent()).__name__ == "QTabBar"
            if not (inner or named or scrolls):
                assert control.toolTip(), control


class TestChoosing:
    def test_mask_and_truth_are_guessed(self, compare: CompareWidget) -> None:
        assert compare.mask_box.currentText() == "mine"
        assert compare.truth_box.currentText() == "truth"
        assert [compare.label_box.itemText(i) for i in range(3)] == ["all classes", "front", "back"]
        assert compare.message.text() == ""

    def test_nothing_to_compare_is_said(self, qtbot: QtBot, viewer: Viewer) -> None:
        widget = CompareWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Compare")
        assert "Choose" in widget.message.text()
        for button in (widget.by_eye.errors, widget.by_eye.swipe, widget.by_eye.distance):
            assert not button.isEnabled()
        widget.slices.step(1)
        widget.errors.step(1)
        assert widget.numbers.markdown() == ""

    def test_the_same_layer_twice_is_said(self, compare: CompareWidget) -> None:
        compare.truth_box.setCurrentText("mine")
        assert "same layer" in compare.message.text()
        assert compare.state.comparison is None
        assert compare.numbers.table.rowCount() == 0

    def test_an_image_of_whole_numbers_is_a_truth(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        compare.viewer.add_image(lobes().astype(np.int16), name="integers", scale=(2, 1, 1))
        compare.truth_box.setCurrentText("integers")
        settle(qtbot, compare)
        assert compare.state.comparison.overlap(None).dice < 1
        assert compare.truth_box.findText("brain") < 0  # floats are none

    def test_another_grid_is_brought_over_and_said(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        fine = lobes().repeat(2, 0).repeat(2, 1).repeat(2, 2)
        compare.viewer.add_labels(
            fine,
            name="fine truth",
            scale=(1, 0.5, 0.5),
            translate=(-0.5, -0.25, -0.25),
            units=("mm",) * 3,
        )
        compare.truth_box.setCurrentText("fine truth")
        settle(qtbot, compare)
        assert "another grid (32, 40, 36)" in compare.message.text()
        np.testing.assert_array_equal(compare.state.comparison.truth, lobes())

    def test_labels_elsewhere_and_other_units_are_errors_in_words(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        compare.viewer.add_labels(
            lobes(), name="far", translate=(900, 0, 0), scale=(2, 1, 1), units=("mm",) * 3
        )
        compare.truth_box.setCurrentText("far")
        settle(qtbot, compare)
        assert "overlap" in compare.message.text()
        assert compare.state.comparison is None
        compare.viewer.add_labels(lobes(), name="small", scale=(2, 1, 1), units=("um",) * 3)
        compare.truth_box.setCurrentText("small")
        settle(qtbot, compare)
        assert "unit" in compare.message.text()

    def test_a_truth_from_a_file(
        self, qtbot: QtBot, compare: CompareWidget, tmp_path: Path, monkeypatch: Any
    ) -> None:
        path = tmp_path / "my_labels.nii.gz"
        io.write(path, lobes(), Geometry.from_spacing((2, 1, 1), unit="mm"))
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (str(path), ""))
        click(qtbot, compare.open)
        settle(qtbot, compare)
        assert compare.truth_box.currentText() == "my_labels"
        assert compare.state.comparison is not None
        path.write_bytes(b"junk")
        click(qtbot, compare.open)
        assert "my_labels.nii.gz" in compare.message.text()

    def open_file(self, qtbot: QtBot, compare: CompareWidget, monkeypatch: Any, path: Path) -> None:
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (str(path), ""))
        click(qtbot, compare.open)
        settle(qtbot, compare)

    @pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint16])
    def test_a_file_opened_as_truth_is_labels_of_whatever_type(
        self, qtbot: QtBot, compare: CompareWidget, tmp_path: Path, monkeypatch: Any, kind: type
    ) -> None:
        path = tmp_path / "scan.nii.gz"
        io.write(path, lobes().astype(kind), Geometry.from_spacing((2, 1, 1), unit="mm"))
        self.open_file(qtbot, compare, monkeypatch, path)
        assert compare.truth_box.currentText() == "scan"
        assert isinstance(compare.state.truth, Labels)
        np.testing.assert_array_equal(compare.state.comparison.truth, lobes())

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            (lobes() / 3, "such as 0.333333"),
            (lobes().astype(np.int16) - 1, "such as -1"),
            (np.stack([lobes() == i for i in range(3)]), "3 volumes along its fourth axis"),
        ],
    )
    def test_a_file_opened_as_truth_that_holds_no_labels_is_refused(
        self,
        qtbot: QtBot,
        compare: CompareWidget,
        tmp_path: Path,
        monkeypatch: Any,
        values: np.ndarray,
        said: str,
    ) -> None:
        path, before = tmp_path / "odd.nii.gz", list(compare.viewer.layers)
        io.write(path, values, Geometry.from_spacing((2, 1, 1), unit="mm"))
        self.open_file(qtbot, compare, monkeypatch, path)
        assert said in compare.message.text()
        assert list(compare.viewer.layers) == before
        assert compare.truth_box.currentText() == "truth"

    def test_an_image_of_numbers_that_are_none_is_refused_by_its_values(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        place: dict[str, Any] = {"scale": (2, 1, 1), "units": ("mm",) * 3}
        compare.viewer.add_image(lobes().astype(np.float32), name="whole", **place)
        compare.viewer.add_image(lobes().astype(np.int16) - 1, name="below", **place)
        compare.truth_box.setCurrentText("whole")
        settle(qtbot, compare)
        np.testing.assert_array_equal(compare.state.comparison.truth, lobes())
        compare.truth_box.setCurrentText("below")
        settle(qtbot, compare)
        assert "'below' holds no labels" in compare.message.text()
        assert compare.state.comparison is None

    def test_classes_are_merged_and_ignored(self, qtbot: QtBot, compare: CompareWidget) -> None:
        def row_of(layer: str, value: str) -> QComboBox:
            table = compare.classes
            (row,) = (
                i
                for i in range(table.rowCount())
                if table.item(i, 0).text() == layer and table.item(i, 1).text().startswith(value)
            )
            return table.cellWidget(row, 2)

        row_of("mine", "2").setCurrentText("front")
        row_of("truth", "2").setCurrentText("front")
        settle(qtbot, compare)
        mask, truth = compare.viewer.layers["mine"].data, compare.viewer.layers["truth"].data
        both = compare.state.comparison.overlap(1)
        assert both.both == ((mask > 0) & (truth > 0)).sum()
        row_of("truth", "2").setCurrentText("ignore")
        settle(qtbot, compare)
        left = compare.state.comparison.overlap(1)
        assert left.both == ((mask > 0) & (truth == 1)).sum()
        assert left.mask_only == ((mask > 0) & (truth == 0)).sum()


def test_a_map_of_thousands_of_numbers_is_refused(qtbot: QtBot, compare: CompareWidget) -> None:
    many = np.arange(16 * 20 * 18, dtype=np.int32).reshape(16, 20, 18)
    compare.viewer.add_labels(many, name="numbered", scale=(2, 1, 1), units=("mm",) * 3)
    compare.truth_box.setCurrentText("numbered")
    settle(qtbot, compare)
    assert "numbered objects" in compare.message.text()
    assert compare.classes.rowCount() == 0


class TestNumbers:
    def test_the_table_is_that_of_the_comparison(
        self, compare: CompareWidget, pair: tuple[np.ndarray, np.ndarray]
    ) -> None:
        expected = Comparison(
            *pair, Geometry.from_spacing((2, 1, 1), unit="mm"), ("background", "front", "back")
        ).rows(1.0)
        assert compare.numbers.rows() == expected
        assert texts(compare.numbers.table, 0) == ["front", "back", "all classes as one"]
        assert compare.numbers.table.item(0, 1).text() == f"{expected[0].dice:.4g}"

    def test_the_tolerance(self, qtbot: QtBot, compare: CompareWidget) -> None:
        compare.numbers.tolerance.setValue(2.5)
        settle(qtbot, compare)
        assert "surface Dice at 2.5 mm" in columns(compare.numbers.rows())

    def test_markdown_and_csv(
        self, qtbot: QtBot, compare: CompareWidget, tmp_path: Path, monkeypatch: Any
    ) -> None:
        click(qtbot, compare.numbers.copy)
        lines = QApplication.clipboard().text().splitlines()
        assert len(lines) == 2 + 3
        assert lines[0].startswith("| class | Dice |")
        path = tmp_path / "numbers.csv"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
        click(qtbot, compare.numbers.save)
        with path.open(newline="") as file:
            (front, *_) = csv.DictReader(file)
        assert float(front["Dice"]) == pytest.approx(
            compare.state.comparison.overlap(1).dice, abs=1e-5
        )

    def test_gates_in_the_errors(
        self, qtbot: QtBot, widget: SegmentWidget, image: np.ndarray
    ) -> None:
        click(qtbot, widget.run.native)
        qtbot.waitUntil(lambda: not widget.running)
        viewer = widget._viewer
        truth = np.roll(viewer.layers["mask · brain"].data, 3, axis=1)
        viewer.add_labels(truth, name="truth", scale=(2, 1, 1), units=("mm",) * 3)
        compare = CompareWidget(viewer)
        viewer.window.add_dock_widget(compare, name="Compare")
        assert compare.mask_box.currentText() == "mask · brain"
        settle(qtbot, compare)
        click(qtbot, compare.numbers.attention.button)
        qtbot.waitUntil(lambda: not compare.numbers.attention.running)
        table = compare.numbers.gates
        assert texts(table, 0) == ["gate 1"] * 2 + ["gate 2"] * 2
        mask = viewer.layers["mask · brain"].data
        gate = viewer.layers["gate 1 · brain"].data
        spread = gate.repeat(2, 0).repeat(2, 1).repeat(2, 2)[:21, :18, :17]
        there = (mask == 1) & (truth != 1)
        if there.any():
            assert float(table.item(0, 3).text()) == pytest.approx(spread[there].mean(), rel=1e-3)


class TestLive:
    def test_a_stroke_is_counted_at_once(self, qtbot: QtBot, compare: CompareWidget) -> None:
        compare.by_eye.errors.setChecked(True)
        mask = compare.viewer.layers["mine"]
        before = compare.state.comparison.overlap(1)
        compare.viewer.dims.set_point(0, 2 * 14)
        mask.brush_size = 3
        mask.paint((14, 10, 9), 1)
        after = compare.state.comparison.overlap(1)
        painted = int((mask.data[14] == 1).sum())
        assert painted > 0
        assert after.mask_only == before.mask_only + painted
        errors = compare.viewer.layers["errors · mine"]
        np.testing.assert_array_equal(errors.data[14] == 2, mask.data[14] == 1)
        assert compare.numbers.rows()[0].dice == after.dice
        assert "HD95 (mm)" not in columns(compare.numbers.rows())
        assert "…" in [compare.numbers.table.item(0, c).text() for c in range(14)]
        settle(qtbot, compare)
        assert "HD95 (mm)" in columns(compare.numbers.rows())

    def test_undo_and_data_set_elsewhere_are_noticed(
        self, qtbot: QtBot, compare: CompareWidget, pair: tuple[np.ndarray, np.ndarray]
    ) -> None:
        mask = compare.viewer.layers["mine"]
        before = compare.state.comparison.overlap(1)
        mask.fill((8, 5, 8), 2)
        settle(qtbot, compare)
        assert compare.state.comparison.overlap(1).both < before.both
        mask.undo()
        qtbot.waitUntil(lambda: compare.state.comparison.overlap(1) == before)
        settle(qtbot, compare)
        mask.data = pair[1].copy()
        qtbot.waitUntil(
            lambda: (
                compare.state.comparison is not None
                and compare.state.comparison.overlap(None).dice == 1
            ),
        )

    def test_a_new_label_becomes_a_class(self, qtbot: QtBot, compare: CompareWidget) -> None:
        compare.viewer.layers["truth"].data_setitem((np.array([1]),) * 3, 5)
        qtbot.waitUntil(lambda: "label 5" in compare.state.comparison.classes)
        settle(qtbot, compare)
        assert "label 5" in texts(compare.numbers.table, 0)

    def test_scrolling_measures_nothing_anew(self, qtbot: QtBot, compare: CompareWidget) -> None:
        rows = compare.state.rows
        for plane in range(5):
            compare.viewer.dims.set_current_step(0, plane)
        settle(qtbot, compare)
        assert compare.state.rows is rows


class TestByEye:
    def test_errors_and_legend(self, compare: CompareWidget) -> None:
        mine, truth = compare.viewer.layers["mine"], compare.viewer.layers["truth"]
        compare.by_eye.errors.click()
        errors = compare.viewer.layers["errors · mine"]
        np.testing.assert_array_equal(errors.data, compare.state.comparison.errors)
        np.testing.assert_allclose(errors.extent.world, mine.extent.world)
        assert list(errors.features["class"])[2] == "false positive"
        assert told(compare)[:2] == ["■ true positive", "■ false positive"]
        assert not mine.visible
        assert errors.name not in [
            compare.mask_box.itemText(i) for i in range(compare.mask_box.count())
        ]
        compare.by_eye.errors.click()
        assert errors not in compare.viewer.layers
        assert mine.visible
        assert truth.visible

    def test_lines(self, qtbot: QtBot, compare: CompareWidget) -> None:
        mine, truth = compare.viewer.layers["mine"], compare.viewer.layers["truth"]

        def lines() -> set[str]:
            return {node.name for node in lines_on(compare.viewer)}

        qtbot.waitUntil(lambda: lines() == {"outline · mine"})
        assert (mine.opacity, truth.opacity) == (0, FILL)
        compare.by_eye.contour.click()
        qtbot.waitUntil(lambda: lines() == {"outline · mine", "outline · truth"})
        assert (mine.opacity, truth.opacity) == (FILLED, 0)
        (line,) = (n for n in lines_on(compare.viewer) if n.name == "outline · truth")
        np.testing.assert_allclose(np.unique(line.color, axis=0), [[1, 1, 1, 1]])
        compare.by_eye.contours.click()
        assert not compare.by_eye.contour.isChecked()
        qtbot.waitUntil(lambda: (mine.opacity, truth.opacity) == (0, 0))
        compare.by_eye.contours.click()
        assert lines() == {"outline · mine"}
        assert (mine.opacity, truth.opacity) == (0, FILL)

    def test_another_tab_gets_the_layers_as_they_were(self, compare: CompareWidget) -> None:
        truth = compare.viewer.layers["truth"]
        compare.by_eye.checkerboard.click()
        compare.by_eye.leave()
        assert truth.opacity == pytest.approx(0.7)
        assert truth.visible
        assert "checkerboard · mine" not in compare.viewer.layers
        assert told(compare) == ["white line: truth"]
        compare.by_eye.come_back()
        assert "checkerboard · mine" in compare.viewer.layers
        assert truth.opacity == FILL

    def test_tiles_that_somebody_removes_leave_nothing_hidden(self, compare: CompareWidget) -> None:
        compare.by_eye.checkerboard.click()
        compare.viewer.layers.remove("checkerboard · mine")
        assert not compare.by_eye.checkerboard.isChecked()
        assert compare.viewer.layers["mine"].visible

    def test_both_sides_have_one_colour_for_a_class(self, compare: CompareWidget) -> None:
        mine, truth = compare.viewer.layers["mine"], compare.viewer.layers["truth"]
        for label in (1, 2):
            np.testing.assert_allclose(mine.get_color(label), truth.get_color(label))

    def test_tiles_are_of_both_in_turn(self, qtbot: QtBot, compare: CompareWidget) -> None:
        viewer = compare.viewer
        compare.by_eye.checkerboard.click()
        tiles = viewer.layers["checkerboard · mine"].data
        mask, truth = compare.state.comparison.mask, compare.state.comparison.truth
        light = np.where(truth, truth, VEIL)
        np.testing.assert_array_equal(tiles[:8, :8, :8], mask[:8, :8, :8])
        np.testing.assert_array_equal(tiles[:8, :8, 8:16], light[:8, :8, 8:16])
        compare.by_eye.slider.setValue(4)
        assert compare.by_eye.slider_label.text() == "tiles of 4 voxels"
        tiles = viewer.layers["checkerboard · mine"].data
        np.testing.assert_array_equal(tiles[:4, 4:8, :4], light[:4, 4:8, :4])
        compare.by_eye.swipe.click()
        assert "checkerboard · mine" not in viewer.layers
        assert not compare.by_eye.checkerboard.isChecked()

    def test_it_is_said_and_seen_which_tiles_are_whose(self, compare: CompareWidget) -> None:
        viewer = compare.viewer
        compare.by_eye.checkerboard.click()
        tiles = viewer.layers["checkerboard · mine"]
        assert told(compare)[-2:] == ["light tiles: truth", "dark tiles: prediction"]
        np.testing.assert_allclose(tiles.get_color(VEIL), VEILED)
        assert 0 < VEILED[3] < 1
        for order, plane in (((0, 1, 2), (20, 18)), ((2, 0, 1), (16, 20))):
            viewer.dims.order = order
            (borders,) = (node for node in lines_on(viewer) if node.name == "tiles")
            down, across = (np.ceil(n / 8) + 1 for n in plane)
            assert len(borders.pos) == 2 * (down + across)
        viewer.dims.ndisplay = 3  # where a veil would hide what lies behind it
        assert VEIL not in tiles.data
        assert "light tiles: truth" not in told(compare)
        assert "tiles" not in {node.name for node in lines_on(viewer)}
        viewer.dims.ndisplay = 2
        assert VEIL in tiles.data
        compare.by_eye.checkerboard.click()
        assert "tiles" not in {node.name for node in lines_on(viewer)}

    @pytest.mark.parametrize("name", ["errors", "difference"])
    def test_the_words_have_the_colours_of_what_is_shown(
        self, compare: CompareWidget, name: str
    ) -> None:
        getattr(compare.by_eye, name).click()
        errors = compare.viewer.layers["errors · mine"]
        kinds = dict(zip(errors.features["class"], errors.features["index"], strict=True))
        lines = told_of(compare.viewer).lines
        assert len(lines) == (4 if name == "errors" else 3)
        for line in lines:
            np.testing.assert_allclose(
                line.colour, errors.get_color(kinds[line.text.removeprefix("■ ")]), atol=1e-6
            )

    def test_the_difference_shows_what_is_wrong_and_nothing_else(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        viewer = compare.viewer
        compare.by_eye.difference.click()
        errors = viewer.layers["errors · mine"]
        assert errors.get_color(1)[3] == 0
        assert all(errors.get_color(kind)[3] == 1 for kind in (2, 3, 4))
        assert not viewer.layers["mine"].visible
        assert not viewer.layers["truth"].visible
        compare.by_eye.difference.click()
        assert viewer.layers["mine"].visible

    def test_an_error_that_is_looked_at_has_a_line(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        viewer = compare.viewer
        compare.tabs.setCurrentIndex(2)
        compare.do("next_error")
        settle(qtbot, compare)
        component = compare.errors.components[0]
        part = part_of(component, compare.state.comparison.mask, compare.state.comparison.truth)
        assert int(part.sum()) == component.voxels
        start = [s.start for s in component.box]
        mask = compare.state.mask
        for z in range(mask.data.shape[0]):
            go_to_slice(viewer, mask, 0, z)
            there = "selected error" in {node.name for node in lines_on(viewer)}
            assert there == (0 <= z - start[0] < len(part) and part[z - start[0]].any())
        assert told(compare)[-1] == "yellow line: error 1 of 3"
        compare.errors.hideEvent(None)  # another page is looked at
        assert "yellow line: error 1 of 3" not in told(compare)
        compare.errors.showEvent(None)
        settle(qtbot, compare)
        go_to_slice(viewer, mask, 0, component.voxel[0])
        assert "selected error" in {node.name for node in lines_on(viewer)}
        compare.errors.hideEvent(None)
        assert "selected error" not in {node.name for node in lines_on(viewer)}

    def test_blink_by_button_and_key(self, qtbot: QtBot, compare: CompareWidget) -> None:
        mine, truth = compare.viewer.layers["mine"], compare.viewer.layers["truth"]
        qtbot.mousePress(compare.by_eye.blink, Qt.MouseButton.LeftButton)
        assert (mine.visible, truth.visible, truth.opacity) == (False, True, FILLED)
        assert told(compare) == ["truth"]
        qtbot.mouseRelease(compare.by_eye.blink, Qt.MouseButton.LeftButton)
        assert (mine.visible, truth.visible, truth.opacity) == (True, True, FILL)
        canvas = compare.viewer.window._qt_viewer.canvas.native
        qtbot.keyPress(canvas, Qt.Key.Key_K)
        assert (mine.visible, truth.opacity) == (False, FILLED)
        qtbot.keyRelease(canvas, Qt.Key.Key_K)
        assert (mine.visible, truth.opacity) == (True, FILL)

    def test_swipe(
        self, qtbot: QtBot, compare: CompareWidget, pair: tuple[np.ndarray, np.ndarray]
    ) -> None:
        compare.by_eye.swipe.click()
        both = compare.viewer.layers["swipe · mine"]

        def check(position: int) -> None:
            np.testing.assert_array_equal(both.data[..., :position], pair[0][..., :position])
            np.testing.assert_array_equal(both.data[..., position:], pair[1][..., position:])
            (line,) = (node for node in lines_on(compare.viewer) if node.name == "swipe line")
            np.testing.assert_allclose(line.pos[:, :2], [[position - 0.5, y] for y in (-0.5, 19.5)])

        check(9)
        assert not compare.viewer.layers["mine"].visible
        for position in (12, 3, 18, 0):
            compare.by_eye.slider.setValue(position)
            check(position)
        # dragged on the canvas
        compare.by_eye.slider.setValue(9)
        event = SimpleNamespace(type="mouse_press", position=(10.0, 5.0, 8.6))
        drag = compare.by_eye.swipe_view._dragged(compare.viewer, event)
        next(drag)
        assert not camera(compare.viewer).mouse_pan
        event.type, event.position = "mouse_move", (10.0, 5.0, 13.6)
        next(drag)
        event.type = "mouse_release"
        assert next(drag, None) is None
        assert camera(compare.viewer).mouse_pan
        check(14)
        assert compare.by_eye.slider.value() == 14
        compare.viewer.dims.set_current_step(0, 3)
        check(14)
        compare.viewer.dims.order = (1, 0, 2)
        assert both not in compare.viewer.layers
        assert not compare.by_eye.swipe.isChecked()
        assert compare.viewer.layers["mine"].visible

    @pytest.mark.parametrize("facing", ["right", "left"])
    @pytest.mark.parametrize(
        "turn",
        [
            {"scale": (2, 1, 1)},
            {"scale": (2, 1, -1)},
            {"scale": (2, -1, 1)},
            {"scale": (2, 1, 1), "rotate": [[1, 0, 0], [0, 0, -1], [0, 1, 0]]},
            {"scale": (2, 1, 1), "rotate": [[1, 0, 0], [0, 0, 1], [0, -1, 0]]},
            {"scale": (2, 1, 1), "affine": np.diag([1, 1, -1, 1])},
        ],
    )
    def test_the_prediction_lies_on_the_left_of_the_screen_however_the_layers_lie(
        self, qtbot: QtBot, viewer: Viewer, turn: dict[str, Any], facing: str
    ) -> None:
        viewer.add_labels(lobes(), name="mine", **turn)
        viewer.add_labels(3 - lobes(), name="truth", **turn)
        compare = CompareWidget(viewer)
        viewer.window.add_dock_widget(compare, name="Compare")
        settle(qtbot, compare)
        camera(viewer).orientation2d = ("down", facing)
        compare.by_eye.swipe.click()
        swipe = compare.by_eye.swipe_view
        both, counted = viewer.layers["swipe · mine"], compare.state.comparison
        for position in (swipe.length // 2, swipe.length // 3):
            compare.by_eye.slider.setValue(position)
            (line,) = (node for node in lines_on(viewer) if node.name == "swipe line")
            at, *more = np.unique(np.round(line.pos[:, 0], 3))
            assert not more  # upright
            for voxel in np.ndindex(both.data.shape):
                x = to_viewer(viewer, both, voxel)[2]
                side = counted.mask if (x < at) == (facing == "right") else counted.truth
                assert both.data[voxel] == side[voxel]

    def test_the_swipe_line_is_as_near_in_any_unit_of_the_viewer(
        self, compare: CompareWidget
    ) -> None:
        compare.by_eye.swipe.click()
        compare.by_eye.slider.setValue(9)
        viewer = compare.viewer
        viewer.add_image(np.zeros((4, 4, 4)), units=("um",) * 3, name="small")
        mask = viewer.layers["mine"]

        def takes(voxel: float) -> bool:
            at = to_viewer(viewer, mask, (5.0, 5.0, voxel))
            event = SimpleNamespace(type="mouse_press", position=tuple(at))
            drag = compare.by_eye.swipe_view._dragged(viewer, event)
            begun = next(drag, "left") != "left"
            drag.close()
            return begun

        width = np.diff([to_viewer(viewer, mask, (5.0, 5.0, x))[2] for x in (0.0, 1.0)])[0]
        camera(viewer).zoom = 6 / width  # six pixels of the canvas to a voxel
        assert [takes(x) for x in (6.4, 6.6, 10.4, 10.6)] == [False, True, True, False]

    @pytest.mark.parametrize("first", ["errors", "swipe"])
    def test_swipe_and_errors_take_each_other_s_place(
        self, compare: CompareWidget, first: str
    ) -> None:
        eye = compare.by_eye
        one, other = (eye.errors, eye.swipe) if first == "errors" else (eye.swipe, eye.errors)
        before = {layer.name: layer.visible for layer in compare.viewer.layers}
        one.click()
        other.click()
        assert (one.isChecked(), other.isChecked()) == (False, True)
        shown = [layer for layer in compare.viewer.layers if layer.visible]
        effects = {la.metadata.get(OUTPUT, {}).get("effect") for la in shown} - {None}
        assert effects == {"swipe" if first == "errors" else "errors"}
        other.click()
        assert {layer.name: layer.visible for layer in compare.viewer.layers} == before

    def test_swipe_is_for_2d(self, compare: CompareWidget) -> None:
        compare.viewer.dims.ndisplay = 3
        compare.by_eye.swipe.click()
        assert "2D" in compare.message.text()
        assert not compare.by_eye.swipe.isChecked()

    def test_side_by_side_and_back(self, compare: CompareWidget) -> None:
        viewer = compare.viewer
        viewer.add_image(np.zeros((16, 20, 18)), name="hidden", visible=False)
        before = [(la.name, la.visible) for la in viewer.layers]
        compare.by_eye.grid.click()
        assert grid(viewer).enabled
        cells = [
            {viewer.layers[i].name for i in inside}
            for _, inside in grid(viewer).iter_viewboxes(viewer.layers)
            if inside
        ]
        assert cells[:2] == [{"under mine · brain", "mine"}, {"under truth · brain", "truth"}]
        compare.by_eye.grid.click()
        assert not grid(viewer).enabled
        assert [(la.name, la.visible) for la in viewer.layers] == before

    def test_a_gate_s_bar_comes_back_after_side_by_side(
        self, qtbot: QtBot, widget: SegmentWidget, show_tiny: Callable[[], None]
    ) -> None:
        viewer = widget._viewer
        show_tiny()
        truth = np.roll(viewer.layers["mask · brain"].data, 2, axis=1)
        viewer.add_labels(truth, name="truth", scale=(2, 1, 1), units=("mm",) * 3)
        compare = CompareWidget(viewer)
        viewer.window.add_dock_widget(compare, name="Compare")
        settle(qtbot, compare)
        gates = [layer for layer in viewer.layers if layer.name.startswith("gate")]

        def barred() -> bool:
            return any(gate.colorbar.visible for gate in gates)

        compare.by_eye.grid.click()
        for _ in range(2):
            compare.by_eye.leave()  # another tab is looked at
            qtbot.waitUntil(barred)
            compare.by_eye.come_back()
            QApplication.processEvents()
            assert not barred()

    def test_the_layers_are_given_back_when_another_pair_is_chosen(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        truth = compare.viewer.layers["truth"]
        colours = truth.colormap  # the prediction's
        compare.by_eye.contour.click()
        compare.by_eye.errors.click()
        compare.viewer.add_labels(lobes(), name="second truth", scale=(2, 1, 1))
        compare.truth_box.setCurrentText("second truth")
        settle(qtbot, compare)
        assert (truth.opacity, truth.visible) == (0.7, True)  # napari's own
        assert truth.colormap != colours
        assert not compare.viewer.layers["second truth"].visible  # under the errors
        compare.by_eye.errors.click()
        assert compare.viewer.layers["second truth"].visible

    def test_after_3d_the_slice_is_the_one_before(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        viewer = compare.viewer
        viewer.dims.set_point((0, 1, 2), (10, 3, 4))
        place = viewer.dims.point
        for _ in range(2):
            compare.by_eye.distance.click()
            settle(qtbot, compare)
            assert viewer.dims.ndisplay == 3
            compare.by_eye.distance.click()
            assert (viewer.dims.ndisplay, viewer.dims.point) == (2, place)

    def test_distance_in_3d(self, qtbot: QtBot, compare: CompareWidget) -> None:
        compare.by_eye.distance.click()
        settle(qtbot, compare)
        surface = next(la for la in compare.viewer.layers if isinstance(la, Surface))
        assert surface.name == "distance from the truth (mm) · mine"
        assert compare.viewer.dims.ndisplay == 3
        low, high = surface.contrast_limits
        assert -low == high >= abs(surface.vertex_values).max()
        mine = compare.viewer.layers["mine"]
        assert (surface.extent.world[0] >= mine.extent.world[0] - 1e-6).all()
        compare.label_box.setCurrentText("back")
        settle(qtbot, compare)
        (surface,) = (la for la in compare.viewer.layers if isinstance(la, Surface))
        assert surface.data[0][:, 1].max() == pytest.approx(15.5)
        assert surface.data[0][:, 1].min() < 12.1  # of that class alone, and its spurious voxel
        compare.by_eye.distance.click()
        assert surface not in compare.viewer.layers
        assert compare.viewer.dims.ndisplay == 2
        assert mine.visible


class TestSlices:
    def test_a_click_moves_the_viewer_and_the_line_follows(
        self, qtbot: QtBot, compare: CompareWidget
    ) -> None:
        plot, viewer = compare.slices.plot, compare.viewer
        compare.tabs.setCurrentIndex(1)
        QApplication.processEvents()
        plot.draw()
        ax = plot.axes[0]
        x, y = ax.transData.transform((6, 0.5)) / plot.device_pixel_ratio
        place = QPoint(round(x), round(plot.height() - y))
        qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=place)
        assert viewer.dims.point[0] == pytest.approx(12)
        viewer.dims.set_point(0, 8)
        assert plot._slice == 4

    def test_worst_slices_by_button_and_key(self, qtbot: QtBot, compare: CompareWidget) -> None:
        worst = compare.state.comparison.worst_slices(0, None)
        assert worst[-1] == 13  # the planted voxel
        compare.viewer.dims.set_point(0, 0)
        seen = []
        for _ in worst:
            click(qtbot, compare.slices.next)
            seen.append(round(compare.viewer.dims.point[0] / 2))
        assert seen == worst
        assert "1 wrong voxels" in compare.slices.message.text()
        canvas = compare.viewer.window._qt_viewer.canvas.native
        qtbot.keyClick(canvas, Qt.Key.Key_W)  # begins anew
        assert round(compare.viewer.dims.point[0] / 2) == worst[0]
        click(qtbot, compare.slices.previous)
        assert round(compare.viewer.dims.point[0] / 2) == worst[-1]

    def test_the_axis_and_the_class_are_those_on_screen(self, compare: CompareWidget) -> None:
        compare.viewer.dims.order = (2, 0, 1)
        assert compare.slices.plot.axes[1].get_xlabel() == "slice along x"
        compare.label_box.setCurrentText("back")
        compare.slices.step(1)
        expected = compare.state.comparison.worst_slices(2, 2)[0]
        assert round(compare.viewer.dims.point[2]) == expected

    def test_saved(
        self, qtbot: QtBot, compare: CompareWidget, tmp_path: Path, monkeypatch: Any
    ) -> None:
        path = tmp_path / "slices.csv"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
        click(qtbot, compare.slices.save)
        lines = path.read_text().splitlines()
        assert lines[0] == "axis,slice,class,Dice,mask,truth,wrong"
        assert len(lines) == 1 + 3 * (16 + 20 + 18)


class TestErrors:
    def test_a_click_centres_and_zooms(self, qtbot: QtBot, compare: CompareWidget) -> None:
        table, viewer = compare.errors.table, compare.viewer
        assert texts(table, 1) == ["wrong class", "false negative", "false positive"]
        assert texts(table, 2) == ["back → front", "front", "back"]
        assert texts(table, 3) == ["160", "8", "1"]
        zoom = camera(viewer).zoom
        table.cellClicked.emit(2, 1)
        assert viewer.dims.point == (26.0, 1.0, 16.0)
        np.testing.assert_allclose(camera(viewer).center[-2:], (1, 16))
        assert camera(viewer).zoom > zoom
        assert "Error 3 of 3" in compare.errors.message.text()

    def test_ticked_off_is_passed_over_and_saved(
        self, qtbot: QtBot, compare: CompareWidget, tmp_path: Path, monkeypatch: Any
    ) -> None:
        table = compare.errors.table
        table.item(1, 0).setCheckState(Qt.CheckState.Checked)
        click(qtbot, compare.errors.next)
        assert "Error 1 of 3" in compare.errors.message.text()
        canvas = compare.viewer.window._qt_viewer.canvas.native
        qtbot.keyClick(canvas, Qt.Key.Key_J)
        assert "Error 3 of 3" in compare.errors.message.text()
        click(qtbot, compare.errors.previous)
        assert "Error 2 of 3" in compare.errors.message.text()
        path = tmp_path / "errors.csv"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
        click(qtbot, compare.errors.save)
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["seen"] for row in rows] == ["", "yes", ""]
        titles = "#,error,class,voxels,mm³,depth (mm),distance (mm),z,y,x,seen"
        assert ",".join(rows[0]) == titles

    def test_no_error_is_said(self, qtbot: QtBot, compare: CompareWidget) -> None:
        compare.viewer.layers["mine"].data = lobes()
        qtbot.waitUntil(lambda: "No error" in compare.errors.message.text())
        compare.slices.step(1)
        assert "No slice" in compare.slices.message.text()


class TestThreshold:
    @pytest.fixture
    def segmented(self, qtbot: QtBot, widget: SegmentWidget) -> CompareWidget:
        widget.probabilities.value = True
        click(qtbot, widget.run.native)
        qtbot.waitUntil(lambda: not widget.running)
        viewer = widget._viewer
        truth = np.roll(viewer.layers["mask · brain"].data, 2, axis=1)
        viewer.add_labels(truth, name="truth", scale=(2, 1, 1), units=("mm",) * 3)
        compare = CompareWidget(viewer)
        viewer.window.add_dock_widget(compare, name="Compare")
        settle(qtbot, compare)
        return compare

    def test_classes_are_those_of_the_maps_in_any_order(
        self, qtbot: QtBot, segmented: CompareWidget
    ) -> None:
        viewer = segmented.viewer
        names = [f"probability of {name} · brain" for name in ("one", "two")]
        first, second = (viewer.layers.index(name) for name in names)
        viewer.layers.move(min(first, second), max(first, second) + 1)
        again = CompareWidget(viewer)
        viewer.window.add_dock_widget(again, name="again")
        settle(qtbot, again)
        p = [viewer.layers[name].data for name in names]
        level = float(np.quantile(p[0], 0.9))
        again.threshold.sliders[0].setValue(level)
        again.threshold.sliders[1].setValue(1.0)
        settle(qtbot, again)
        mask = viewer.layers["mask · brain"].data
        np.testing.assert_array_equal(mask == 1, p[0] >= again.threshold.sliders[0].value())
        viewer.layers.remove(names[0])
        again.threshold.refresh()
        assert again.threshold.sliders == []
        assert "every class" in again.threshold.message.text()

    def test_a_reset_is_not_overtaken(self, qtbot: QtBot, segmented: CompareWidget) -> None:
        mask = segmented.viewer.layers["mask · brain"]
        original = mask.data.copy()
        segmented.threshold.sliders[0].setValue(0.01)
        click(qtbot, segmented.threshold.reset)  # while the mask is on its way
        settle(qtbot, segmented)
        np.testing.assert_array_equal(mask.data, original)

    def choose_truth_again(self, qtbot: QtBot, compare: CompareWidget) -> None:
        """Delete the truth and open it again."""
        data = compare.viewer.layers["truth"].data
        compare.viewer.layers.remove("truth")
        settle(qtbot, compare)
        compare.viewer.add_labels(data, name="truth", scale=(2, 1, 1), units=("mm",) * 3)
        settle(qtbot, compare)
        assert compare.truth_box.currentText() == "truth"

    def test_the_sliders_show_what_is_in_force(
        self, qtbot: QtBot, segmented: CompareWidget
    ) -> None:
        tab, viewer = segmented.threshold, segmented.viewer
        mask = viewer.layers["mask · brain"]
        original = mask.data.copy()
        assert "as it was segmented" in tab.message.text()
        for slider, value in zip(tab.sliders, (0.2, 0.7), strict=True):
            slider.setValue(value)
        settle(qtbot, segmented)
        assert tab.message.text() == ""
        thresholded = mask.data.copy()
        self.choose_truth_again(qtbot, segmented)
        assert [slider.value() for slider in tab.sliders] == [0.2, 0.7]
        np.testing.assert_array_equal(mask.data, thresholded)
        (dock,) = (d for d in our_docks(viewer) if d.inner_widget() is segmented)
        close_by_its_x(dock)
        again = CompareWidget(viewer)  # the mask is still what it was made
        viewer.window.add_dock_widget(again, name="again")
        settle(qtbot, again)
        assert [slider.value() for slider in again.threshold.sliders] == [0.2, 0.7]
        click(qtbot, again.threshold.reset)
        settle(qtbot, again)
        np.testing.assert_array_equal(mask.data, original)
        assert "as it was segmented" in again.threshold.message.text()
        self.choose_truth_again(qtbot, again)
        assert [slider.value() for slider in again.threshold.sliders] == [0.5, 0.5]

    def test_other_data_are_not_what_the_sliders_made(
        self, qtbot: QtBot, segmented: CompareWidget
    ) -> None:
        tab, mask = segmented.threshold, segmented.viewer.layers["mask · brain"]
        tab.sliders[0].setValue(0.2)
        settle(qtbot, segmented)
        mask.data = np.roll(mask.data, 1, axis=0)
        settle(qtbot, segmented)
        assert tab.sliders[0].value() == 0.5
        now = mask.data.copy()
        click(qtbot, tab.reset)
        np.testing.assert_array_equal(mask.data, now)

    def test_a_mask_that_is_removed_is_forgotten(
        self, qtbot: QtBot, segmented: CompareWidget
    ) -> None:
        tab, viewer = segmented.threshold, segmented.viewer
        tab.sliders[0].setValue(0.2)
        settle(qtbot, segmented)
        mask = viewer.layers["mask · brain"]  # which somebody holds on to
        assert mask in tab._changed
        viewer.layers.remove(mask)
        assert mask not in tab._changed
        settle(qtbot, segmented)

    def test_without_probabilities_it_says_how_to_get_them(self, compare: CompareWidget) -> None:
        assert "probabilities" in compare.threshold.message.text()
        assert compare.threshold.sliders == []

    def test_the_mask_and_the_numbers_follow(self, qtbot: QtBot, segmented: CompareWidget) -> None:
        tab, viewer = segmented.threshold, segmented.viewer
        mask: Labels = viewer.layers["mask · brain"]
        original = mask.data.copy()
        p = [viewer.layers[f"probability of {name} · brain"].data for name in ("one", "two")]
        level = float(np.quantile(p[0], 0.9))
        tab.sliders[0].setValue(level)
        tab.sliders[1].setValue(1.0)
        settle(qtbot, segmented)
        level = tab.sliders[0].value()
        np.testing.assert_array_equal(mask.data == 1, p[0] >= level)
        overlap = segmented.state.comparison.overlap(1)
        assert overlap.both + overlap.mask_only == (p[0] >= level).sum()
        assert tab.numbers[0].text().split() == [
            "Dice",
            f"{overlap.dice:.3f},",
            "precision",
            f"{overlap.precision:.2f},",
            "recall",
            f"{overlap.recall:.2f}",
        ]
        assert tab.curve(0).at(level).precision == pytest.approx(overlap.precision, abs=0.2)
        click(qtbot, tab.reset)
        np.testing.assert_array_equal(mask.data, original)
        assert tab.sliders[0].value() == 0.5
        before = tab.curve(0)
        assert tab.curve(0) is before
        viewer.layers["truth"].data_setitem(tuple(np.argwhere(p[0] > 0)[:5].T), 1)
        settle(qtbot, segmented)
        assert (
            tab.curve(0).at(0.5).both + tab.curve(0).at(0.5).truth_only
            == (segmented.state.comparison.truth == 1).sum()
        )
        assert tab.curve(0) is not before
        tab.label.setCurrentText("two")
        click(qtbot, tab.best)
        settle(qtbot, segmented)
        assert tab.sliders[1].value() == pytest.approx(tab.curve(1).best)


def test_removed_and_renamed_layers(qtbot: QtBot, compare: CompareWidget) -> None:
    viewer = compare.viewer
    viewer.layers["truth"].name = "gold"
    assert compare.truth_box.currentText() == "gold"
    compare.by_eye.errors.click()
    viewer.layers.remove("mine")
    assert compare.state.mask is None or compare.state.mask in viewer.layers
    assert "Choose" in compare.message.text() or compare.state.comparison is None
    settle(qtbot, compare)


def test_a_series_is_compared_at_the_time_on_screen_and_says_which(
    qtbot: QtBot, viewer: Viewer
) -> None:
    truth = np.stack([lobes(), lobes()[::-1]])
    mask = truth.copy()
    mask[1, 8] = 0
    viewer.add_labels(mask, name="mine")
    viewer.add_labels(truth, name="truth")
    compare = CompareWidget(viewer)
    viewer.window.add_dock_widget(compare, name="Compare")
    viewer.dims.set_current_step(0, 0)
    settle(qtbot, compare)
    assert compare.state.comparison.overlap(None).dice == 1
    assert "Time point 1 of 2." in compare.message.text()
    chosen = []
    compare.state.chosen.connect(lambda: chosen.append(1))
    viewer.dims.set_current_step(1, 3)
    settle(qtbot, compare)
    assert chosen == []  # a slice is no time point
    viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: compare.busy)
    settle(qtbot, compare)
    assert compare.state.comparison.overlap(None).truth_only == (truth[1, 8] > 0).sum()
    assert "Time point 2 of 2." in compare.message.text()
    compare.by_eye.distance.click()
    settle(qtbot, compare)
    assert viewer.dims.ndisplay == 3
    assert any(isinstance(layer, Surface) for layer in viewer.layers)


def test_closing_and_opening_again(qtbot: QtBot, compare: CompareWidget) -> None:
    viewer = compare.viewer
    truth = viewer.layers["truth"]
    compare.by_eye.contour.click()
    compare.by_eye.errors.click()
    compare.by_eye.swipe.click()
    compare.tabs.setCurrentIndex(2)
    compare.errors.table.item(0, 0).setCheckState(Qt.CheckState.Checked)  # seen
    compare.label_box.setCurrentText("back")
    (dock,) = our_docks(viewer)
    close_by_its_x(dock)
    assert [la.name for la in viewer.layers] == ["brain", "mine", "truth"]
    assert (truth.opacity, truth.visible) == (0.7, True)
    assert not isinstance(truth.colormap, DirectLabelColormap)
    again = CompareWidget(viewer)
    viewer.window.add_dock_widget(again, name="Compare")
    settle(qtbot, again)
    assert again.tabs.currentIndex() == 2
    assert again.errors.table.rowCount() == 3
    assert again.errors.rows()[0].seen == "yes"
    assert again.label_box.currentText() == "back"
