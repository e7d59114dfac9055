"""The program as a person meets it: the sample from the menu, the button by mouse, the files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from napari import Viewer
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.settings import get_settings
from napari.utils.notifications import show_warning
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QSettings, Qt

import napari_attn_unet
from napari_attn_unet.cli.main import main
from napari_attn_unet.io import open_dataset
from napari_attn_unet.plugin import demo
from napari_attn_unet.scores import metrics

SAMPLES = Path(napari_attn_unet.__file__).parent / "samples"


def test_sample_segment_screenshot(
    qtbot: QtBot, make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path))
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    viewer.open_sample("napari-attn-unet", "mni152")
    _, widget = viewer.window.add_plugin_dock_widget("napari-attn-unet", "Segment")
    widget.checkpoint.value = dict(widget._checkpoint_choices())["hippocampus"]
    qtbot.mouseClick(widget.run.native, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not widget.running)

    image = viewer.layers["Hippocampus MRI"]
    mask = viewer.layers["mask · Hippocampus MRI"]
    gates = [x for x in viewer.layers if "gate" in x.metadata]
    assert len(gates) == 3
    np.testing.assert_allclose(mask.extent.world, image.extent.world)
    for gate in gates:
        size = 2 ** gate.metadata["gate"]
        corner = gate.data_to_world((-0.5,) * 3)
        np.testing.assert_allclose(corner, image.data_to_world((-0.5,) * 3))
        np.testing.assert_allclose(gate.scale, np.asarray(image.scale) * size)
    # The template's hippocampi lie left and right of the midline, each some 4 to 5 cm³.
    left, right = (mask.data[..., half] for half in (slice(0, 49), slice(49, 98)))
    for side in (left, right):
        assert 2500 < (side > 0).sum() < 7000
    picture = tmp_path / "screenshot.png"
    viewer.screenshot(str(picture), canvas_only=False, flash=False)
    assert picture.stat().st_size > 50_000


def test_the_demo_keeps_back_the_notice_of_its_qt_and_no_other(
    make_napari_viewer: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def viewer(**_: str) -> Viewer:
        made = make_napari_viewer(show=True)
        show_warning("napari support for the PyQt5 backend is deprecated and will be removed")
        show_warning("a plugin of yours is broken")
        return made

    monkeypatch.setattr(demo.napari, "Viewer", viewer)
    settings = get_settings()
    before, saved = settings.application.gui_notification_level, []
    settings.events.connect(saved.append)
    made = demo.quiet_viewer()
    shown = [
        notice.message.text()
        for notice in made.window._qt_window.findChildren(NapariQtNotification)
    ]
    assert shown == ["a plugin of yours is broken"]
    assert settings.application.gui_notification_level == before
    assert saved == []


def test_demo_without_a_display_writes_its_files(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-m", "napari_attn_unet.cli", "demo", "--out", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.iterdir()}
    expected = {"screenshot.png", "mask.nii.gz", *(f"gate{k}.nii.gz" for k in (1, 2, 3))}
    assert expected <= names
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    image = nibabel.load(SAMPLES / "hippocampus_mni152.nii.gz")
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert mask.shape == image.shape
    assert main(["demo", "--out", str(tmp_path)]) == 1  # `make run` says --overwrite


def test_predict_goes_on_after_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"no image")
    good = SAMPLES / "hippocampus_mni152.nii.gz"
    assert main(["predict", str(bad), str(good), "--out", str(tmp_path), "--gates"]) == 1
    assert "bad.nii.gz" in capsys.readouterr().err
    assert (tmp_path / "hippocampus_mni152" / "gate3.nii.gz").is_file()


def test_the_shipped_checkpoint_finds_hippocampi(tmp_path: Path) -> None:
    folder = os.environ.get("ATTN_UNET_HIPPOCAMPUS")
    if not folder:
        pytest.skip("ATTN_UNET_HIPPOCAMPUS names no folder of labelled cases")
    _, held_out = open_dataset(folder).split(0.2, 0)
    cases = held_out[:5]
    images = [str(case.image) for case in cases]
    assert main(["predict", *images, "--out", str(tmp_path)]) == 0
    scores = []
    for case in cases:
        mask = np.asarray(nibabel.load(tmp_path / case.name / "mask.nii.gz").dataobj)
        truth = np.asarray(nibabel.load(case.label).dataobj)
        scores += [metrics.dice(mask, truth, label) for label in (1, 2)]
    assert np.mean(scores) > 0.85
