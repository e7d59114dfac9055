"""Connected components: of a structure, and of a map, the largest first."""

from __future__ import annotations

import numpy as np
import pytest

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.scores.components import connected, map_components


def test_components_of_a_map_are_found_measured_and_sorted() -> None:
    values = np.zeros((8, 9, 10), np.float32)
    values[1, 2:4, 3] = 0.5, 0.9
    values[5, 5, 5:9] = -0.6, -0.3, -0.7, -0.3
    values[7, 0, 0] = 0.2  # below the threshold
    values[2, 4, 4] = -0.3  # touches the first by a corner, with the other sign
    first, second, third = map_components(values, 0.25)
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
    assert [r.voxels for r in map_components(values, 1.0)] == [2]


def test_nothing_above_the_threshold() -> None:
    assert map_components(np.zeros((3, 3, 3)), 0.1) == []
    with pytest.raises(ConfigError, match="above 0"):
        map_components(np.zeros((3, 3, 3)), 0)


def test_a_structure_is_taken_apart() -> None:
    structure = np.zeros((6, 7, 8), bool)
    structure[2, 3:5, 4] = structure[3, 5, 5] = True  # the last touches by a corner
    structure[4, 1, 2] = True
    parts = connected(structure)
    assert [part.voxels for part in parts.components] == [3, 1]
    assert parts.components[0].box == (slice(2, 4), slice(3, 6), slice(4, 6))
    for number, part in enumerate(parts.components, 1):
        assert (parts.labels == number).sum() == part.voxels
    np.testing.assert_array_equal(parts.labels > 0, structure[parts.box])
    other = np.zeros_like(structure)
    other[2:4] = True
    assert parts.touched_by(other) == 1


def test_nothing_has_no_components() -> None:
    nothing = np.zeros((3, 4, 5), bool)
    parts = connected(nothing)
    assert len(parts) == 0
    assert parts.touched_by(~nothing) == 0
    assert connected(np.zeros((0, 4, 5), bool)).components == ()
