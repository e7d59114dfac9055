"""`TrainingConfig`: everything that decides a training run, beside the data."""

from __future__ import annotations

from dataclasses import dataclass

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.network.config import MIN_LEVELS

_SPATIAL_AXES = 3


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
        multiple = 2 ** (self.levels - 1)
        if len(self.patch) != _SPATIAL_AXES or any(p < 1 or p % multiple for p in self.patch):
            msg = (
                f"patch needs three sizes (Z, Y, X) that are multiples of {multiple}, "
                f"but got {self.patch}."
            )
            raise ConfigError(msg)
        if self.precision not in ("f32", "bf16"):
            msg = f"precision must be 'f32' or 'bf16', but got {self.precision!r}."
            raise ConfigError(msg)
