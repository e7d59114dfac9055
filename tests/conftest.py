"""Real widgets in a real viewer; nothing of a test outlives it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from docks import WAIT, close_by_its_x, leaks, our_docks, settle
from napari import Viewer
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QSettings

from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.network.card import Card
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.segment.widget import SegmentWidget
from napari_attn_unet.prediction import ClassInfo, Prediction
from napari_attn_unet.volume import Geometry, Volume


@pytest.fixture(autouse=True)
def collected_fast() -> None:
    """Leave what was there before the test out of Python's garbage collections.

    napari collects whenever a layer is removed, and so does `settle`: half a second each, most of
    it spent on modules and on what earlier tests have left in caches. None of it is given back, or
    the tests after would pay for it.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def settings_in_a_folder_of_their_own(tmp_path: Path) -> None:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path))


@pytest.fixture(autouse=True)
def workers_end_with_the_test() -> Iterator[None]:
    yield
    WorkerBase.await_workers(msecs=WAIT)


@pytest.fixture
def qtbot(qtbot: QtBot) -> QtBot:
    """pytest-qt's own, which waits as long as a busy machine takes."""
    for wait in ("waitUntil", "waitSignal"):
        setattr(qtbot, wait, partial(getattr(qtbot, wait), timeout=WAIT))
    return qtbot


@pytest.fixture
def make_napari_viewer(
    make_napari_viewer: Callable[..., Viewer],
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Viewer]]:
    """napari's own, and after every test: a click on each dock's X leaves nothing behind."""
    viewers: list[Viewer] = []

    def make(*arguments: object, **options: object) -> Viewer:
        viewers.append(make_napari_viewer(*arguments, **options))
        return viewers[-1]

    yield make
    request.node.funcargs.clear()  # pytest holds the widgets that fixtures returned
    for viewer in viewers:
        references = [r for dock in our_docks(viewer) for r in close_by_its_x(dock)]
        settle()
        found = leaks(viewer, references)
        assert not found, "\n".join(found)


def brain() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(21, 18, 17)).astype(np.float32)


@pytest.fixture
def image() -> np.ndarray:
    return brain()


@pytest.fixture
def widget(
    make_napari_viewer: Callable[[], Viewer], tiny_checkpoint_path: Path, image: np.ndarray
) -> SegmentWidget:
    """The docked widget over one image layer, a tiny checkpoint chosen."""
    viewer = make_napari_viewer()
    viewer.add_image(image, name="brain", scale=(2, 1, 1), units=("mm",) * 3)
    segment = SegmentWidget(viewer)
    viewer.window.add_dock_widget(segment, name="Segment")
    segment.use_checkpoint(tiny_checkpoint_path)
    return segment


def tiny_checkpoint_file(folder: Path) -> Path:
    """Three levels, three classes, random weights: not one constant output."""
    torch.manual_seed(0)
    config = ModelConfig(classes=3, channels=(4, 8, 16))
    card = Card(
        "tiny",
        config.to_dict(),
        tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two"))),
        field_of_view_mm=(40.0, 20.0, 20.0),
    )
    path = folder / "tiny.safetensors"
    state = AttentionUNet(config).state_dict()
    for gate in range(2):  # maps that select something
        state[f"gate.{gate}.psi.weight"] *= 30
        state[f"gate.{gate}.psi.bias"] *= 0
    Checkpoint(card, state).save(path)
    return path


@pytest.fixture
def tiny_checkpoint_path(tmp_path: Path) -> Path:
    return tiny_checkpoint_file(tmp_path)


@pytest.fixture(scope="session")
def tiny_prediction(tmp_path_factory: pytest.TempPathFactory) -> Prediction:
    """What the tiny checkpoint makes of the image; its layers show it in less time than a run."""
    path = tiny_checkpoint_file(tmp_path_factory.mktemp("tiny"))
    place = Geometry.from_spacing((2, 1, 1), unit="mm")
    return Predictor(path).predict(Volume(brain()[np.newaxis], place, "brain"))


def show_result(viewer: Viewer, prediction: Prediction) -> None:
    """Show a prediction over the image that it was made of, as the Segment widget does."""
    _, placement = layers.to_volumes(viewer.layers["brain"])
    own = deepcopy({"mask": prediction.mask, "gates": prediction.gates})  # tests paint into it
    data = layers.from_prediction(replace(prediction, **own), placement)
    layers.show(viewer, data, keep_old=False)


@pytest.fixture
def show_tiny(widget: SegmentWidget, tiny_prediction: Prediction) -> Callable[[], None]:
    """Show the tiny checkpoint's result in the widget's viewer."""
    return lambda: show_result(widget._viewer, tiny_prediction)
