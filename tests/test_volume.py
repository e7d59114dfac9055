"""Voxels keep their place in the world: units, orientations, crops, other grids."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from napari_attn_unet.errors import ShapeError, VolumeError
from napari_attn_unet.volume import Geometry, Orientation, Volume, unit_symbol

SHAPE = (4, 5, 6)
EVERY_ORIENTATION = [
    Orientation(axes, flips)  # type: ignore[arg-type]
    for axes in permutations(range(3))
    for flips in product((False, True), repeat=3)
]
PERMUTED = np.array([[0, 0, -3.0, 9], [0.5, 0, 0, -2], [0, 2.0, 0, 4], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("unit", "mm"),
    [("km", 1e6), ("m", 1000), ("cm", 10), ("mm", 1), ("um", 0.001), ("nm", 0.000001)],
)
def test_a_length_in_mm_is_that_of_its_unit(unit: str, mm: float) -> None:
    geometry = Geometry.from_spacing((2, 3, 4), unit=unit)
    assert geometry.spacing_mm == pytest.approx((2 * mm, 3 * mm, 4 * mm), rel=1e-12)
    assert geometry.voxel_mm3 == pytest.approx(24 * mm**3, rel=1e-12)


def test_without_a_unit_nothing_is_said_in_mm() -> None:
    geometry = Geometry.from_spacing((2, 3, 4))
    assert geometry.spacing_mm is None
    assert geometry.voxel_mm3 is None
    assert geometry.length_unit == "voxels"


@pytest.mark.parametrize(
    ("name", "symbol"), [("micron", "um"), ("µm", "um"), ("metre", "m"), ("furlong", "pixel")]
)
def test_a_unit_is_known_by_all_its_names(name: str, symbol: str) -> None:
    assert unit_symbol(name) == symbol


def test_spacing_and_direction_are_those_of_the_array_axes() -> None:
    geometry = Geometry(PERMUTED, "mm")
    assert geometry.spacing == pytest.approx((0.5, 2, 3))
    np.testing.assert_allclose(geometry.direction, [[0, 0, -1], [1, 0, 0], [0, 1, 0]])


def test_a_coarser_grid_begins_at_the_same_corner() -> None:
    fine = Geometry(PERMUTED, "mm")
    coarse = fine.coarsened(4)
    corner = (-0.5, -0.5, -0.5, 1)
    np.testing.assert_allclose(coarse.affine @ corner, fine.affine @ corner)
    np.testing.assert_allclose(coarse.affine @ (0, 0, 0, 1), fine.affine @ (1.5, 1.5, 1.5, 1))
    assert coarse.unit == "mm"


def test_a_crop_stays_where_it_was() -> None:
    array = np.arange(120).reshape(1, *SHAPE)
    volume = Volume(array, Geometry(PERMUTED, "mm"), "scan", {"kept": 1})
    crop = volume.cropped((1, 0, 2), (3, 4, 6))
    np.testing.assert_array_equal(crop.data, array[:, 1:3, 0:4, 2:6])
    np.testing.assert_allclose(
        crop.geometry.affine @ (0, 0, 0, 1), volume.geometry.affine @ (1, 0, 2, 1)
    )
    assert (crop.name, crop.metadata) == ("scan", {"kept": 1})


@pytest.mark.parametrize("change", EVERY_ORIENTATION)
def test_an_orientation_undone_is_none(change: Orientation) -> None:
    array = np.arange(120).reshape(SHAPE)
    turned = change.apply(array)
    np.testing.assert_array_equal(change.inverse.apply(turned), array)
    assert change.inverse.inverse == change


@pytest.mark.parametrize("change", EVERY_ORIENTATION)
def test_a_reoriented_voxel_keeps_its_place_in_the_world(change: Orientation) -> None:
    array, geometry = np.arange(120).reshape(SHAPE), Geometry(PERMUTED)
    turned, there = change.apply(array), geometry.oriented(change, SHAPE)
    for index in ((0, 0, 0), (1, 2, 3), tuple(n - 1 for n in turned.shape)):
        world = there.affine @ (*index, 1)
        source = np.linalg.solve(geometry.affine, world)[:3].round().astype(int)
        assert array[tuple(source)] == turned[index]


@pytest.mark.parametrize("change", EVERY_ORIENTATION)
def test_a_box_holds_the_same_voxels_once_reoriented(change: Orientation) -> None:
    array = np.arange(120).reshape(SHAPE)
    box = (slice(0, 2), slice(1, 4), slice(3, 5))
    there = change.apply_to_box(box, SHAPE)
    np.testing.assert_array_equal(change.apply(array)[there], change.apply(array[box]))


@pytest.mark.parametrize("change", EVERY_ORIENTATION)
def test_canonical_axes_point_along_the_world(change: Orientation) -> None:
    turn = np.array([[0.95, -0.2, 0.1], [0.2, 0.95, -0.1], [-0.1, 0.1, 0.98]])  # oblique
    affine = np.eye(4)
    affine[:3, :3] = turn @ change.index_affine(SHAPE)[:3, :3] @ np.diag((2, 1, 3))
    geometry = Geometry(affine)
    canonical = geometry.oriented(Orientation.to_canonical(affine), SHAPE)
    direction = canonical.direction
    assert (np.diag(direction) > 0.9).all()


def test_a_grid_is_the_same_but_for_what_headers_round() -> None:
    grid = Geometry(PERMUTED, "mm")
    shape = (200, 200, 200)
    assert Geometry(PERMUTED.astype(np.float32), "mm").is_grid_of(grid, shape)
    assert Geometry(PERMUTED * (1 + 4e-5), "mm").is_grid_of(grid, shape)  # 0.008 voxels at the end
    assert not Geometry(PERMUTED * 1.001, "mm").is_grid_of(grid, shape)  # 0.2 voxels at the end
    assert Geometry(PERMUTED * 1.001, "mm").is_grid_of(grid, (2, 2, 2))


def test_a_grid_is_the_same_in_any_unit() -> None:
    grid = Geometry(PERMUTED, "mm")
    micron = Geometry(np.diag([1000, 1000, 1000, 1]) @ PERMUTED, "um")
    assert micron.is_grid_of(grid, SHAPE)
    assert grid.is_grid_of(micron, SHAPE)
    assert Geometry(PERMUTED).is_grid_of(grid, SHAPE)  # an unknown unit is no contradiction
    assert not Geometry(PERMUTED, "um").is_grid_of(grid, SHAPE)


def test_what_is_no_grid_is_refused() -> None:
    with pytest.raises(VolumeError, match="invertible"):
        Geometry.from_spacing((1, 0, 1))
    with pytest.raises(VolumeError, match="finite"):
        Geometry.from_spacing((1, np.inf, 1))
    with pytest.raises(ShapeError, match=r"array\[np.newaxis\]"):
        Volume(np.ones(SHAPE))
    with pytest.raises(ShapeError, match="at least one voxel"):
        Volume(np.ones((1, 2, 0, 3)))


def test_a_unit_that_nobody_said_gives_way_to_one_that_somebody_did() -> None:
    said = Geometry.from_spacing((2, 0.9, 0.9), unit="um")
    for spacing in ((2, 0.9, 0.9), (4, 1.8, 1.8)):  # the same grid, and a coarser one
        assumed = Geometry(Geometry.from_spacing(spacing).affine, "mm", assumed=True)
        assert assumed.unit_in(said) == said.unit_in(assumed) == 1
        assert assumed.coarsened(2).assumed
    true = Geometry(Geometry.from_spacing((2e-3, 9e-4, 9e-4)).affine, "mm", assumed=True)
    assert true.unit_in(said) == pytest.approx(1000)
    assert Geometry(said.affine, "mm").unit_in(said) == pytest.approx(1000)


def test_distances_on_a_sheared_grid_are_those_of_the_world() -> None:
    affine = np.diag((3.0, 2, 1, 1))
    affine[0, 1] = 1.5
    geometry = Geometry(affine, "mm")
    step = np.array([1, -2, 3])
    world = affine[:3, :3] @ step
    assert np.linalg.norm(geometry.steps @ step) == pytest.approx(np.linalg.norm(world))
    turned = np.eye(4)
    turned[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    plain = Geometry(turned @ np.diag((3.0, 2, 1, 1)), "mm")
    np.testing.assert_allclose(plain.steps, np.diag((3, 2, 1)), atol=1e-12)


@pytest.mark.parametrize("length", [1e-6, 1.0, 1e6])
def test_axes_in_one_plane_are_refused_however_long(length: float) -> None:
    affine = np.diag((length, length, length, 1))
    Geometry(affine)
    affine[:3, 2] = affine[:3, 1]
    with pytest.raises(VolumeError, match="no volume"):
        Geometry(affine)
