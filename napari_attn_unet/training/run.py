"""`Run`: network, averaged network, optimiser and schedule of one training run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_attn_unet.network.card import Card
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.training.augmentation import augment, random_patch
from napari_attn_unet.training.config import TrainingConfig
from napari_attn_unet.training.data import Case
from napari_attn_unet.training.losses import dice_cross_entropy
from napari_attn_unet.training.sides import mirroring

WEIGHT_DECAY = 0.05
"""Of AdamW; torch's 0.01 does not keep a small dataset from being learned by heart."""
WARM_UP = 0.1
"""Share of the run: with the usual 30 % a short run is over before the smallest class is found."""


class Run:
    """Everything of a run that changes from step to step.

    Parameters
    ----------
    config
        The settings.
    classes
        Names of the classes, background first.
    channels
        Of the images.
    cases
        How many are trained on.
    """

    def __init__(
        self, config: TrainingConfig, classes: Sequence[str], channels: int, cases: int
    ) -> None:
        self.config, self.classes = config, tuple(classes)
        self.model_config = ModelConfig(
            in_channels=channels,
            classes=len(classes),
            channels=tuple(config.base * 2**k for k in range(config.levels)),
        )
        self.mirror = mirroring(config.mirror, classes).axes
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
        total = self.steps * config.epochs
        self.schedule = OneCycleLR(
            self.optimiser,
            config.learning_rate,
            total_steps=total,
            # The warm-up needs a step to end after; torch divides by its length less one.
            pct_start=WARM_UP if WARM_UP * total > 1 else 0.0,
        )
        self.epoch = 0

    def step(self, batch: list[Case], generator: torch.Generator) -> float:
        """Take one optimiser step on random patches of a batch of cases; return the loss.

        Where the loss or its gradient is not finite, no step is taken, and NaN comes back.
        """
        patches = [random_patch(case, self.config.patch, generator) for case in batch]
        image, label = augment(
            torch.stack([p[0] for p in patches]),
            torch.stack([p[1] for p in patches]),
            generator,
            self.mirror,
        )
        self.network.train()
        image = image.contiguous(memory_format=torch.channels_last_3d)
        enabled = self.config.precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            logits = self.network(image).logits
        loss = dice_cross_entropy(logits, label)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        size = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        if not (loss.isfinite() and size.isfinite()):
            return math.nan
        self.optimiser.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        return float(loss.detach())

    @property
    def is_finite(self) -> bool:
        """Whether every weight, and every statistic of a normalisation, is a number."""
        both = (*self.network.state_dict().values(), *self.average.state_dict().values())
        return all(bool(value.isfinite().all()) for value in both)

    def checkpoint(self) -> Checkpoint:
        """Return the averaged weights as a checkpoint, with a card that names no scores."""
        card = Card("training", self.model_config.to_dict(), class_infos(self.classes))
        state = {k: v.clone().contiguous() for k, v in self.average.module.state_dict().items()}
        return Checkpoint(card, state)

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on, of plain values and tensors."""
        schedule = self.schedule.state_dict()
        return {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": {k: v for k, v in schedule.items() if isinstance(v, int | float | str)},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch = state["epoch"]


def class_infos(names: Sequence[str]) -> tuple[ClassInfo, ...]:
    """Return the classes of a card, in the palette's colours."""
    return tuple(ClassInfo.numbered(label, name) for label, name in enumerate(names))
