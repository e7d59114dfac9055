"""Where two grids meet, labels lie where they are in the world, and what is lost is said."""

from __future__ import annotations

import numpy as np
import pytest

from napari_attn_unet.errors import VolumeError
from napari_attn_unet.scores import metrics
from napari_attn_unet.scores.grids import onto_grid
from napari_attn_unet.volume import Geometry, Orientation, Volume

RNG = np.random.default_rng(0)
TURN = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])


def test_labels_on_their_own_grid_are_the_very_array() -> None:
    labels, grid = np.ones((2, 3, 4), np.uint8), Geometry.from_spacing((3, 1, 1), unit="mm")
    same = onto_grid(labels, Geometry(grid.affine.astype(np.float32), "mm"), grid, (2, 3, 4))
    assert same.labels is labels
    assert (same.moved, same.note, same.covered, same.outside) == (False, "", 1, 0)


def test_labels_on_a_finer_grid_are_those_nearest() -> None:
    labels = np.arange(1, 25).reshape(2, 3, 4)
    source = Geometry.from_spacing((2, 2, 2), (1, 1, 1), "mm")
    fine = source.regridded((0.5, 0.5, 0.5), (0, 0, 0))
    there = onto_grid(labels, source, fine, (4, 6, 8))
    np.testing.assert_array_equal(there.labels, labels.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    assert "another grid (2, 3, 4), voxels of 2 × 2 × 2 mm" in there.note
    assert "up to 0.866 mm away" in there.note  # a quarter of a voxel along each axis
    assert "one size" not in there.note


def test_labels_that_were_cropped_tightly_lose_nothing() -> None:
    """Within half a voxel of the border there is a nearest voxel; beyond, there is none."""
    labels = np.full((2, 2, 2), 7)
    source = Geometry.from_spacing((1, 1, 1), unit="mm")
    target = Geometry.from_spacing((0.3, 1, 1), (-0.9, 0, 0), "mm")
    there = onto_grid(labels, source, target, (9, 2, 2))
    centres = -0.9 + 0.3 * np.arange(9)
    inside = (centres > -0.5 - 1e-9) & (centres < 1.5 + 1e-9)
    np.testing.assert_array_equal(there.labels[:, 0, 0], np.where(inside, 7, 0))
    assert there.covered == pytest.approx(inside.mean())


@pytest.mark.parametrize("shift", [-0.5, 0.5])
def test_a_voxel_half_a_voxel_away_has_a_neighbour_at_either_end(shift: float) -> None:
    source = Geometry.from_spacing((1, 1, 1))
    target = Geometry.from_spacing((1, 1, 1), (shift, 0, 0))
    assert (onto_grid(np.ones((3, 2, 2)), source, target, (3, 2, 2)).labels == 1).all()


@pytest.mark.parametrize("turn", [np.eye(3), TURN])
def test_a_tight_crop_of_the_same_labels_agrees_entirely(turn: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag((3, 0.7, 0.5))
    affine[:3, 3] = (100, 9, -4)
    labels = np.zeros((12, 24, 20), np.uint8)
    labels[2:7, 5:17, 3:9], labels[2:5, 5:9, 9:12] = 1, 2
    whole = Volume(labels[np.newaxis], Geometry(affine, "mm"))
    crop = whole.cropped((2, 5, 3), (7, 17, 12))
    there = onto_grid(np.asarray(crop.data[0]), crop.geometry, whole.geometry, whole.shape)
    np.testing.assert_array_equal(there.labels, labels)
    assert "the label at its place" in there.note
    assert "covers 9.38 % of the image's" in there.note
    back = onto_grid(labels, whole.geometry, crop.geometry, crop.shape)
    np.testing.assert_array_equal(back.labels, crop.data[0])
    assert (back.covered, back.outside) == (1, 0)
    d = metrics.distances(there.labels > 0, labels > 0, whole.geometry.spacing)
    assert (d.hd95, d.assd) == (0, 0)


def test_an_oblique_grid_takes_the_nearest_in_the_world() -> None:
    labels = RNG.integers(1, 9, (6, 7, 8))
    affine = np.eye(4)
    affine[:3, :3] = TURN @ np.diag((2, 1, 1.5))
    source, target = Geometry(affine, "mm"), Geometry.from_spacing((1, 1, 1), (2, 3, 1), "mm")
    there = onto_grid(labels, source, target, (5, 5, 5)).labels
    for index in np.ndindex(5, 5, 5):
        place = np.linalg.solve(affine, (*np.add(index, (2, 3, 1)), 1))[:3]
        nearest = np.rint(place).astype(int)
        within = all(0 <= i < n for i, n in zip(nearest, labels.shape, strict=True))
        assert there[index] == (labels[tuple(nearest)] if within else 0)


@pytest.mark.parametrize(
    "change", [Orientation((2, 0, 1), (True, False, True)), Orientation((1, 0, 2))]
)
def test_labels_stored_along_other_axes_are_the_same(change: Orientation) -> None:
    labels, grid = RNG.integers(0, 3, (4, 5, 6)), Geometry.from_spacing((3, 0.7, 0.5), unit="mm")
    turned = change.apply(labels)
    there = onto_grid(turned, grid.oriented(change, labels.shape), grid, labels.shape)
    np.testing.assert_array_equal(there.labels, labels)
    assert (there.covered, there.outside) == (1, 0)


def test_what_lies_beyond_is_said_in_percent() -> None:
    labels = np.ones((10, 4, 4), np.uint8)
    labels[:2] = 0
    grid = Geometry.from_spacing((1, 1, 1), unit="mm")
    part = grid.regridded((1, 1, 1), (6, 0, 0))
    there = onto_grid(labels, grid, part, (6, 4, 4), on="mask")
    assert there.outside == pytest.approx(4 / 8)
    assert there.covered == pytest.approx(4 / 6)
    assert "50 % of the truth's labelled voxels lie beyond it" in there.note
    assert "covers 66.7 % of the mask's" in there.note


def test_a_grid_of_one_size_that_lies_elsewhere_may_have_lost_its_place() -> None:
    labels = np.ones((30, 30, 30), np.uint8)
    grid = Geometry.from_spacing((1, 1, 1), (-5, 4, 9), "mm")
    lost = onto_grid(labels, Geometry.from_spacing(unit="mm"), grid, labels.shape)
    assert lost.displaced
    assert "headers place them up to 11 mm apart" in lost.note  # sqrt(25 + 16 + 81)
    assert "lost its place" in lost.note
    near = Geometry.from_spacing((1, 1, 1), (-4.7, 4, 9), "mm")  # as much as a header rounds
    there = onto_grid(labels, near, grid, labels.shape)
    assert not there.displaced
    assert there.labels.all()
    assert "up to 0.3 mm apart" in there.note


def test_labels_elsewhere_are_refused() -> None:
    source = Geometry.from_spacing((1, 1, 1))
    for away in ((-3.6, 0, 0), (0, 1.6, 0)):
        target = Geometry.from_spacing((1, 1, 1), away)
        with pytest.raises(VolumeError, match="do not overlap"):
            onto_grid(np.ones((2, 2, 2)), source, target, (3, 2, 2))


def test_lengths_in_two_units_are_converted_and_contradictions_refused() -> None:
    labels = RNG.integers(1, 4, (2, 2, 2))
    mm, um, unknown = (Geometry.from_spacing(unit=unit) for unit in ("mm", "um", "pixel"))
    with pytest.raises(VolumeError, match="in um, the image on one in mm"):
        onto_grid(labels, um, mm, (2, 2, 2))
    thousand = Geometry.from_spacing((1000, 1000, 1000), unit="um")
    assert onto_grid(labels, thousand, mm, (2, 2, 2)).labels is labels
    part = onto_grid(labels, thousand, mm.regridded((1, 1, 1), (1, 0, 0)), (1, 2, 2))
    np.testing.assert_array_equal(part.labels, labels[1:])
    for a, b in ((unknown, mm), (mm, unknown), (um, unknown)):
        assert onto_grid(labels, a, b, (2, 2, 2)).labels is labels
    fine = unknown.regridded((0.5, 0.5, 0.5), (0, 0, 0))
    assert "The truth says no unit; mm is taken" in onto_grid(labels, fine, mm, (1, 1, 1)).note


def test_labels_whose_file_says_no_unit_lie_on_an_image_of_equal_numbers() -> None:
    image = Geometry.from_spacing((2, 0.9, 0.9), unit="um")
    labels = np.ones((3, 4, 5), np.uint8)
    unsaid = Geometry(image.affine, "mm", assumed=True)
    assert onto_grid(labels, unsaid, image, labels.shape).labels is labels
    with pytest.raises(VolumeError, match="One of the units is wrong"):
        onto_grid(labels, Geometry(image.affine, "mm"), image, labels.shape)
    crop = onto_grid(labels, unsaid.regridded((1, 1, 1), (1, 0, 0)), image, (5, 4, 5))
    assert crop.labels[:, 0, 0].tolist() == [0, 1, 1, 1, 0]
