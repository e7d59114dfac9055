"""The network's grid lies over the volume's, whatever the axes and the spacing."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from napari_attn_unet.engine.frame import Frame, resize
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.volume import Geometry, Volume

SHAPE = (20, 15, 12)
AFFINES = {
    f"{order} {signs}": (order, signs)
    for order in permutations(range(3))
    for signs in ((1, 1, 1), (-1, 1, -1))
}
SPACINGS = [None, (1.0, 1.0, 1.0), (2.5, 1.25, 0.8), (5.0, 0.5, 2.0)]


def frame(order: tuple[int, ...], signs: tuple[int, ...], spacing: object) -> Frame:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(order)] * signs * (1.0, 2.0, 0.5)
    affine[:3, 3] = (3, -5, 8)
    volume = Volume(np.zeros((1, *SHAPE)), Geometry(affine, "mm"))
    return Frame.of(volume, PreprocessingSpec(spacing=spacing))  # type: ignore[arg-type]


def test_the_networks_grid_has_the_spacing_of_the_card_along_its_own_axes() -> None:
    for order, signs in AFFINES.values():
        f = frame(order, signs, (2.5, 1.25, 0.8))
        assert f.is_resampled
        extent = np.asarray(f.oriented_shape) * f.source.oriented(f.orientation, SHAPE).spacing
        wanted = np.maximum(1, np.rint(extent / (2.5, 1.25, 0.8)))
        assert f.shape == tuple(wanted.astype(int))
        np.testing.assert_allclose(np.asarray(f.geometry.spacing) * f.shape, extent)
        assert (np.diag(f.geometry.affine)[:3] > 0).all()


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", AFFINES)
def test_the_plane_looked_at_is_the_one_its_centre_lies_in(name: str, spacing: object) -> None:
    f = frame(*AFFINES[name], spacing)
    to_network = np.linalg.inv(f.geometry.affine) @ f.source.affine
    for axis in range(3):
        for plane in range(SHAPE[axis]):
            index = np.zeros(4)
            index[axis], index[3] = plane, 1
            new, place = f.network_plane(axis, plane)
            assert abs((to_network @ index)[new] - place) <= 0.5 + 1e-9
            assert 0 <= place < f.shape[new]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", AFFINES)
def test_what_a_box_depends_on_is_within_its_part_of_the_networks_grid(
    name: str, spacing: object
) -> None:
    """Whatever lies outside that part, the box comes back the same."""
    f, rng = frame(*AFFINES[name], spacing), np.random.default_rng(0)
    maps = rng.random((1, *f.shape)).astype(np.float32)
    whole = f.restore(maps)
    for z, y, x in product((0, 5, 11), (0, 4, 10), (0, 3, 8)):
        box = (slice(z, z + 4), slice(y, y + 5), slice(x, x + 4))
        part = f.network_box(box)
        assert all(0 <= s.start < s.stop <= n for s, n in zip(part, f.shape, strict=True))
        only = np.full_like(maps, 100.0)
        only[(slice(None), *part)] = maps[(slice(None), *part)]
        np.testing.assert_allclose(
            f.restore(only)[(slice(None), *box)], whole[(slice(None), *box)], atol=1e-3
        )


@pytest.mark.parametrize("name", AFFINES)
def test_a_box_of_the_networks_grid_goes_back_to_where_it_came_from(name: str) -> None:
    f = frame(*AFFINES[name], None)
    box = (slice(2, 6), slice(5, 9), slice(1, 12))
    assert f.source_box(f.network_box(box)) == box


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("level", [1, 2])
def test_a_gates_map_lies_on_the_voxels_it_was_computed_from(
    level: int, name: str, spacing: object
) -> None:
    f = frame(*AFFINES[name], spacing)
    start = (1, 0, 2)
    size = tuple(max(1, -(-n // 2**level) - s) for n, s in zip(f.shape, start, strict=True))
    gate = np.arange(np.prod(size), dtype=np.float32).reshape(size)
    restored, geometry = f.restore_gate(gate, level, start)
    to_network = np.linalg.inv(f.geometry.coarsened(2**level).affine) @ geometry.affine
    for index in ((0, 0, 0), tuple(n - 1 for n in restored.shape)):
        place = (to_network @ (*index, 1))[:3] - start
        np.testing.assert_allclose(place, place.round(), atol=1e-6)
        assert restored[index] == gate[tuple(place.round().astype(int))]


def test_an_array_that_shrinks_is_smoothed_first() -> None:
    stripes = np.zeros((16, 4, 4), np.float32)
    stripes[::4] = 1  # every second voxel of the coarser grid would miss or hit them
    small = resize(stripes, (4, 4, 4))
    assert 0.1 < small.min() <= small.max() < 0.5
