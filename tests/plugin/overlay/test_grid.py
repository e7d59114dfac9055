"""Which voxel of a layer lies at each voxel of an image's slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_attn_unet.gates.cover import Cover
from napari_attn_unet.plugin.overlay.grid import Grid
from napari_attn_unet.prediction import GateMap
from napari_attn_unet.volume import Geometry

SHAPE = (5, 7, 9)
IMAGE = Geometry.from_spacing((3, 2, 1), unit="mm")
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("start", [(0, 0, 0), (1, 2, 3), (-1, 0, 0)])
def test_a_voxel_counts_as_in_the_numbers(axis: int, start: Any) -> None:
    coarse = IMAGE.regridded((2, 2, 2), start)
    values = RANDOM.random((2, 3, 4))
    grid = Grid(IMAGE, coarse, SHAPE, values.shape)
    cover = Cover(GateMap(values, coarse, 1), IMAGE, SHAPE)
    for index in range(SHAPE[axis]):
        expected = cover.spread(cover.values, np.nan, axis, index)
        np.testing.assert_array_equal(grid.cut(values, (), axis, index, np.nan), expected)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("angle", [0.3, np.pi / 2])
def test_of_a_turned_layer_each_voxel_has_the_nearest(axis: int, angle: float) -> None:
    turned = np.eye(4)
    turned[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    layer = Geometry(turned, "mm")
    labels = RANDOM.integers(1, 9, (6, 8, 10)).astype(np.uint8)
    grid = Grid(IMAGE, layer, SHAPE, labels.shape)
    local = IMAGE.indices_in(layer)
    expected = np.zeros(SHAPE, np.uint8)
    for voxel in np.ndindex(SHAPE):
        there = np.floor(np.round(local @ (*voxel, 1), 4)[:3] + 0.5).astype(int)
        if all(0 <= i < n for i, n in zip(there, labels.shape, strict=True)):
            expected[voxel] = labels[tuple(there)]
    assert expected.any()
    for index in range(SHAPE[axis]):
        found = grid.cut(labels, (), axis, index, 0)
        np.testing.assert_array_equal(found, expected.take(index, axis))


def test_whole_numbers_are_no_map_where_there_is_none() -> None:
    layer = Geometry.from_spacing((3, 2, 1), unit="mm", origin=(0, 2, 0))
    values = np.ones(SHAPE, np.uint8)
    found = Grid(IMAGE, layer, SHAPE, SHAPE).cut(values, (), 0, 0, np.nan)
    assert np.isnan(found[0]).all()
    assert (found[1:] == 1).all()
    assert values.dtype == np.uint8
    assert values.all()  # what is filled is a copy


def test_of_an_array_on_disk_one_slice_is_read() -> None:
    class Disk:
        dtype, shape = np.dtype(np.float32), (2, *SHAPE)

        def __init__(self) -> None:
            self.asked: list[Any] = []

        def __getitem__(self, where: Any) -> Any:
            self.asked.append(where)
            return np.zeros(self.shape, np.float32)[where]

    disk = Disk()
    Grid(IMAGE, IMAGE, SHAPE, SHAPE).cut(disk, (1,), 1, 4, np.nan)
    assert disk.asked == [(1, slice(None), 4, slice(None))]
