"""Every number against MONAI's, and against values counted by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.scores import metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of MONAI's own imports
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_iou,
        compute_surface_dice,
    )

SPACINGS = [(1.0, 1.0, 1.0), (3.0, 0.7, 1.2)]


def random_pair(seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.normal(size=(14, 19, 17)), 2)
    other = field + 0.5 * gaussian_filter(rng.normal(size=field.shape), 1.5)
    cut = np.quantile(field, 1 - share)
    return field > cut, other > cut


def cubes(
    *places: tuple[int, int, int], size: int = 5, shape: tuple[int, ...] = (16, 18, 17)
) -> np.ndarray:
    array = np.zeros(shape, bool)
    for z, y, x in places:
        array[z : z + size, y : y + size, x : x + size] = True
    return array


PAIRS = {
    "random, small": random_pair(0, 0.05),
    "random, large": random_pair(1, 0.5),
    "touching": (cubes((2, 2, 2)), cubes((7, 2, 2))),
    "at the border": (cubes((0, 0, 0)), cubes((0, 1, 2))),
    "a voxel": (cubes((4, 4, 4), size=1), cubes((6, 4, 5), size=1)),
    "one in the other": (cubes((3, 3, 3), size=9), cubes((6, 6, 6), size=3)),
    "everything": (np.ones((6, 7, 8), bool), cubes((0, 0, 0), size=3, shape=(6, 7, 8))),
}


def batched(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([~array, array])[np.newaxis].astype(np.float32))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", PAIRS)
def test_every_number_is_monai_s(name: str, spacing: tuple[float, float, float]) -> None:
    mask, truth = PAIRS[name]
    a, b = batched(mask), batched(truth)
    overlap = metrics.overlap(mask, truth)
    assert overlap.dice == pytest.approx(compute_dice(a, b, include_background=False).item())
    assert overlap.iou == pytest.approx(compute_iou(a, b, include_background=False).item())
    distances = metrics.distances(mask, truth, spacing)
    options = {"include_background": False, "spacing": spacing}
    hd95 = compute_hausdorff_distance(a, b, percentile=95, **options).item()
    assert distances.hd95 == pytest.approx(hd95, rel=1e-5)
    assd = compute_average_surface_distance(a, b, symmetric=True, **options).item()
    assert distances.assd == pytest.approx(assd, rel=1e-5)
    for tolerance in (0.5, 1.0, 2.5):
        theirs = compute_surface_dice(a, b, class_thresholds=[tolerance], **options).item()
        assert distances.surface_dice(tolerance) == pytest.approx(theirs, rel=1e-5)


def test_overlap_by_hand() -> None:
    overlap = metrics.Overlap(both=6, mask_only=2, truth_only=4)
    assert overlap.dice == 12 / 18
    assert overlap.iou == 6 / 12
    assert overlap.precision == 6 / 8
    assert overlap.recall == 6 / 10


def test_neither_has_it() -> None:
    empty = np.zeros((5, 6, 7), bool)
    overlap, distances = metrics.overlap(empty, empty), metrics.distances(empty, empty, (1, 1, 1))
    numbers = [overlap.dice, overlap.iou, overlap.precision, overlap.recall]
    numbers += [distances.hd95, distances.assd, distances.surface_dice(1.0)]
    assert all(map(math.isnan, numbers))
    assert metrics.objects(empty, empty) == metrics.Objects(0, 0, 0)


@pytest.mark.parametrize("swap", [False, True])
def test_one_has_it(swap: bool) -> None:
    pair = [np.zeros((8, 8, 8), bool), cubes((2, 2, 2), size=3, shape=(8, 8, 8))]
    mask, truth = pair[::-1] if swap else pair
    overlap, distances = metrics.overlap(mask, truth), metrics.distances(mask, truth, (1, 1, 1))
    assert (overlap.dice, overlap.iou) == (0, 0)
    assert math.isnan(overlap.recall if swap else overlap.precision)
    assert (overlap.precision if swap else overlap.recall) == 0
    assert (distances.hd95, distances.assd) == (math.inf, math.inf)
    assert distances.surface_dice(5) == 0
    assert metrics.objects(mask, truth) == metrics.Objects(0, 0 if swap else 1, 1 if swap else 0)


def test_distances_follow_the_spacing() -> None:
    mask, truth = cubes((4, 4, 4), size=1), cubes((6, 4, 5), size=1)
    distances = metrics.distances(mask, truth, (3, 0.7, 1.2))
    assert distances.hd95 == pytest.approx(math.hypot(6, 1.2))


def test_distances_on_a_sheared_grid_are_those_of_the_world() -> None:
    steps = np.array([[3, 1.5, 0], [0, 2, 0.4], [0, 0, 1.0]])
    mask, truth = cubes((4, 4, 4), size=1), cubes((6, 3, 7), size=1)
    apart = float(np.linalg.norm(steps @ (2, -1, 3)))
    assert metrics.distances(mask, truth, steps).hd95 == pytest.approx(apart)
    assert metrics.distances(mask, truth, steps).surface_dice(apart - 0.01) == 0
    # By brute force: every voxel of a block to every one around it.
    block = cubes((4, 4, 4), size=4)
    depth = metrics.thickness(block, steps)
    inside, outside = np.argwhere(block), np.argwhere(~block)
    away = np.linalg.norm((inside[:, None] - outside[None]) @ steps.T, axis=-1).min(axis=1)
    np.testing.assert_allclose(depth[block], away)
    assert not depth[~block].any()
    plain = np.diag((3.0, 2, 1))
    np.testing.assert_array_equal(
        metrics.thickness(block, plain), metrics.thickness(block, (3, 2, 1))
    )


def test_objects_by_hand() -> None:
    truth = cubes((1, 1, 1), (1, 10, 1), (10, 1, 10), size=3)
    mask = cubes((3, 3, 3), (12, 14, 2), size=2)  # a corner of the first; nothing else
    assert metrics.objects(mask, truth) == metrics.Objects(found=1, missed=2, spurious=1)


def test_voxels_that_touch_at_a_corner_are_one_object() -> None:
    truth = np.zeros((6, 6, 6), bool)
    truth[1, 1, 1] = truth[2, 2, 2] = truth[3, 3, 2] = True
    assert metrics.objects(truth, truth) == metrics.Objects(1, 0, 0)
    assert metrics.objects(~truth & False, truth) == metrics.Objects(0, 1, 0)


def test_a_surface_ends_at_the_border_of_the_volume() -> None:
    everything = np.ones((4, 5, 6), bool)
    surface = metrics.surface(everything)
    assert not surface[1:-1, 1:-1, 1:-1].any()
    assert surface.sum() == 4 * 5 * 6 - 2 * 3 * 4


def test_classes_from_one_confusion_matrix() -> None:
    rng = np.random.default_rng(0)
    mask, truth = rng.integers(0, 4, (2, 9, 8, 7))
    counts = np.bincount((4 * truth + mask).ravel(), minlength=16).reshape(4, 4)
    assert counts.sum() == mask.size
    assert counts[1, 2] == ((truth == 1) & (mask == 2)).sum()
    for label in range(1, 4):
        expected = metrics.overlap(mask == label, truth == label)
        assert metrics.overlap_of(counts, [label]) == expected
    assert metrics.overlap_of(counts, [1, 2, 3]) == metrics.overlap(mask > 0, truth > 0)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        metrics.overlap(np.zeros((2, 2, 2), bool), np.zeros((2, 2, 3), bool))
