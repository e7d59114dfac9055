"""Every number about a map equals one counted by hand, or by scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_attn_unet.errors import VolumeError
from napari_attn_unet.gates import statistics
from napari_attn_unet.gates.cover import Cover
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.prediction import GateMap
from napari_attn_unet.volume import Geometry, Orientation

RNG = np.random.default_rng(0)
GEOMETRY = Geometry.from_spacing((3.0, 1.0, 2.0), (5.0, -4.0, 7.0), "mm")
SHAPE = (9, 6, 11)


def gate(level: int, shape: tuple[int, int, int] = SHAPE) -> GateMap:
    size = tuple(-(-n // 2**level) for n in shape)
    values = RNG.integers(0, 20, size).astype(np.float32) / 20  # with ties
    return GateMap(values, GEOMETRY.coarsened(2**level), level)


def spread(g: GateMap, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """The map by voxel of the image: every voxel has its block's coefficient."""
    fine = g.coefficients
    for axis in range(3):
        fine = fine.repeat(2**g.level, axis)
    return fine[: shape[0], : shape[1], : shape[2]]


def structure() -> np.ndarray:
    return RNG.random(SHAPE) > 0.7


def test_statistics_are_those_of_the_values() -> None:
    values = np.array([0.0, 0.01, 0.5, 0.97, 1.0, 0.25])
    s = statistics.statistics(values)
    assert s.mean == pytest.approx(values.mean())
    assert s.deviation == pytest.approx(values.std())
    assert (s.low, s.high) == (pytest.approx(2 / 6), pytest.approx(2 / 6))
    assert s.entropy == pytest.approx(stats.entropy(values) / np.log(6))
    assert sum(s.histogram) == pytest.approx(1)
    assert s.histogram[0] == pytest.approx(2 / 6)
    assert s.verdict == ""


@pytest.mark.parametrize(
    ("value", "words"), [(0.99, "passes everything"), (0.01, "passes nothing"), (0.5, "same share")]
)
def test_a_uniform_map_is_said_to_select_nothing(value: float, words: str) -> None:
    s = statistics.statistics(np.full((3, 4, 5), value, np.float32))
    assert words in s.verdict
    assert s.entropy == pytest.approx(1)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_cover_counts_every_image_voxel_once(level: int) -> None:
    g, inside = gate(level), structure()
    cover = Cover(g, GEOMETRY, SHAPE)
    assert cover.count(inside).sum() == inside.sum()
    assert cover.mean(inside) == pytest.approx(spread(g)[inside].mean())


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("level", [1, 3])
def test_a_profile_is_the_mean_of_every_slice(level: int, axis: int) -> None:
    g, inside, truth = gate(level), structure(), structure()
    inside[(slice(None),) * axis + (0,)] = False  # a slice without the structure
    profile = statistics.profile({level: Cover(g, GEOMETRY, SHAPE)}, inside, axis, truth)
    fine = np.moveaxis(spread(g), axis, 0)
    for i, (values, where) in enumerate(zip(fine, np.moveaxis(inside, axis, 0), strict=True)):
        expected = values[where].mean() if where.any() else np.nan
        assert profile.inside[level][i] == pytest.approx(expected, nan_ok=True)
        assert profile.outside[level][i] == pytest.approx(values[~where].mean())
        assert profile.area[i] == where.sum()
    assert profile.truth_area is not None
    assert profile.truth_area.sum() == truth.sum()


def test_a_flipped_image_has_the_flipped_profile() -> None:
    """A map's grid may begin at the other end of the image's axis, with a part of a voxel."""
    g, inside = gate(1), structure()
    flip = Orientation((0, 1, 2), (True, False, True))
    turned = GateMap(flip.apply(g.coefficients), g.geometry.oriented(flip, g.coefficients.shape), 1)
    cover = Cover(turned, GEOMETRY.oriented(flip, SHAPE), SHAPE)
    assert cover.mean(flip.apply(inside)) == pytest.approx(spread(g)[inside].mean())


def part() -> tuple[GateMap, np.ndarray]:
    """A map of some planes of the image alone, and which voxels of the image it covers."""
    whole = gate(1)
    values = whole.coefficients[1:3, :, 2:]
    covered = np.zeros(SHAPE, bool)
    covered[2:6, :, 4:] = True
    return GateMap(values, whole.geometry.regridded((1, 1, 1), (1, 0, 2)), 1), covered


def test_what_lies_outside_a_map_is_not_counted() -> None:
    g, covered = part()
    inside = structure()
    cover, fine = Cover(g, GEOMETRY, SHAPE), np.full(SHAPE, np.nan)
    blocks = g.coefficients.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    fine[2:6, :, 4:] = blocks[:, :6, :7]
    assert cover.voxels == covered.sum()
    np.testing.assert_array_equal(cover.spread(cover.values, np.nan), fine)
    np.testing.assert_array_equal(cover.spread(cover.values, np.nan, 2, 5), fine[:, :, 5])
    assert cover.count(inside).sum() == inside[covered].sum()
    assert cover.mean(inside) == pytest.approx(fine[inside & covered].mean())
    a = statistics.agreement(cover.values, cover.count(inside), cover.count(~inside))
    hit, miss = fine[inside & covered], fine[~inside & covered]
    u = stats.mannwhitneyu(hit, miss).statistic
    assert a.auroc == pytest.approx(u / (len(hit) * len(miss)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_outside_a_map_have_no_numbers(axis: int) -> None:
    g, covered = part()
    inside = structure()
    cover = Cover(g, GEOMETRY, SHAPE)
    fine = cover.spread(cover.values, np.nan)
    profile = statistics.profile({1: cover}, inside, axis)
    slices = statistics.agreement_per_slice(cover, inside, axis)
    right = statistics.in_errors_per_slice(cover, inside, inside, axis)[0]
    for i in range(SHAPE[axis]):
        values, where = fine.take(i, axis), inside.take(i, axis) & covered.take(i, axis)
        expected = values[where].mean() if where.any() else np.nan
        for found in (profile.inside[1][i], slices[i].inside, right[i]):
            assert found == pytest.approx(expected, nan_ok=True)


def test_a_map_in_another_unit_covers_the_same_voxels() -> None:
    g, covered = part()
    affine = np.diag([1000, 1000, 1000, 1]) @ g.geometry.affine
    micron = GateMap(g.coefficients, Geometry(affine, "um"), 1)
    assert Cover(micron, GEOMETRY, SHAPE).voxels == covered.sum()


def test_tables_tell_how_many_voxels_are_counted() -> None:
    g, covered = part()
    mask = structure().astype(np.uint8)
    inspection = Inspection(np.zeros(SHAPE), GEOMETRY, [g], mask)
    assert {row.voxels for row in inspection.agreement_rows()} == {covered.sum()}
    assert inspection.statistics_rows()[0].voxels == covered.sum()
    assert "gate 1 28.3 %" in inspection.covered_words()
    assert Inspection(np.zeros(SHAPE), GEOMETRY, [gate(1)], mask).covered_words() == ""


def test_peaks_are_where_a_curve_is_highest_around() -> None:
    x = np.arange(60)
    curve = np.exp(-(((x - 15) / 4) ** 2)) + 0.6 * np.exp(-(((x - 42) / 4) ** 2))
    curve[0] = np.nan
    empty = np.full(60, np.nan)
    profile = statistics.Profile(0, {1: empty}, {1: empty}, np.nan_to_num(curve))
    assert profile.peaks() == [15, 42]


@pytest.mark.parametrize("level", [1, 2])
def test_auroc_is_the_mann_whitney_statistic(level: int) -> None:
    g, inside = gate(level), structure()
    cover = Cover(g, GEOMETRY, SHAPE)
    a = statistics.agreement(cover.values, cover.count(inside), cover.count(~inside))
    fine = spread(g)
    u = stats.mannwhitneyu(fine[inside], fine[~inside]).statistic
    assert a.auroc == pytest.approx(u / (inside.sum() * (~inside).sum()))
    assert a.inside == pytest.approx(fine[inside].mean())
    assert a.ratio == pytest.approx(fine[inside].mean() / fine[~inside].mean())


def test_average_precision_and_top_by_hand() -> None:
    values = np.array([0.9, 0.8, 0.8, 0.3])
    truth = np.array([1, 1, 0, 1])
    a = statistics.agreement(values, truth, 1 - truth, top_percent=50)
    # thresholds 0.9: P 1/1, R 1/3; 0.8: P 2/3, R 2/3; 0.3: P 3/4, R 1
    assert a.average_precision == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 4)
    # the first two voxels: one sure, one of a tie of two, half of which is inside
    assert a.top == pytest.approx((1 + 0.5) / 2)


def test_agreement_without_a_structure_is_not_a_number() -> None:
    values = np.array([0.1, 0.2])
    a = statistics.agreement(values, np.zeros(2), np.ones(2))
    assert np.isnan(a.auroc)
    assert np.isnan(a.top)


def test_errors_are_means_where_the_mask_is_right_and_wrong() -> None:
    g, mask, truth = gate(1), structure(), structure()
    cover, fine = Cover(g, GEOMETRY, SHAPE), spread(g)
    e = statistics.in_errors(cover, mask, truth)
    assert e.true_positive == pytest.approx(fine[mask & truth].mean())
    assert e.false_positive == pytest.approx(fine[mask & ~truth].mean())
    assert e.false_negative == pytest.approx(fine[~mask & truth].mean())
    curves = statistics.in_errors_per_slice(cover, mask, truth, 1)
    assert curves[2][3] == pytest.approx(fine[:, 3][(~mask & truth)[:, 3]].mean())


def test_agreement_per_slice_is_that_of_the_slice() -> None:
    g, inside = gate(2), structure()
    cover, fine = Cover(g, GEOMETRY, SHAPE), spread(g)
    per_slice = statistics.agreement_per_slice(cover, inside, 0)
    assert len(per_slice) == SHAPE[0]
    for z in (0, 5, 8):
        u = stats.mannwhitneyu(fine[z][inside[z]], fine[z][~inside[z]]).statistic
        expected = u / (inside[z].sum() * (~inside[z]).sum())
        assert per_slice[z].auroc == pytest.approx(expected)


def test_gradient_magnitude_finds_an_edge() -> None:
    image = np.zeros((8, 8, 8))
    image[:, :, 4:] = 1
    cover = Cover(
        GateMap(np.zeros((4, 4, 4), np.float32), GEOMETRY.coarsened(2), 1), GEOMETRY, (8,) * 3
    )
    edges = statistics.gradient_magnitude(image, cover)
    assert edges[..., 1:3].min() > 5 * edges[..., 0].max()


@pytest.mark.parametrize("level", [1, 2])
def test_the_edge_yardstick_is_a_mean_not_a_sum(level: int) -> None:
    """A ramp is as steep everywhere, also where a voxel of the map meets few of the image."""
    shape = (13, 15, 17)
    ramp = 3.0 * np.arange(17) * np.ones(shape)
    cover = Cover(gate(level, shape), GEOMETRY, shape)
    edges = statistics.gradient_magnitude(ramp, cover)
    assert edges.shape == cover.values.shape
    np.testing.assert_allclose(edges[..., 2:-2], 3, rtol=1e-3)


def test_entropy_is_a_share_of_the_largest_possible() -> None:
    one = np.zeros(8)
    one[3] = 0.4
    assert statistics.statistics(one).entropy == pytest.approx(0)
    half = np.array([0.5] * 4 + [0.0] * 4)
    assert statistics.statistics(half).entropy == pytest.approx(2 / 3)  # 2 bits of 3


def test_rank_correlation_is_spearmans() -> None:
    a = RNG.random((3, 4, 5))
    assert statistics.rank_correlation(a, np.exp(a)) == pytest.approx(1)
    assert statistics.rank_correlation(a, -a) == pytest.approx(-1)
    assert np.isnan(statistics.rank_correlation(a, np.ones_like(a)))


def test_tables_have_a_row_for_everything() -> None:
    image = RNG.random(SHAPE)
    labels = RNG.integers(0, 3, SHAPE)
    inspection = Inspection(
        image, GEOMETRY, [gate(1), gate(2)], labels, labels, ("background", "one", "two")
    )
    assert [r.gate for r in inspection.statistics_rows()] == ["gate 1", "gate 2"]
    rows = inspection.profile_rows(1, label=2)
    assert len(rows) == SHAPE[1]
    assert {r.class_name for r in rows} == {"two"}
    assert sum(r.mask_area for r in rows) == (labels == 2).sum()
    agreement = inspection.agreement_rows(1, random_gates=[gate(1)])
    assert [r.detector for r in agreement] == [
        "gate 1",
        "gate 1, random weights",
        "gradient magnitude, grid of gate 1",
        "gate 2",
        "gradient magnitude, grid of gate 2",
    ]
    assert agreement[0].of == "truth"
    assert len(inspection.agreement_slice_rows(2)) == 2 * SHAPE[2]
    assert agreement[0].true_positive is not None
    assert agreement[1].true_positive is None  # a yardstick


@pytest.mark.parametrize("degrees", [10, 90])
def test_a_map_that_is_turned_against_the_image_is_refused(degrees: float) -> None:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
    g = gate(1)
    turned = GateMap(g.coefficients, Geometry(turn @ g.geometry.affine, "mm"), 1)
    with pytest.raises(VolumeError, match="turned or sheared"):
        Cover(turned, GEOMETRY, SHAPE)
