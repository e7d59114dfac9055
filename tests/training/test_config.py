"""Settings that cannot be right are refused."""

from __future__ import annotations

import pytest

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"validate_every": 0}, "validate_every"),
        ({"holdout": 0.0}, "holdout"),
        ({"holdout": 1.0}, "holdout"),
        ({"ema": 1.0}, "ema"),
        ({"ema": -0.1}, "ema"),
        ({"patch": (40, 56, 44)}, "multiples of 8"),
        ({"patch": (40, 56)}, "three sizes"),
        ({"patch": (16, 16, 20), "levels": 4}, "multiples of 8"),
        ({"precision": "f16"}, "precision"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"mirror": ("w",)}, "mirror takes the axes z, y, x, but got w"),
        ({"patch": (8, 8, 8), "batch_size": 1}, "a single voxel"),
    ],
)
def test_a_setting_outside_what_is_allowed_is_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        TrainingConfig(**wrong)  # type: ignore[arg-type]


def test_a_patch_fits_the_levels() -> None:
    assert TrainingConfig(levels=3, patch=(16, 16, 20)).patch == (16, 16, 20)


def test_two_voxels_are_enough_for_a_normalisation() -> None:
    assert TrainingConfig(patch=(8, 8, 8), batch_size=2).batch_size == 2
    assert TrainingConfig(patch=(8, 8, 16), batch_size=1).batch_size == 1
