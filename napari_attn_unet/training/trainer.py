"""`train`: a generator that trains a network and returns its checkpoint.

It yields after every step, so that whoever drives it can show progress and stop; closing it
loses at most the epoch under way. State is written after every epoch, beside the output.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_attn_unet import __version__
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.errors import DatasetError
from napari_attn_unet.io.datasets import Dataset
from napari_attn_unet.network.card import Card, PreprocessingSpec
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.scores.metrics import dice
from napari_attn_unet.training.augmentation import augment, random_patch
from napari_attn_unet.training.config import TrainingConfig
from napari_attn_unet.training.data import Case, load_cases
from napari_attn_unet.training.losses import dice_cross_entropy

WEIGHT_DECAY = 0.05
"""Of AdamW; torch's 0.01 does not keep a small dataset from being learned by heart."""

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
        Dice by class and "mean" of the held-out cases; only when a validation has just ended.
    """

    phase: str
    done: int
    total: int
    epoch: int
    epochs: int
    loss: float | None = None
    scores: Scores | None = None


def train(
    dataset: Dataset, config: TrainingConfig, out: str | Path
) -> Generator[TrainingProgress, None, Checkpoint]:
    """Train on a dataset and write the checkpoint to `out`.

    A run that was stopped goes on where its last epoch ended, from the file `out` + ".resume",
    if its dataset and settings are the same.

    Parameters
    ----------
    dataset
        From `io.open_dataset`.
    config
        The settings.
    out
        The checkpoint to write, `.safetensors`.

    Raises
    ------
    DatasetError
        If the dataset is not complete, a case is damaged, or `out` has a resume file of another
        run.
    """
    out = Path(out)
    dataset = dataset.complete()
    spec = PreprocessingSpec()
    training_paths, held_out_paths = dataset.split(config.holdout, config.seed)
    cases: list[Case] = []
    total = len(dataset.cases)
    for case in load_cases(training_paths + held_out_paths, dataset, spec):
        cases.append(case)
        yield TrainingProgress("loading", len(cases), total, 0, config.epochs)
    training, held_out = cases[: len(training_paths)], cases[len(training_paths) :]

    run = _Run(dataset, config, out, len(training))
    scores: Scores = {}
    for epoch in range(run.epoch + 1, config.epochs + 1):
        generator = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
        losses: list[float] = []
        order = torch.randperm(len(training), generator=generator).tolist()
        for step in range(run.steps):
            batch = [
                training[order[i % len(order)]]
                for i in range(step * config.batch_size, (step + 1) * config.batch_size)
            ]
            losses.append(run.step(batch, generator))
            yield TrainingProgress(
                "training", step + 1, run.steps, epoch, config.epochs, float(np.mean(losses))
            )
        run.save(epoch)
        if epoch % config.validate_every == 0 or epoch == config.epochs:
            scores = yield from _validate(
                run.checkpoint(), held_out, dataset.classes, epoch, config.epochs
            )
            yield TrainingProgress(
                "validating", len(held_out), len(held_out), epoch, config.epochs, None, scores
            )
    if not scores:  # stopped between the last epoch and its validation
        scores = yield from _validate(
            run.checkpoint(), held_out, dataset.classes, config.epochs, config.epochs
        )
    card = _card(dataset, config, run.model_config, cases, scores, (len(training), len(held_out)))
    checkpoint = replace(run.checkpoint(), card=card, path=out)
    checkpoint.save(out)
    run.resume_path.unlink(missing_ok=True)
    return checkpoint


class _Run:
    """Network, averaged network, optimiser and schedule of one run, and their file."""

    def __init__(self, dataset: Dataset, config: TrainingConfig, out: Path, cases: int) -> None:
        self.config, self.classes = config, dataset.classes
        self.model_config = ModelConfig(
            in_channels=dataset.channels,
            classes=len(dataset.classes),
            channels=tuple(config.base * 2**k for k in range(config.levels)),
        )
        torch.manual_seed(config.seed)
        self.network = AttentionUNet(self.model_config).to(
            memory_format=torch.channels_last_3d  # type: ignore[call-overload]
        )
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True
        )
        self.steps = max(1, round(cases / config.batch_size))
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=WEIGHT_DECAY
        )
        # A tenth of the run to warm up: with the usual 30 % a short run is over before the
        # smallest class is found.
        self.schedule = OneCycleLR(
            self.optimiser,
            config.learning_rate,
            total_steps=self.steps * config.epochs,
            pct_start=0.1,
        )
        self.epoch = 0
        self.resume_path = out.with_name(f"{out.name}.resume")
        # JSON-like values only: the file is read back with weights_only=True.
        self.identity = {
            "cases": sorted(case.name for case in dataset.cases),
            "config": {k: str(v) for k, v in asdict(config).items()},
        }
        if self.resume_path.is_file():
            self._resume()

    def checkpoint(self) -> Checkpoint:
        """Return the averaged weights as a checkpoint, with a card that names no scores."""
        card = Card("training", self.model_config.to_dict(), class_infos(self.classes))
        state = {k: v.clone().contiguous() for k, v in self.average.module.state_dict().items()}
        return Checkpoint(card, state)

    def step(self, batch: list[Case], generator: torch.Generator) -> float:
        """Take one optimiser step on random patches of a batch of cases; return the loss."""
        patches = [random_patch(case, self.config.patch, generator) for case in batch]
        image, label = augment(
            torch.stack([p[0] for p in patches]), torch.stack([p[1] for p in patches]), generator
        )
        self.network.train()
        image = image.contiguous(memory_format=torch.channels_last_3d)
        enabled = self.config.precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            logits = self.network(image).logits
        loss = dice_cross_entropy(logits, label)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        return float(loss.detach())

    def save(self, epoch: int) -> None:
        """Write everything needed to go on after `epoch`."""
        self.epoch = epoch
        temporary = self.resume_path.with_name(f".{self.resume_path.name}.part")
        temporary.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "identity": self.identity,
            "epoch": epoch,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self._schedule_state(),
        }
        torch.save(state, temporary)
        os.replace(temporary, self.resume_path)

    def _schedule_state(self) -> dict[str, Any]:
        return {
            key: value
            for key, value in self.schedule.state_dict().items()
            if isinstance(value, int | float | str)
        }

    def _resume(self) -> None:
        state = torch.load(self.resume_path, weights_only=True)
        if state["identity"] != self.identity:
            msg = (
                f"{self.resume_path} belongs to a run with other cases or settings. "
                "Repeat that run's command to finish it, or delete the file to start anew."
            )
            raise DatasetError(msg)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch = state["epoch"]


def _validate(
    checkpoint: Checkpoint, cases: list[Case], classes: Sequence[str], epoch: int, epochs: int
) -> Generator[TrainingProgress, None, Scores]:
    """Score held-out cases on their own grid, by the path that ships; return Dice by class."""
    predictor = Predictor(checkpoint, "cpu")
    rows: list[list[float]] = []
    for case in cases:
        mask = predictor.predict(case.volume).mask
        rows.append([dice(mask, case.truth, k) for k in range(1, len(classes))])
        yield TrainingProgress("validating", len(rows), len(cases), epoch, epochs)
    means = np.nanmean(np.asarray(rows), axis=0)
    scores = {name: float(m) for name, m in zip(classes[1:], means, strict=True)}
    return {"mean": float(np.nanmean(means)), **scores}


def class_infos(names: Sequence[str]) -> tuple[ClassInfo, ...]:
    """Return the classes of a card, in the palette's colours."""
    return tuple(ClassInfo.numbered(label, name) for label, name in enumerate(names))


def _card(  # noqa: PLR0913  (everything a card tells)
    dataset: Dataset,
    config: TrainingConfig,
    model_config: ModelConfig,
    cases: list[Case],
    scores: Scores,
    counts: tuple[int, int],
) -> Card:
    about = dataset.about
    name = about.get("name", dataset.folder.name)
    extents = [case.extent_mm for case in cases if case.extent_mm is not None]
    field_of_view = None
    if extents:
        z, y, x = np.median(extents, axis=0).tolist()
        field_of_view = (z, y, x)
    settings = " ".join(
        f"--{key.replace('_', '-')} {' '.join(map(str, v)) if isinstance(v, tuple) else v}"
        for key, v in asdict(config).items()
    )
    return Card(
        name=name.lower(),
        description=about.get("description", name),
        config=model_config.to_dict(),
        classes=class_infos(dataset.classes),
        preprocessing=PreprocessingSpec(),
        field_of_view_mm=field_of_view,
        training={
            "data": f"{name}; {about.get('reference', 'no reference given')}",
            "licence": about.get("licence", "not stated by the dataset"),
            "cases": f"{counts[0]} trained on, {counts[1]} held out (split seed {config.seed})",
            "command": f"attn-unet train {dataset.folder.name} {settings}",
        },
        scores={
            f"Dice, {key}, {counts[1]} held-out cases": round(value, 4)
            for key, value in scores.items()
        },
        versions={"napari-attn-unet": __version__, "torch": torch.__version__},
    )
