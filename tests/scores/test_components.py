"""Regions of a map, the largest first."""

from __future__ import annotations

import numpy as np
import pytest

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.scores.components import regions


def test_regions_are_found_measured_and_sorted() -> None:
    values = np.zeros((8, 9, 10), np.float32)
    values[1, 2:4, 3] = 0.5, 0.9
    values[5, 5, 5:9] = -0.6, -0.3, -0.7, -0.3
    values[7, 0, 0] = 0.2  # below the threshold
    values[2, 4, 4] = -0.3  # touches the first by a corner, with the other sign
    first, second, third = regions(values, 0.25)
    assert first.voxels == 4
    assert first.total == pytest.approx(1.9)
    assert first.peak == (5, 5, 7)
    assert first.value == pytest.approx(-0.7)
    assert first.box == (slice(5, 6), slice(5, 6), slice(5, 9))
    assert (second.voxels, second.peak) == (2, (1, 3, 3))
    assert second.value == pytest.approx(0.9)
    assert (third.voxels, third.peak) == (1, (2, 4, 4))


def test_a_corner_connects() -> None:
    values = np.zeros((2, 2, 2))
    values[0, 0, 0] = values[1, 1, 1] = 1
    assert [r.voxels for r in regions(values, 1.0)] == [2]


def test_nothing_above_the_threshold() -> None:
    assert regions(np.zeros((3, 3, 3)), 0.1) == []
    with pytest.raises(ConfigError, match="above 0"):
        regions(np.zeros((3, 3, 3)), 0)
