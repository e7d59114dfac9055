"""A result is run again as it was made: same checkpoint, device and place."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_attn_unet import io, phantom
from napari_attn_unet.cli.main import main
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.network.library import bundled
from napari_attn_unet.plugin import contributions, layers
from napari_attn_unet.plugin.inspect.command import program
from napari_attn_unet.plugin.inspect.export import ExportTab
from napari_attn_unet.plugin.inspect.runs import Runs
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import queue
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.results import results
from napari_attn_unet.volume import Geometry


def open_file(viewer: ViewerModel, path: Path) -> Layer:
    """Open a file as napari does, which notes where the layer came from."""
    reader = contributions.get_reader(str(path))
    assert reader is not None
    (data,) = reader(str(path))
    layer = Layer.create(*data)
    layer._set_source(SimpleNamespace(path=str(path), parent=None))
    return viewer.add_layer(layer)


class Bench:
    """What is inspected of a checkpoint's result for an image from a file, without a window."""

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        volume, truth = phantom.make((16, 24, 20), seed=3)
        place = Geometry.from_spacing((1.5, 1, 1), (4, 5, 6), "mm")
        io.write(folder / "my brain.nii.gz", volume.data[0], place)
        io.write(folder / "my labels.nii.gz", truth, place)
        self.viewer, self.widget = ViewerModel(), QWidget()
        image = open_file(self.viewer, folder / "my brain.nii.gz")
        volumes, placement = layers.to_volumes(image)
        self.prediction = Predictor(checkpoint).predict(volumes)
        layers.show(self.viewer, layers.from_prediction(self.prediction, placement), keep_old=False)
        (self.result,) = results(self.viewer)
        self.settings = Settings("segment")
        self.settings.opened(str(checkpoint))
        self.dock = Dock(self.widget, self.viewer, "inspect")
        self.state = State(self.dock)
        truth_layer = open_file(self.viewer, folder / "my labels.nii.gz")
        self.state._watch(image, self.result, self.result.mask, truth_layer)
        self.runs = Runs(self.state, self.settings)


@pytest.fixture(params=["bundled", "own file"])
def bench(
    qtbot: QtBot, tmp_path: Path, tiny_checkpoint_path: Path, request: pytest.FixtureRequest
) -> Any:
    own = request.param == "own file"
    made = Bench(tmp_path, tiny_checkpoint_path if own else bundled()["phantom"])
    yield made
    made.dock.close()


def test_the_copied_command_runs_and_writes_the_same_mask(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = bench.runs.known(bench.result.provenance).find()
    line = ExportTab(bench.state, bench.runs).command.line(checkpoint)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[len(program()) :]) == 0
    out = tmp_path / "inspect_my brain"
    (volume,) = io.read(out / "mask.nii.gz")
    np.testing.assert_array_equal(volume.data[0], bench.prediction.mask)
    header, *_ = (out / "agreement.csv").read_text(encoding="utf-8").splitlines()
    assert "α in FP" in header  # the truth was given


def test_the_volume_is_known_again_and_all_else_is_as_it_is_now(bench: Bench) -> None:
    runs, about, image = bench.runs, bench.result.provenance, bench.state.image
    first = runs.prepare()
    assert first.device == "cpu"
    about["device"] = "cuda"
    second = runs.prepare()
    assert second.volume is first.volume
    assert second.device == "cuda"
    image.translate = (1, 2, 3)
    moved = runs.prepare()
    places = (run.volume.geometry.affine for run in (first, moved))
    assert not np.array_equal(*places)  # its outputs lie elsewhere
    np.testing.assert_allclose(moved.placement.full[:3, 3], (1, 2, 3))
    image.data = image.data + 1
    assert runs.prepare().volume is not first.volume


def test_a_memory_limit_that_is_no_number_is_none(bench: Bench) -> None:
    bench.settings.keep("memory_gb", "much")
    predictor = bench.runs.predictor(bench.runs.prepare())
    assert predictor is bench.runs.predictor(bench.runs.prepare())


def test_a_device_that_is_not_here_is_replaced_and_said(bench: Bench) -> None:
    told: list[str] = []
    runs = Runs(bench.state, bench.settings, told.append)
    bench.result.provenance["device"] = "cuda:7"
    bench.settings.keep("device", "cuda:8")  # nor is this one
    predictor = runs.predictor(runs.prepare())
    assert predictor is queue.load(runs.prepare().checkpoint.find(), "auto", "f32", None)
    assert told == [
        "The result was made on cuda:7, which this machine does not have: it is run again on "
        f"{predictor.device}."
    ]


def test_of_files_of_the_same_name_the_one_of_the_result_is_run(
    bench: Bench, tmp_path: Path
) -> None:
    right = bench.runs.prepare().checkpoint.find()
    other = tmp_path / "elsewhere" / right.name
    other.parent.mkdir()
    other.write_bytes(right.read_bytes() + b"\0")
    bench.settings.opened(str(other))
    run = bench.runs.prepare()
    assert set(run.checkpoint.paths) == {right, other}
    assert run.checkpoint.find() == right
