"""Training learns, stops and goes on."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from labelled import CONFIG, blobs

from napari_attn_unet.errors import ConfigError, DatasetError, DivergenceError, FileError
from napari_attn_unet.io import open_dataset
from napari_attn_unet.network import checkpoint
from napari_attn_unet.network.card import PreprocessingSpec, read_card
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.prediction import finish
from napari_attn_unet.training import run as run_module
from napari_attn_unet.training import trainer
from napari_attn_unet.training.augmentation import augment
from napari_attn_unet.training.data import Case, load_cases
from napari_attn_unet.training.losses import dice_cross_entropy
from napari_attn_unet.training.resume import resume_path
from napari_attn_unet.training.run import Run
from napari_attn_unet.training.trainer import TrainingProgress, train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return blobs(tmp_path)


class Done(NamedTuple):
    checkpoint: Checkpoint
    notes: list[str]


def finish_with_notes(steps: Generator[TrainingProgress, None, Checkpoint]) -> Done:
    notes: list[str] = []
    result = finish(steps, lambda p: notes.append(p.note) if p.note is not None else None)
    return Done(result, notes)


def test_what_is_held_out_is_never_trained_on_and_alone_is_scored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(folder)
    training, held_out = ({case.name for case in part} for part in dataset.split(0.2, 0))
    trained, scored = set(), set()
    step, validate = Run.step, trainer._validate

    def watched(self: Run, batch: list[Case], generator: torch.Generator) -> float:
        trained.update(case.name for case in batch)
        return step(self, batch, generator)

    def watched_too(run: Run, cases: list[Case]) -> Any:
        scored.update(case.name for case in cases)
        return validate(run, cases)

    monkeypatch.setattr(Run, "step", watched)
    monkeypatch.setattr(trainer, "_validate", watched_too)
    for _ in train(dataset, CONFIG, tmp_path / "a.safetensors"):
        pass
    assert trained == training
    assert scored == held_out


def test_what_is_written_is_the_average_of_the_weights(folder: Path) -> None:
    dataset = open_dataset(folder)
    config = replace(CONFIG, ema=0.75)
    (*cases,) = load_cases(dataset.cases, dataset, PreprocessingSpec())
    run = Run(config, dataset.classes, dataset.channels, len(cases))
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


def test_an_image_under_two_names_is_not_scored(folder: Path, tmp_path: Path) -> None:
    dataset = open_dataset(folder)
    training, held_out = dataset.split(0.4, 0)
    copyfile(training[0].image, held_out[0].image)
    config = replace(CONFIG, holdout=0.4)
    done = finish_with_notes(train(dataset, config, tmp_path / "a.safetensors"))
    assert done.notes == [
        f"{training[0].name}, {held_out[0].name} hold the same image: all are trained on."
    ]
    told = done.checkpoint.card.training
    assert told["cases"].startswith("4 trained on, 1 held out")
    assert told["notes"] == done.notes[0]
    assert "Dice, mean, 1 held-out cases" in done.checkpoint.card.scores


def test_a_class_that_no_held_out_case_shows_has_no_score(tmp_path: Path) -> None:
    dataset = open_dataset(blobs(tmp_path, ("background", "core", "rim")))
    (held_out,) = dataset.split(CONFIG.holdout, CONFIG.seed)[1]
    number = int(held_out.name[1:])
    blobs(tmp_path, ("background", "core", "rim"), lambda i, t: np.minimum(t, 1 + (i != number)))
    done = finish_with_notes(train(dataset, CONFIG, tmp_path / "a.safetensors"))
    assert done.notes[0].startswith("No held-out case shows rim")
    card = read_card(tmp_path / "a.safetensors")
    assert list(card.scores) == ["Dice, mean, 1 held-out cases", "Dice, core, 1 held-out cases"]
    assert len(set(card.scores.values())) == 1
    assert card.training["notes"] == done.notes[0]


def test_held_out_cases_of_background_have_no_scores_at_all(tmp_path: Path) -> None:
    dataset = open_dataset(blobs(tmp_path))
    (held_out,) = dataset.split(CONFIG.holdout, CONFIG.seed)[1]
    blobs(tmp_path, paint=lambda i, truth: truth * (f"c{i}" != held_out.name))
    *_, last = train(dataset, CONFIG, tmp_path / "a.safetensors")
    assert last.scores == {}
    assert read_card(tmp_path / "a.safetensors").scores == {}


@pytest.mark.parametrize(
    ("mirror", "classes", "axes", "told"),
    [
        (None, ("background", "blob"), ("x",), "mirrored along x (left to right)"),
        (None, ("background", "left", "right"), (), "not mirrored: a side is told by"),
        (("y",), ("background", "blob"), ("y",), "mirrored along y (back to front), as asked"),
    ],
)
def test_patches_are_mirrored_as_the_card_says(
    mirror: Any,
    classes: tuple[str, ...],
    axes: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def watched(*args: Any) -> Any:
        seen.append(args[3])
        return augment(*args)

    monkeypatch.setattr(run_module, "augment", watched)
    config = replace(CONFIG, mirror=mirror, epochs=1)
    done = finish_with_notes(
        train(open_dataset(blobs(tmp_path, classes)), config, tmp_path / "a.safetensors")
    )
    assert set(seen) == {axes}
    card = done.checkpoint.card.training
    assert told in card["mirroring"]
    assert f"--mirror {' '.join(axes) or 'none'}" in card["command"]
    assert any("mirrored" in note for note in done.notes) == ("told by" in told)


@pytest.mark.parametrize("steps", [1, 2, 5, 9, 10, 11, 20])
def test_any_number_of_steps_is_a_schedule(steps: int, folder: Path) -> None:
    dataset = open_dataset(folder)
    run = Run(replace(CONFIG, epochs=steps), dataset.classes, 1, 2)
    rates = []
    for _ in range(steps):
        rates.append(run.optimiser.param_groups[0]["lr"])
        run.optimiser.step()
        run.schedule.step()
    assert np.isfinite(rates).all()
    assert max(rates) <= CONFIG.learning_rate
    assert rates[-1] == min(rates)


@pytest.mark.parametrize("where", ["loss", "gradient", "weights"])
def test_a_run_that_diverges_stops_and_keeps_the_last_good_weights(
    where: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, config = tmp_path / "a.safetensors", replace(CONFIG, epochs=3)
    loss, step, good = run_module.dice_cross_entropy, Run.step, {}

    def broken(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if not resume_path(out).exists():  # the first epoch
            return loss(logits, target)
        return loss(logits, target) * torch.inf if where == "loss" else logits.abs().pow(60).sum()

    def spoilt(self: Run, *args: Any) -> float:
        if self.epoch == 1:
            good.update(self.checkpoint().state if not good else {})
            with torch.no_grad():
                self.network.head.bias.fill_(torch.inf if where == "weights" else 0)
        return 1.0 if self.epoch and where == "weights" else step(self, *args)

    monkeypatch.setattr(Run, "step", spoilt)
    if where != "weights":
        monkeypatch.setattr(run_module, "dice_cross_entropy", broken)
    with pytest.raises(DivergenceError, match=r"epoch 2 of 3\. The weights after epoch 1.*--overw"):
        list(train(open_dataset(folder), config, out))
    kept = checkpoint.load(out)
    for key, value in good.items():
        torch.testing.assert_close(kept.state[key], value)
    assert "weights after epoch 1" in kept.card.training["stopped"]
    assert kept.card.scores == {}
    assert not resume_path(out).exists()


def test_a_run_that_diverges_at_once_writes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "step", lambda *_: float("nan"))
    with pytest.raises(DivergenceError, match=r"epoch 1 of 2\. Nothing was written"):
        list(train(open_dataset(folder), CONFIG, tmp_path / "a.safetensors"))
    assert not list(tmp_path.glob("a.safetensors*"))


def test_a_run_refuses_its_output_before_it_reads_a_case(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "load_cases", None)
    (tmp_path / "a.safetensors").touch()
    for name, error in (("a.safetensors", FileError), ("a.pt", ConfigError)):
        with pytest.raises(error):
            list(train(open_dataset(folder), CONFIG, tmp_path / name))


def test_a_patch_larger_than_every_case_is_fitted_and_said(folder: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, patch=(64, 16, 16), epochs=1)
    done = finish_with_notes(train(open_dataset(folder), config, tmp_path / "a.safetensors"))
    assert "64 × 16 × 16 is larger than every image" in done.notes[0]
    assert "--patch 16 14 16" in done.checkpoint.card.training["command"]


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
