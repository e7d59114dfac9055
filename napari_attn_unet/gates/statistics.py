"""What gate maps say: statistics, curves over slices, agreement with a structure.

Everything is computed on a map's own grid, exactly: a coefficient stands for every image voxel
whose centre lies in its voxel, and is counted that often. Nothing is resampled. An image voxel that
the map does not cover is not counted: there, the gate says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_attn_unet.gates.cover import BoolArray, Cover, FloatArray

BINS = 32
LOW, HIGH = 0.05, 0.95
NEAR_UNIFORM = 0.02
"""A map whose standard deviation is below this selects nothing that an eye could see."""


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """A gate map in numbers.

    Attributes
    ----------
    mean, deviation
        Of the coefficients.
    low, high
        Share of voxels below 0.05 and above 0.95.
    entropy
        Shannon entropy of the map as a distribution over its voxels, as a share of the largest
        possible: 1 where all coefficients are equal, 0 where one voxel has everything.
    histogram
        Share of voxels in each of 32 equal bins of [0, 1].
    """

    mean: float
    deviation: float
    low: float
    high: float
    entropy: float
    histogram: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """What a near-uniform map does, in words; empty for one that selects."""
        if self.deviation >= NEAR_UNIFORM:
            return ""
        if self.mean > HIGH:
            return "passes everything: this gate does not select"
        if self.mean < LOW:
            return "passes nothing: this skip connection is shut"
        return "passes the same share everywhere: this gate does not select"


def statistics(coefficients: npt.NDArray[Any]) -> GateStatistics:
    """Return the statistics of a map of any shape, its values in [0, 1]."""
    values = np.asarray(coefficients, dtype=np.float64).ravel()
    counts, _ = np.histogram(values, bins=BINS, range=(0.0, 1.0))
    total = values.sum()
    entropy = 1.0
    if total > 0 and values.size > 1:
        share = values[values > 0] / total
        entropy = float(-(share * np.log(share)).sum() / np.log(values.size))
    return GateStatistics(
        mean=float(values.mean()),
        deviation=float(values.std()),
        low=float((values < LOW).mean()),
        high=float((values > HIGH).mean()),
        entropy=entropy,
        histogram=tuple((counts / values.size).tolist()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Curves over the slices of the image along one axis.

    Attributes
    ----------
    axis
        Of Z, Y, X: 0, 1, 2.
    inside, outside
        {gate's level: mean coefficient per slice inside and outside the structure}; NaN where a
        slice has no such voxel.
    area, truth_area
        Voxels of the mask and of the truth per slice; `truth_area` is None without a truth.
    """

    axis: int
    inside: Mapping[int, FloatArray]
    outside: Mapping[int, FloatArray]
    area: FloatArray
    truth_area: FloatArray | None = None

    def peaks(self) -> list[int]:
        """Return the slices worth a look: where the mask's area or a gate's mean inside peaks."""
        found = {
            int(peak) for curve in (self.area, *self.inside.values()) for peak in _peaks(curve)
        }
        return sorted(found)


def profile(
    gates: Mapping[int, Cover], mask: BoolArray, axis: int, truth: BoolArray | None = None
) -> Profile:
    """Return the curves of gate maps, by level, over the slices along an axis."""
    inside, outside = {}, {}
    others = tuple(a for a in range(3) if a != axis)
    for level, cover in gates.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            total, weight = cover.per_slice(mask, axis)
            rest, rest_weight = cover.per_slice(~mask, axis)
            inside[level], outside[level] = total / weight, rest / rest_weight
    area = mask.sum(axis=others).astype(np.float64)
    truth_area = None if truth is None else truth.sum(axis=others).astype(np.float64)
    return Profile(axis, inside, outside, area, truth_area)


def _peaks(curve: FloatArray) -> list[int]:
    """Return the local maxima of a curve that has been smoothed a little; a plateau's middle."""
    values = np.nan_to_num(curve, nan=-np.inf)
    low = values[np.isfinite(values)].min(initial=np.inf)
    values = np.where(np.isfinite(values), values, low if np.isfinite(low) else 0.0)
    if not len(values) or np.ptp(values) == 0:
        return []
    smooth = ndimage.gaussian_filter1d(values, 1.0, mode="nearest")
    top = ndimage.maximum_filter1d(smooth, 5, mode="nearest")
    runs, count = ndimage.label(smooth == top)
    middles = ndimage.center_of_mass(np.ones_like(smooth), runs, range(1, count + 1))
    high = smooth.min() + 0.1 * np.ptp(smooth)
    return [round(m) for (m,) in middles if smooth[round(m)] > high]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a map detects a structure, if "the larger, the more likely" is the rule.

    Attributes
    ----------
    auroc
        Probability that a voxel of the structure has a larger value than one outside, ties
        counting half (Hanley & McNeil 1982); 0.5 is chance.
    average_precision
        Area under the precision-recall steps; chance is the structure's share of the volume.
    inside, outside
        Mean value inside and outside.
    top
        Of the `top_percent` % of voxels with the largest values, the share inside the structure;
        voxels of equal value are taken in equal shares.
    """

    auroc: float
    average_precision: float
    inside: float
    outside: float
    top: float

    @property
    def ratio(self) -> float:
        """Mean inside over mean outside."""
        return _ratio(self.inside, self.outside)


def agreement(
    values: npt.NDArray[Any],
    inside: npt.NDArray[Any],
    outside: npt.NDArray[Any],
    top_percent: float = 5.0,
) -> Agreement:
    """Return how well values detect a structure.

    Parameters
    ----------
    values
        Any shape.
    inside, outside
        Of the same shape: how many voxels of the structure, and of the rest, have each value.
    top_percent
        See `Agreement.top`.
    """
    order = np.argsort(-np.asarray(values, dtype=np.float64), axis=None, kind="stable")
    v = np.asarray(values, dtype=np.float64).ravel()[order]
    hit = np.asarray(inside, dtype=np.float64).ravel()[order]
    miss = np.asarray(outside, dtype=np.float64).ravel()[order]
    ends = np.flatnonzero(np.append(np.diff(v) != 0, True))
    tp, fp = np.cumsum(hit)[ends], np.cumsum(miss)[ends]
    positives, negatives = tp[-1], fp[-1]
    mean_in, mean_out = _ratio((v * hit).sum(), positives), _ratio((v * miss).sum(), negatives)
    if not positives or not negatives:
        return Agreement(np.nan, np.nan, mean_in, mean_out, np.nan)
    tpr, fpr = np.append(0.0, tp / positives), np.append(0.0, fp / negatives)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(tp / (tp + fp))
    wanted = (positives + negatives) * top_percent / 100
    found = np.interp(wanted, np.append(0.0, tp + fp), np.append(0.0, tp))
    return Agreement(
        auroc=float(np.trapezoid(tpr, fpr)),
        average_precision=float((np.diff(tpr) * precision).sum()),
        inside=mean_in,
        outside=mean_out,
        top=float(found / wanted),
    )


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean coefficient in true positives, false positives and false negatives; NaN where none."""

    true_positive: float
    false_positive: float
    false_negative: float


def in_errors(cover: Cover, mask: BoolArray, truth: BoolArray) -> Errors:
    """Return the mean coefficient of a map where a mask is right and where it is wrong."""
    return Errors(cover.mean(mask & truth), cover.mean(mask & ~truth), cover.mean(~mask & truth))


def in_errors_per_slice(
    cover: Cover, mask: BoolArray, truth: BoolArray, axis: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return `in_errors` for every slice of the image along an axis."""
    curves = []
    for where in (mask & truth, mask & ~truth, ~mask & truth):
        total, weight = cover.per_slice(where, axis)
        with np.errstate(invalid="ignore", divide="ignore"):
            curves.append(total / weight)
    return curves[0], curves[1], curves[2]


def agreement_per_slice(cover: Cover, truth: BoolArray, axis: int) -> list[Agreement]:
    """Return the agreement of a map with a structure for every slice along an axis."""
    result = []
    planes = np.moveaxis(cover.values, axis, 0)
    others = tuple(a for a in range(3) if a != axis)
    inside = np.moveaxis(cover.gathered(truth, others), axis, 0)
    everything = np.moveaxis(cover.gathered(np.ones_like(truth), others), axis, 0)
    for z, plane in enumerate(cover.index[axis]):
        covered = plane >= 0
        weights = inside[z] * covered, (everything[z] - inside[z]) * covered
        result.append(agreement(planes[plane], *weights))
    return result


def gradient_magnitude(image: npt.NDArray[Any], cover: Cover) -> FloatArray:
    """Return the mean gradient magnitude of an image (Z, Y, X) on a map's grid.

    A yardstick: what a detector of edges, which has learnt nothing, would say.
    """
    edges = ndimage.gaussian_gradient_magnitude(np.asarray(image, dtype=np.float32), 1.0)
    total, voxels = cover.count(edges), cover.count(np.ones(image.shape, bool))
    return np.divide(total, voxels, out=np.zeros_like(total), where=voxels > 0)


def rank_correlation(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Return Spearman's rank correlation of two maps of one shape; NaN where one is constant."""
    from scipy import stats  # noqa: PLC0415  (slow to import)

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(np.ravel(a), np.ravel(b)).statistic)


def _ratio(a: float, b: float) -> float:
    return float(a) / float(b) if b else float("nan")
