"""The copied command runs as it is pasted, and what it cannot read is said."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from napari.layers._source import Source
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

import napari_attn_unet
from napari_attn_unet import io
from napari_attn_unet.network.library import bundled
from napari_attn_unet.plugin.inspect import InspectWidget
from napari_attn_unet.plugin.inspect.command import (
    checkpoint_name,
    file_of,
    inspect_command,
    program,
    quoted,
)
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.segment.widget import SegmentWidget
from napari_attn_unet.volume import Geometry

NASTY = ("a b", "it's", 'say "hi"', "$HOME `x` !!", "Gehörn 脳", "-dash", "a;b&c|d>e#f*?[g]~\\", "")


@pytest.fixture
def inspect(qtbot: QtBot, widget: SegmentWidget, show_tiny: Callable[[], None]) -> InspectWidget:
    inspect = InspectWidget(widget._viewer)
    widget._viewer.window.add_dock_widget(inspect, name="Inspect")
    show_tiny()
    qtbot.waitUntil(lambda: not inspect.state.counting and inspect.state.inspection is not None)
    return inspect


def run(qtbot: QtBot, task: Task) -> None:
    qtbot.mouseClick(task.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not task.running)


@pytest.mark.skipif(os.name == "nt", reason="of bash")
def test_a_shell_takes_the_line_apart_into_the_words_again() -> None:
    code = "import sys; print('\\0'.join(sys.argv[1:]), end='')"
    line = quoted([sys.executable, "-c", code, *NASTY])
    told = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout  # noqa: S607
    assert told.decode().split("\0") == list(NASTY)


def test_paths_are_whole_and_options_are_one_word_each(tmp_path: Path) -> None:
    options = {"--contrast": "-5,9", "--truth": None, "--axis": "y"}
    line = inspect_command(tmp_path / "it's a 脳.nii.gz", "out", "phantom", options)
    words = shlex.split(line)[len(program()) :]
    assert words[:2] == ["inspect", str(tmp_path / "it's a 脳.nii.gz")]
    assert words[2:] == [
        "--out", "out", "--checkpoint", "phantom", "--contrast=-5,9", "--axis=y",
    ]  # fmt: skip


def test_a_checkpoint_that_ships_has_its_name_and_another_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in bundled().items():
        assert checkpoint_name(path) == name
    monkeypatch.chdir(tmp_path)
    assert checkpoint_name(Path("a.safetensors")) == str(tmp_path / "a.safetensors")


def test_a_layer_is_its_file_only_where_a_command_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    io.write(path, np.zeros((2, 3, 4), np.float32), Geometry.from_spacing())
    for file, shape, expected in (
        (path, (2, 3, 4), path),
        (path, (5, 2, 3, 4), None),  # one volume of several
        (tmp_path / "gone.nii.gz", (2, 3, 4), None),
        (tmp_path / "a.tif", (2, 3, 4), None),
    ):
        layer = Image(np.zeros(shape))
        layer._source = Source(path=str(file))
        assert file_of(layer) == expected
    assert file_of(Image(np.zeros((2, 3, 4)))) is None


@pytest.mark.skipif(os.name == "nt", reason="of bash")
def test_an_image_without_a_file_is_said_and_saved_and_the_command_runs(
    qtbot: QtBot, inspect: InspectWidget, tmp_path: Path, monkeypatch: Any
) -> None:
    part = inspect.export.command
    assert "'brain' comes from no file" in part.unsaved.text()
    assert not part.store.isHidden()
    QApplication.clipboard().setText("")
    run(qtbot, part.copy)
    assert "'brain' must be a NIfTI file first" in inspect.export.message.text()
    assert QApplication.clipboard().text() == ""
    truth = inspect.viewer.layers["mask · brain"].data.copy()
    inspect.viewer.add_labels(truth, name="my truth", scale=(2, 1, 1), units=("mm",) * 3)
    inspect.truth_box.setCurrentText("my truth")
    assert "'brain' and 'my truth' come" in part.unsaved.text()
    folder = tmp_path / "it's a $HOME 脳"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(folder))
    run(qtbot, part.store)
    assert part.unsaved.text() == ""
    assert part.store.isHidden()
    (volume,) = io.read(folder / "brain.nii.gz")
    np.testing.assert_array_equal(volume.data[0], inspect.viewer.layers["brain"].data)
    assert volume.geometry.spacing == (2, 1, 1)
    labels, _ = io.read_labels(folder / "my truth.nii.gz")
    np.testing.assert_array_equal(labels, truth)
    qtbot.waitUntil(lambda: not inspect.state.counting)
    inspect.export.slices.setText("3, 10")
    run(qtbot, part.copy)
    line = QApplication.clipboard().text()
    assert line in inspect.export.message.text()
    assert "--slices=3,10" in shlex.split(line)
    # The package that is tested, wherever another is installed.
    env = os.environ | {"PYTHONPATH": str(Path(napari_attn_unet.__file__).parents[1])}
    subprocess.run(["bash", "-c", line], check=True, cwd=tmp_path, env=env)  # noqa: S607
    out = tmp_path / "inspect_brain"
    mask, _ = io.read_labels(out / "mask.nii.gz")
    np.testing.assert_array_equal(mask, inspect.viewer.layers["mask · brain"].data)
    assert (out / "figure.png").is_file()


def test_a_file_is_read_where_it_lies_and_the_view_is_that_on_screen(
    qtbot: QtBot, inspect: InspectWidget, tmp_path: Path
) -> None:
    part, viewer = inspect.export.command, inspect.viewer
    path = tmp_path / "brain.nii.gz"
    io.write(path, viewer.layers["brain"].data, Geometry.from_spacing((2, 1, 1), unit="mm"))
    (layer,) = viewer.open(path, plugin="napari-attn-unet")
    assert inspect.state.result is None  # an image that was opened is looked at, and has none
    inspect.result_box.setCurrentIndex(0)
    inspect.image_box.setCurrentText(layer.name)
    qtbot.waitUntil(lambda: not inspect.state.counting)
    assert part.missing() == []
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 7)
    layer.contrast_limits = (-2, 3)
    run(qtbot, part.copy)
    words = shlex.split(QApplication.clipboard().text())
    assert str(path) in words
    for option in ("--axis=y", "--slices=7", "--contrast=-2,3", "--opacity=0.75"):
        assert option in words


@pytest.mark.skipif(os.name == "nt", reason="of bash")
def test_the_program_is_found_by_the_shell() -> None:
    line = quoted([*program(), "--version"])
    subprocess.run(["bash", "-c", line], check=True, capture_output=True)  # noqa: S607
