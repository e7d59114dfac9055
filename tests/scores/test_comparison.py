"""A mask against a truth: what is counted follows every change and finds every error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.scores import metrics
from napari_attn_unet.scores.comparison import Comparison
from napari_attn_unet.scores.matching import IGNORE, Matching, match, relabel
from napari_attn_unet.scores.thresholds import label_by_thresholds, threshold_curve
from napari_attn_unet.table import columns
from napari_attn_unet.volume import Geometry

CLASSES = ("background", "front", "back")
PLACE = Geometry.from_spacing((3, 1, 2), unit="mm")


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mask, truth = (rng.random((2, 11, 13, 12)) > 0.7) * rng.integers(1, 3, (2, 11, 13, 12))
    return mask.astype(np.uint8), truth.astype(np.uint8)


def lobes() -> np.ndarray:
    truth = np.zeros((16, 20, 18), np.uint8)
    truth[4:12, 4:10, 4:14] = 1
    truth[4:12, 10:16, 4:14] = 2
    return truth


class TestMatching:
    def test_by_name_where_both_have_names(self) -> None:
        got = match({1: "Anterior", 2: "Posterior"}, {5: "posterior", 7: "anterior ", 9: "CSF"})
        assert got.classes == ("background", "Anterior", "Posterior", "CSF")
        assert got.mask == {0: 0, 1: 1, 2: 2}
        assert got.truth == {0: 0, 5: 2, 7: 1, 9: 3}

    @pytest.mark.parametrize(
        ("mask", "truth"),
        [({1: "Anterior", 2: "Posterior"}, {2: None, 3: None}), ({1: None}, {1: "Anterior"})],
    )
    def test_by_value_where_one_has_none(
        self, mask: dict[int, str | None], truth: dict[int, str | None]
    ) -> None:
        got = match(mask, truth)
        assert got.classes[1] == "Anterior"
        assert all(got.truth[v] == got.mask[v] for v in set(mask) & set(truth))
        if 3 in truth:
            assert got.classes[3] == "label 3"

    def test_a_value_that_one_side_does_not_name_takes_the_other_s(self) -> None:
        got = match({1: "liver", 2: None}, {1: "liver", 2: "tumour"})
        assert got.classes == ("background", "liver", "tumour")
        assert got.mask == got.truth == {0: 0, 1: 1, 2: 2}

    @pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16])
    def test_classes_are_merged_and_ignored(self, dtype: type) -> None:
        mask = np.array([[[0, 1, 2, 3]]], dtype)
        truth = np.array([[[1, 4, 9, 1]]], dtype)
        merged = Matching(CLASSES, {0: 0, 1: 1, 2: 1, 3: IGNORE}, {0: 0, 1: 2, 4: 1, 9: IGNORE})
        a, b = relabel(mask, truth, merged)
        np.testing.assert_array_equal(a, [[[0, 1, 0, 0]]])
        np.testing.assert_array_equal(b, [[[2, 1, 0, 0]]])

    def test_bool_labels(self) -> None:
        mask = np.array([[[True, False]]])
        a, b = relabel(mask, mask, match({1: None}, {1: None}))
        np.testing.assert_array_equal(a, [[[1, 0]]])
        np.testing.assert_array_equal(b, a)

    def test_too_many_classes_are_refused(self) -> None:
        many = dict.fromkeys(range(1, 300))
        array = np.zeros((2, 2, 2), np.uint16)
        with pytest.raises(ShapeError, match="numbered objects"):
            relabel(array, array, match(many, many))


def test_counts_are_those_of_metrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    mask, truth = pair
    comparison = Comparison(mask, truth, PLACE, CLASSES)
    for label in (1, 2):
        assert comparison.overlap(label) == metrics.overlap(mask == label, truth == label)
    assert comparison.overlap(None) == metrics.overlap(mask > 0, truth > 0)
    front, back, together = comparison.rows(2.0)
    assert (front.class_name, back.class_name) == ("front", "back")
    assert front.mask_size == (mask == 1).sum() * 6
    expected = metrics.distances(mask == 2, truth == 2, (3, 1, 2))
    assert back.hd95 == expected.hd95
    assert back.surface_dice == expected.surface_dice(2.0)
    assert together.class_name == "all classes as one"
    kinds = comparison.errors
    np.testing.assert_array_equal(kinds == 1, (mask == truth) & (mask > 0))
    np.testing.assert_array_equal(kinds == 2, (mask > 0) & (truth == 0))
    np.testing.assert_array_equal(kinds == 3, (mask == 0) & (truth > 0))
    np.testing.assert_array_equal(kinds == 4, (mask != truth) & (mask > 0) & (truth > 0))


def test_a_change_gives_what_counting_afresh_gives(pair: tuple[np.ndarray, np.ndarray]) -> None:
    mask, truth = pair
    comparison = Comparison(mask.copy(), truth.copy(), PLACE, CLASSES)
    comparison.rows(1.0)
    rng = np.random.default_rng(1)
    for _ in range(5):
        z, y, x = rng.integers(0, 8, 3)
        mask[z : z + 3, y : y + 4, x : x + 2] = rng.integers(0, 3)
        truth[x : x + 2, z : z + 2, y : y + 3] = rng.integers(0, 3)
        comparison.update(mask, truth)
        afresh = Comparison(mask.copy(), truth.copy(), PLACE, CLASSES)
        np.testing.assert_array_equal(comparison.errors, afresh.errors)
        for a, b in zip(comparison.counts, afresh.counts, strict=True):
            np.testing.assert_array_equal(a, b)
        assert comparison.rows(1.0) == afresh.rows(1.0)


def test_an_update_says_where(pair: tuple[np.ndarray, np.ndarray]) -> None:
    mask, truth = pair
    comparison = Comparison(mask.copy(), truth, PLACE, CLASSES)
    assert comparison.update(mask, truth) is None
    before = comparison.copy()
    mask[2, 3, 4] = (mask[2, 3, 4] + 1) % 3
    mask[5, 1, 6] = (mask[5, 1, 6] + 1) % 3
    box = (slice(1, 8), slice(0, 6), slice(3, 9))
    changed = comparison.update(mask[box], truth[box], box)
    assert changed == (slice(2, 6), slice(1, 4), slice(4, 7))
    np.testing.assert_array_equal(comparison.mask, mask)
    np.testing.assert_array_equal(comparison.errors, Comparison(mask, truth, PLACE, CLASSES).errors)
    assert (before.mask != mask).sum() == 2
    assert before.counts[0].sum() == comparison.counts[0].sum() == mask.size


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("label", [None, 1, 2])
def test_slices(pair: tuple[np.ndarray, np.ndarray], axis: int, label: int | None) -> None:
    mask, truth = pair
    got = Comparison(mask, truth, PLACE, CLASSES).slices(axis, label)
    for i in (0, 5):
        a, b = mask.take(i, axis), truth.take(i, axis)
        wrong = (a != b).sum()
        if label is None:
            a, b = a > 0, b > 0
        else:
            a, b = a == label, b == label
            wrong = (a != b).sum()
        assert got["Dice"][i] == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
        assert (got["mask"][i], got["truth"][i], got["wrong"][i]) == (a.sum(), b.sum(), wrong)


def test_a_planted_voxel_is_found() -> None:
    truth = lobes()
    mask = truth.copy()
    mask[13, 2, 7] = 2
    comparison = Comparison(mask, truth, PLACE, CLASSES)
    assert comparison.worst_slices(0, None) == [13]
    assert comparison.worst_slices(1, 2) == [2]
    assert comparison.worst_slices(0, 1) == []
    (component,) = comparison.components()
    assert (component.kind, component.classes) == ("false positive", "back")
    assert (component.voxels, component.voxel) == (1, (13, 2, 7))
    assert component.box == (slice(13, 14), slice(2, 3), slice(7, 8))
    assert component.depth == 1  # to the next voxel, along y
    assert component.distance == pytest.approx(math.hypot(2 * 3, 8))  # to (11, 10, 7)


def test_components_tell_kind_class_and_size() -> None:
    truth = lobes()
    mask = truth.copy()
    mask[4:12, 10:12, 4:14] = 1  # the border between the classes moved
    mask[4:6, 4:6, 4:6] = 0
    mask[0, 0, 0] = 1
    mask[0, 19, 17] = 1
    found = Comparison(mask, truth, PLACE, CLASSES).components()
    assert [(c.kind, c.classes, c.voxels) for c in found] == [
        ("wrong class", "back → front", 160),
        ("false negative", "front", 8),
        ("false positive", "front", 1),
        ("false positive", "front", 1),
    ]
    assert found[0].distance == 2  # y = 11 to the truth's front, which ends at y = 9
    rows = Comparison(mask, truth, PLACE, CLASSES).component_rows(found)
    assert rows[0].mm3 == 160 * 6


@pytest.mark.parametrize(
    ("unit", "size", "length"), [("mm", "mm³", "mm"), ("pixel", "voxels", "voxels")]
)
def test_titles_of_the_tables(
    pair: tuple[np.ndarray, np.ndarray], unit: str, size: str, length: str
) -> None:
    """Scripts read them: a change of a title breaks those."""
    place = Geometry.from_spacing((3, 1, 2), unit=unit)
    comparison = Comparison(*pair, place, CLASSES)
    counted = ["class", "Dice", "IoU", "precision", "recall", f"mask ({size})", f"truth ({size})"]
    counted += ["difference (%)"]
    assert columns(comparison.counted_rows()) == counted
    assert columns(comparison.rows(2.5)) == [
        *counted,
        f"HD95 ({length})",
        f"ASSD ({length})",
        f"surface Dice at 2.5 {length}",
        "objects found",
        "objects missed",
        "objects spurious",
    ]
    slices = ["axis", "slice", "class", "Dice", "mask", "truth", "wrong"]
    assert columns(comparison.slice_rows()) == slices
    assert columns(comparison.component_rows(comparison.components())) == [
        *("#", "error", "class", "voxels"),
        *(["mm³"] if unit == "mm" else []),
        *(f"depth ({length})", f"distance ({length})", "z", "y", "x"),
    ]


def test_nothing_to_compare_with_is_infinitely_far() -> None:
    truth = np.zeros((5, 6, 7), np.uint8)
    mask = truth.copy()
    mask[2, 2, 2] = 1
    comparison = Comparison(mask, truth, PLACE, CLASSES[:2])
    assert comparison.components()[0].distance == math.inf
    assert comparison.surface(1) is None


@pytest.mark.parametrize("spacing", [(1, 1, 1), (5, 1, 2)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_surface_carries_its_signed_distance(
    axis: int, spacing: tuple[float, float, float]
) -> None:
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[5:15, 5:15, 5:15] = 1
    mask = np.roll(truth, -2, axis)
    place = Geometry.from_spacing(spacing, unit="mm")
    vertices, faces, values = Comparison(mask, truth, place, CLASSES[:2]).surface(1)
    assert faces.max() < len(vertices) == len(values)
    middle = np.ones(len(vertices), bool)
    for other in {0, 1, 2} - {axis}:
        middle &= abs(vertices[:, other] - 9.5) < 3
    before = middle & (vertices[:, axis] < 4)
    behind = middle & (vertices[:, axis] > 12)
    assert before.any()
    assert behind.any()
    np.testing.assert_allclose(values[before], 2 * spacing[axis], atol=0.01)
    away = values[behind]  # the nearest border may lie across, where voxels are small
    assert (away < 0).all()
    assert (-away <= 2 * spacing[axis] + 0.01).all()


def test_the_surfaces_of_the_same_are_one() -> None:
    truth = lobes()
    _, _, values = Comparison(truth.copy(), truth, PLACE, CLASSES).surface(None)
    np.testing.assert_array_equal(values, 0)


class TestThresholds:
    def test_the_curve_is_what_counting_gives(self) -> None:
        rng = np.random.default_rng(0)
        truth = rng.random((9, 8, 7)) > 0.6
        p = np.clip(rng.normal(0.3 + 0.3 * truth, 0.2), 0, 1).astype(np.float32)
        curve = threshold_curve(p, truth, steps=50)
        for i in (0, 10, 24, 48):
            t = curve.thresholds[i]
            assert curve.overlaps[i] == metrics.overlap(p.astype(np.float64) >= t, truth)
        assert curve.at(0.5) == metrics.overlap(p >= 0.5, truth)
        best = max(curve.overlaps, key=lambda o: o.dice)
        assert curve.at(curve.best).dice == best.dice

    def test_the_likeliest_of_those_that_reach_their_threshold(self) -> None:
        front = np.array([[[0.5, 0.4, 0.1, 0.3]]], np.float32)
        back = np.array([[[0.4, 0.5, 0.2, 0.3]]], np.float32)
        got = label_by_thresholds({1: front, 2: back}, {1: 0.3, 2: 0.55})
        np.testing.assert_array_equal(got, [[[1, 1, 0, 1]]])
        got = label_by_thresholds({1: front, 7: back}, {1: 0.3, 7: 0.2})
        np.testing.assert_array_equal(got, [[[1, 7, 7, 1]]])
