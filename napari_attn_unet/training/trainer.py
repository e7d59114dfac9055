"""`train`: a generator that trains a network and returns its checkpoint.

It yields after every step, so that whoever drives it can show progress and stop; closing it
loses at most the epoch under way. State is written after every epoch, beside the output.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from napari_attn_unet import __version__
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.errors import DivergenceError
from napari_attn_unet.io.datasets import Dataset
from napari_attn_unet.network.card import Card, PreprocessingSpec
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.scores.metrics import dice
from napari_attn_unet.training.checks import (
    MEAN,
    apart,
    check_classes,
    check_names,
    check_output,
    fit_patch,
    shown_in_truth,
)
from napari_attn_unet.training.config import TrainingConfig
from napari_attn_unet.training.data import Case, load_cases
from napari_attn_unet.training.resume import ResumeFile, contents, settings
from napari_attn_unet.training.run import Run, class_infos
from napari_attn_unet.training.sides import Mirroring, mirroring

Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a training run stands.

    Attributes
    ----------
    phase
        "loading", "training" or "validating".
    done, total
        Cases loaded or validated, or steps taken, of how many.
    epoch, epochs
        The epoch under way, from 1, and how many there are.
    loss
        Mean loss of the epoch so far, or None.
    scores
        Dice by class and "mean" of the held-out cases; only when a validation has just ended. A
        class that no held-out case shows has none.
    note
        A sentence that somebody should read before the training goes on, or None.
    """

    phase: str
    done: int
    total: int
    epoch: int
    epochs: int
    loss: float | None = None
    scores: Scores | None = None
    note: str | None = None


def train(
    dataset: Dataset, config: TrainingConfig, out: str | Path, *, overwrite: bool = False
) -> Generator[TrainingProgress, None, Checkpoint]:
    """Train on a dataset and write the checkpoint to `out`.

    A run that was stopped goes on where its last epoch ended, from the file `out` + ".resume",
    if its cases, classes and settings are the same.

    Parameters
    ----------
    dataset
        From `io.open_dataset`.
    config
        The settings.
    out
        The checkpoint to write, `.safetensors`.
    overwrite
        Whether a checkpoint that is there already may be replaced.

    Raises
    ------
    ConfigError
        If `out` has another ending, or the settings do not fit the cases.
    FileError
        If `out` is there already or cannot be written, or its resume file is damaged.
    DatasetError
        If the dataset is not complete, a case is damaged, nothing would be learned or scored, or
        `out` has a resume file of another run.
    DivergenceError
        If the loss is no longer finite. The weights after the last good epoch are written.
    """
    out = Path(out)
    check_output(out, overwrite=overwrite)
    dataset = dataset.complete()
    check_names(dataset.classes)
    identity, file = settings(dataset, config), ResumeFile(out)
    file.check(identity)

    training_paths, held_out_paths = dataset.split(config.holdout, config.seed)
    cases: list[Case] = []
    yield TrainingProgress("loading", 0, len(dataset.cases), 0, config.epochs)
    for case in load_cases(training_paths + held_out_paths, dataset, PreprocessingSpec()):
        cases.append(case)
        yield TrainingProgress("loading", len(cases), len(dataset.cases), 0, config.epochs)
    identity |= contents(cases)
    file.check(identity)

    training, held_out = cases[: len(training_paths)], cases[len(training_paths) :]
    training, held_out, notes = apart(training, held_out)
    notes += check_classes(training, held_out, dataset.classes, config.seed)
    notes += [f"{case.name}: {case.note}" for case in cases if case.note]
    config, fitted = fit_patch(config, training)
    facts = _Facts(
        dataset,
        cases,
        (len(training), len(held_out)),
        mirroring(config.mirror, dataset.classes),
        (*notes, *fitted),
    )
    run = Run(config, dataset.classes, dataset.channels, len(training))
    goes_on = file.restore(run)
    news = facts.news()
    if goes_on:
        news.append(f"This run goes on after epoch {run.epoch} of {config.epochs}.")
    for note in news:
        yield TrainingProgress("loading", len(cases), len(cases), 0, config.epochs, note=note)

    scores: Scores | None = None
    while run.epoch < config.epochs:
        if not (yield from _epoch(run, training)):
            raise DivergenceError(_keep_last_good(run, file, facts, out))
        file.save(run, identity)
        if run.epoch % config.validate_every == 0 or run.epoch == config.epochs:
            scores = yield from _validate(run, held_out)
    if scores is None:  # stopped between the last epoch and its validation
        scores = yield from _validate(run, held_out)
    checkpoint = replace(run.checkpoint(), card=facts.card(run, scores), path=out)
    checkpoint.save(out)
    file.remove()
    return checkpoint


def _epoch(run: Run, cases: list[Case]) -> Generator[TrainingProgress, None, bool]:
    """Pass over the cases once; return whether all numbers stayed finite."""
    config, epoch = run.config, run.epoch + 1
    generator = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
    losses: list[float] = []
    order = torch.randperm(len(cases), generator=generator).tolist()
    yield TrainingProgress("training", 0, run.steps, epoch, config.epochs)
    for step in range(run.steps):
        batch = [
            cases[order[i % len(order)]]
            for i in range(step * config.batch_size, (step + 1) * config.batch_size)
        ]
        losses.append(run.step(batch, generator))
        if not math.isfinite(losses[-1]):
            return False
        yield TrainingProgress(
            "training", step + 1, run.steps, epoch, config.epochs, float(np.mean(losses))
        )
    if not run.is_finite:
        return False
    run.epoch = epoch
    return True


def _keep_last_good(run: Run, file: ResumeFile, facts: _Facts, out: Path) -> str:
    """Write the weights after the last good epoch, if there was one; return what to say."""
    config = run.config
    happened = (
        f"the loss or the weights were no longer finite in epoch {run.epoch + 1} of {config.epochs}"
    )
    again = f"Train again with a lower learning rate than {config.learning_rate:g}"
    if not file.restore(run):
        return f"Training diverged: {happened}. Nothing was written. {again}."
    stopped = f"{happened}; these are the weights after epoch {run.epoch}"
    replace(run.checkpoint(), card=facts.card(run, {}, stopped), path=out).save(out)
    file.remove()  # it would only come to the same end
    return (
        f"Training diverged: {happened}. The weights after epoch {run.epoch}, the last good ones, "
        f"are in {out}, without a score. {again}, to another file or with --overwrite."
    )


def _validate(run: Run, cases: list[Case]) -> Generator[TrainingProgress, None, Scores]:
    """Score held-out cases on their own grid, by the path that ships; return Dice by class.

    Of the classes that any of them shows: of another, Dice is not defined.
    """
    predictor = Predictor(run.checkpoint(), "cpu")
    here = run.epoch, run.config.epochs
    scored = sorted(shown_in_truth(cases) - {0})
    rows: list[list[float]] = []
    for case in cases:
        mask = predictor.predict(case.volume).mask
        rows.append([dice(mask, case.truth, k) for k in scored])
        yield TrainingProgress("validating", len(rows), len(cases), *here)
    scores: Scores = {}
    if scored:
        means = np.nanmean(np.asarray(rows), axis=0)
        scores[MEAN] = float(means.mean())
        scores |= {run.classes[k]: float(m) for k, m in zip(scored, means, strict=True)}
    yield TrainingProgress("validating", len(cases), len(cases), *here, scores=scores)
    return scores


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a card tells of the data, and of what was done with them.

    Attributes
    ----------
    counts
        Cases trained on, and held out.
    notes
        What was found in them.
    """

    dataset: Dataset
    cases: Sequence[Case]
    counts: tuple[int, int]
    mirroring: Mirroring
    notes: tuple[str, ...]

    def news(self) -> list[str]:
        """Return the sentences that somebody should read before the training."""
        told = self.mirroring.told
        mirrored = [f"{told[0].upper()}{told[1:]}."] if self.mirroring.is_news else []
        return [*mirrored, *self.notes]

    def card(self, run: Run, scores: Scores, stopped: str | None = None) -> Card:
        """Return the card of a run's checkpoint.

        Parameters
        ----------
        run
            The run.
        scores
            Those of its weights.
        stopped
            Why it ended before its last epoch, if it did.
        """
        about, config = self.dataset.about, run.config
        name = about.get("name", self.dataset.folder.name)
        extents = [case.extent_mm for case in self.cases if case.extent_mm is not None]
        field_of_view = None
        if extents:
            z, y, x = np.median(extents, axis=0).tolist()
            field_of_view = (z, y, x)
        sizes = [case.volume.geometry.spacing_mm for case in self.cases]
        known = [size for size in sizes if size is not None]
        spacing = None
        if known:
            z, y, x = np.median(known, axis=0).tolist()
            spacing = (z, y, x)
        training = {
            "data": f"{name}; {about.get('reference', 'no reference given')}",
            "licence": about.get("licence", "not stated by the dataset"),
            "cases": f"{self.counts[0]} trained on, {self.counts[1]} held out "
            f"(split seed {config.seed})",
            "mirroring": self.mirroring.told,
            "command": f"attn-unet train {self.dataset.folder.name} {_options(run)}",
        }
        if self.notes:
            training["notes"] = " ".join(self.notes)
        if stopped is not None:
            training["stopped"] = stopped
        return Card(
            name=name.lower(),
            description=about.get("description", name),
            config=run.model_config.to_dict(),
            classes=class_infos(self.dataset.classes),
            preprocessing=PreprocessingSpec(),
            field_of_view_mm=field_of_view,
            spacing_mm=spacing,
            training=training,
            scores={
                f"Dice, {key}, {self.counts[1]} held-out cases": round(value, 4)
                for key, value in scores.items()
            },
            versions={"napari-attn-unet": __version__, "torch": torch.__version__},
        )


def _options(run: Run) -> str:
    """Return the settings as the command line takes them."""
    values = asdict(run.config) | {"mirror": run.mirror or ("none",)}
    return " ".join(
        f"--{key.replace('_', '-')} {' '.join(map(str, v)) if isinstance(v, tuple) else v}"
        for key, v in values.items()
    )
