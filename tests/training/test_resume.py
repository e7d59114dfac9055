"""A stopped run goes on as itself, or says why it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from labelled import CONFIG, blobs

from napari_attn_unet import io
from napari_attn_unet.errors import DatasetError, FileError
from napari_attn_unet.io import open_dataset
from napari_attn_unet.network import checkpoint
from napari_attn_unet.training import resume
from napari_attn_unet.training.config import TrainingConfig
from napari_attn_unet.training.resume import resume_path
from napari_attn_unet.training.trainer import train
from napari_attn_unet.volume import Geometry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return blobs(tmp_path / "data")


@pytest.fixture
def out(folder: Path, tmp_path: Path) -> Path:
    """Where a run was stopped in its second epoch."""
    steps = train(open_dataset(folder), CONFIG, tmp_path / "a.safetensors")
    next(p for p in steps if p.epoch == 2)
    steps.close()
    return tmp_path / "a.safetensors"


def go_on(folder: Path, out: Path, config: TrainingConfig = CONFIG) -> list[str]:
    """Repeat the command; return what it says."""
    notes = [p.note for p in train(open_dataset(folder), config, out)]
    return [note for note in notes if note is not None]


def change(folder: Path, **values: Any) -> None:
    index = folder / "dataset.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | values))


def test_a_stopped_run_ends_as_one_that_was_not(folder: Path, out: Path, tmp_path: Path) -> None:
    assert not out.exists()
    assert "goes on after epoch 1 of 2" in go_on(folder, out)[-1]
    go_on(folder, tmp_path / "straight.safetensors")
    stopped, straight = (checkpoint.load(path) for path in (out, tmp_path / "straight.safetensors"))
    for key, value in straight.state.items():
        torch.testing.assert_close(stopped.state[key], value)
    assert straight.card.scores == stopped.card.scores
    assert straight.card.field_of_view_mm == (16, 14, 18)
    assert not resume_path(out).exists()


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_a_file_cut_short_is_refused_in_words(kept: float, folder: Path, out: Path) -> None:
    path = resume_path(out)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(FileError, match=r"damaged or incomplete.*Delete that file to start anew"):
        go_on(folder, out)
    assert path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"not torch's at all",
        {"state_dict": {}},
        torch.zeros(3),
        Path("an object of Python"),
        {"identity": [], "epoch": 1, "network": {}, "average": {}, "optimiser": {}, "schedule": {}},
        {"identity": {"cases": []}}
        | dict.fromkeys(("epoch", "network", "average", "optimiser", "schedule")),
    ],
)
def test_another_file_is_refused_in_words(content: object, folder: Path, out: Path) -> None:
    if isinstance(content, bytes):
        resume_path(out).write_bytes(content)
    else:
        torch.save(content, resume_path(out))
    with pytest.raises(FileError, match="damaged or incomplete"):
        go_on(folder, out)


@pytest.mark.parametrize("part", ["network", "average", "optimiser", "schedule"])
def test_a_part_of_another_network_is_refused_in_words(part: str, folder: Path, out: Path) -> None:
    content = torch.load(resume_path(out), weights_only=True)
    content[part] = {"stranger": torch.zeros(2)} if part != "schedule" else None
    torch.save(content, resume_path(out))
    with pytest.raises(FileError, match="damaged or incomplete"):
        go_on(folder, out)


def test_weights_that_are_no_numbers_are_not_gone_on_from(folder: Path, out: Path) -> None:
    content = torch.load(resume_path(out), weights_only=True)
    content["average"]["module.head.bias"][0] = torch.nan
    torch.save(content, resume_path(out))
    with pytest.raises(FileError, match="damaged"):
        go_on(folder, out)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"epochs": 3}, "epochs was 2, is 3"),
        ({"learning_rate": 0.1}, r"learning_rate was 0\.004, is 0\.1"),
        ({"mirror": ()}, r"mirror was None, is \(\)"),
        ({"base": 8}, "base was 4, is 8"),
    ],
)
def test_a_run_with_other_settings_is_refused_and_the_setting_named(
    setting: dict[str, Any], told: str, folder: Path, out: Path
) -> None:
    with pytest.raises(DatasetError, match=rf"other settings \({told}\)"):
        go_on(folder, out, replace(CONFIG, **setting))


def test_a_run_of_other_cases_or_classes_is_refused_before_they_are_read(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_attn_unet.training.trainer.load_cases", None)
    dataset = open_dataset(folder)
    with pytest.raises(DatasetError, match=r"other cases \(c4 is gone\)"):
        list(train(replace(dataset, cases=dataset.cases[:-1]), CONFIG, out))
    change(folder, labels={"0": "background", "1": "blob", "2": "rim"})
    with pytest.raises(DatasetError, match=r"other classes \(2 rim is new\)"):
        go_on(folder, out)
    change(folder, labels={"0": "background", "1": "clot"})
    with pytest.raises(DatasetError, match=r"other classes \(1 was blob, is clot\)"):
        go_on(folder, out)


@pytest.mark.parametrize("kind", ["imagesTr", "labelsTr", "place"])
def test_other_contents_under_the_same_names_are_refused(
    kind: str, folder: Path, out: Path
) -> None:
    path = folder / ("imagesTr" if kind == "place" else kind) / "c3.nii.gz"
    (volume,) = io.read(path)
    values = np.array(volume.data[0])
    spacing = (2.0, 1.0, 1.0) if kind == "place" else (1.0, 1.0, 1.0)
    if kind != "place":
        values[3, 4, 5] = 1 - values[3, 4, 5]
    geometry = Geometry.from_spacing(spacing, unit="mm")
    io.write(path, values, geometry)
    if kind == "place":  # an image and its label lie together
        (label,) = io.read(folder / "labelsTr/c3.nii.gz")
        io.write(folder / "labelsTr/c3.nii.gz", np.array(label.data[0]), geometry)
    with pytest.raises(DatasetError, match=r"other images or labels \(c3 has changed\)"):
        go_on(folder, out)


def test_files_written_anew_with_the_same_contents_are_the_same_run(
    folder: Path, out: Path
) -> None:
    (volume,) = io.read(folder / "labelsTr/c3.nii.gz")
    geometry = Geometry.from_spacing(unit="mm")
    io.write(folder / "labelsTr/c3.nii.gz", np.array(volume.data[0], np.int16), geometry)
    go_on(folder, out)


def test_many_differences_are_counted() -> None:
    before = {str(k): "a" for k in range(5)}
    assert resume._difference(before, {}, of_sums=True).endswith("2 is gone and 2 more")
