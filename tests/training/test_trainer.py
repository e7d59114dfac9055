"""Training learns, stops and goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_attn_unet import io
from napari_attn_unet.errors import DatasetError
from napari_attn_unet.io import open_dataset
from napari_attn_unet.network import checkpoint
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.training import trainer
from napari_attn_unet.training.augmentation import augment
from napari_attn_unet.training.config import TrainingConfig
from napari_attn_unet.training.data import Case, load_cases
from napari_attn_unet.training.losses import dice_cross_entropy
from napari_attn_unet.training.trainer import train
from napari_attn_unet.volume import Geometry

CONFIG = TrainingConfig(
    epochs=2, batch_size=2, patch=(16, 16, 16), base=4, levels=2, validate_every=1
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng, entries = np.random.default_rng(0), []
    for i in range(5):
        truth = np.zeros((16, 14, 18), np.uint8)
        z, y, x = rng.integers(2, 8, 3)
        truth[z : z + 6, y : y + 6, x : x + 6] = 1
        image = (truth + 0.2 * rng.normal(size=truth.shape)).astype(np.float32)
        entry = {"image": f"imagesTr/c{i}.nii.gz", "label": f"labelsTr/c{i}.nii.gz"}
        geometry = Geometry.from_spacing(unit="mm")
        io.write(tmp_path / entry["image"], image, geometry)
        io.write(tmp_path / entry["label"], truth, geometry)
        entries.append(entry)
    about = {"name": "Blobs", "labels": {"0": "background", "1": "blob"}, "training": entries}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    return tmp_path


def test_a_stopped_run_ends_as_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    dataset = open_dataset(folder)
    for _ in train(dataset, CONFIG, tmp_path / "straight.safetensors"):
        pass
    steps = train(dataset, CONFIG, tmp_path / "stopped.safetensors")
    next(p for p in steps if p.epoch == 2)
    steps.close()
    for _ in train(dataset, CONFIG, tmp_path / "stopped.safetensors"):
        pass
    straight, stopped = (
        checkpoint.load(tmp_path / f"{name}.safetensors") for name in ("straight", "stopped")
    )
    for key, value in straight.state.items():
        torch.testing.assert_close(stopped.state[key], value)
    assert straight.card.scores == stopped.card.scores
    assert straight.card.field_of_view_mm == (16, 14, 18)


def test_a_resume_file_of_another_run_is_refused(folder: Path, tmp_path: Path) -> None:
    dataset = open_dataset(folder)
    steps = train(dataset, CONFIG, tmp_path / "a.safetensors")
    next(p for p in steps if p.epoch == 2)
    steps.close()
    other = TrainingConfig(epochs=3, batch_size=2, patch=(16, 16, 16), base=4, levels=2)
    with pytest.raises(DatasetError, match="other cases or settings"):
        list(train(dataset, other, tmp_path / "a.safetensors"))
    fewer = replace(dataset, cases=dataset.cases[:-1])
    with pytest.raises(DatasetError, match="other cases or settings"):
        list(train(fewer, CONFIG, tmp_path / "a.safetensors"))


def test_what_is_held_out_is_never_trained_on_and_alone_is_scored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(folder)
    training, held_out = ({case.name for case in part} for part in dataset.split(0.2, 0))
    trained, scored = set(), set()
    step, validate = trainer._Run.step, trainer._validate

    def watched(self: Any, batch: list[Case], generator: torch.Generator) -> float:
        trained.update(case.name for case in batch)
        return step(self, batch, generator)

    def watched_too(checkpoint: Any, cases: list[Case], *rest: Any) -> Any:
        scored.update(case.name for case in cases)
        return validate(checkpoint, cases, *rest)

    monkeypatch.setattr(trainer._Run, "step", watched)
    monkeypatch.setattr(trainer, "_validate", watched_too)
    for _ in train(dataset, CONFIG, tmp_path / "a.safetensors"):
        pass
    assert trained == training
    assert scored == held_out


def test_what_is_written_is_the_average_of_the_weights(folder: Path, tmp_path: Path) -> None:
    dataset = open_dataset(folder)
    config = replace(CONFIG, ema=0.75)
    (*cases,) = load_cases(dataset.cases, dataset, PreprocessingSpec())
    run = trainer._Run(dataset, config, tmp_path / "a.safetensors", len(cases))
    generator, key = torch.Generator().manual_seed(0), "head.weight"
    average: torch.Tensor | None = None
    for _ in range(3):
        run.step(cases[:2], generator)
        now = run.network.state_dict()[key].clone()
        average = now if average is None else 0.75 * average + 0.25 * now
        torch.testing.assert_close(run.checkpoint().state[key], average)
    assert not torch.equal(average, now)


def test_the_split_repeats_and_does_not_overlap(folder: Path) -> None:
    dataset = open_dataset(folder)
    trained, held_out = dataset.split(0.2, 7)
    assert dataset.split(0.2, 7) == (trained, held_out)
    assert len(held_out) == 1
    assert not set(trained) & set(held_out)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "labelsTr/c3.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"c3\.nii\.gz"):
        open_dataset(folder).complete()


def test_image_and_label_are_deformed_alike() -> None:
    label = torch.zeros(4, 20, 20, 20, dtype=torch.uint8)
    label[:, 4:12, 5:15, 6:10] = 1
    image, moved = augment(label[:, None].float() * 100, label, torch.Generator().manual_seed(0))
    inside = image[:, 0][moved == 1]
    outside = image[:, 0][moved == 0]
    assert not torch.equal(moved, label)
    assert float(inside.mean()) > 60
    assert float(outside.mean()) < 20


def test_the_loss_is_small_only_for_the_truth() -> None:
    truth = torch.randint(0, 3, (1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    right = torch.nn.functional.one_hot(truth, 3).movedim(-1, 1).float() * 40
    assert float(dice_cross_entropy(right, truth)) < 0.01
    assert float(dice_cross_entropy(right.roll(1, dims=1), truth)) > 10
