"""`TrainingConfig`: everything that decides a training run, beside the data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.network.config import MIN_LEVELS
from napari_attn_unet.training.sides import AXES

PRECISIONS = ("f32", "bf16")
_SPATIAL_AXES = 3
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings of one training run.

    Parameters
    ----------
    epochs
        Passes over the training cases.
    batch_size
        Patches per step.
    patch
        Size (Z, Y, X) in voxels of the patches; smaller cases are zero-padded.
    base
        Channels of the finest level; each of the `levels` levels doubles them.
    levels
        Resolution levels of the network.
    learning_rate
        Peak of the one-cycle schedule (Smith & Topin 2018).
    holdout
        Share of the cases never trained on, only scored.
    seed
        Decides the split, the weights at the start and every random draw.
    ema
        Decay of the exponential moving average of the weights, per step.
    validate_every
        Epochs between two validations; the last epoch always has one.
    precision
        "f32" or "bf16" (autocast).
    mirror
        Axes "z", "y", "x" of the canonical image along which patches are mirrored; () for none.
        None: x, left to right, unless the name of a class tells a side (`sides.mirroring`).
    """

    epochs: int = 60
    batch_size: int = 8
    patch: tuple[int, int, int] = (40, 56, 40)
    base: int = 16
    levels: int = 4
    learning_rate: float = 4e-3
    holdout: float = 0.2
    seed: int = 0
    ema: float = 0.99
    validate_every: int = 10
    precision: str = "f32"
    mirror: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if self.levels < MIN_LEVELS or not 0 < self.learning_rate < float("inf"):
            msg = (
                f"levels must be at least {MIN_LEVELS} and learning_rate above 0, but got "
                f"{self.levels} and {self.learning_rate}."
            )
            raise ConfigError(msg)
        for name in ("epochs", "batch_size", "base", "validate_every"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1, but got {getattr(self, name)}."
                raise ConfigError(msg)
        if not 0 < self.holdout < 1:
            msg = f"holdout must be a share between 0 and 1, but got {self.holdout}."
            raise ConfigError(msg)
        if not 0 <= self.ema < 1:
            msg = f"ema must be at least 0 and below 1, but got {self.ema}."
            raise ConfigError(msg)
        if not 0 <= self.seed <= _LARGEST_SEED:
            msg = f"seed must be from 0 to {_LARGEST_SEED}, but got {self.seed}."
            raise ConfigError(msg)
        if self.mirror is not None and not set(self.mirror) <= set(AXES):
            msg = f"mirror takes the axes {', '.join(AXES)}, but got {' '.join(self.mirror)}."
            raise ConfigError(msg)
        if self.precision not in PRECISIONS:
            msg = f"precision must be 'f32' or 'bf16', but got {self.precision!r}."
            raise ConfigError(msg)
        self._check_patch()

    def _check_patch(self) -> None:
        multiple = 2 ** (self.levels - 1)
        if len(self.patch) != _SPATIAL_AXES or any(p < 1 or p % multiple for p in self.patch):
            msg = (
                f"patch needs three sizes (Z, Y, X) that are multiples of {multiple}, "
                f"but got {self.patch}."
            )
            raise ConfigError(msg)
        if self.batch_size * math.prod(p // multiple for p in self.patch) == 1:
            msg = (
                f"At the coarsest of {self.levels} levels a batch of one patch {self.patch} is a "
                "single voxel, of which batch normalisation can learn nothing. Take more patches "
                "per batch, larger ones, or fewer levels."
            )
            raise ConfigError(msg)
