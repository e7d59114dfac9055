"""A mask from probabilities: what every threshold would be worth, and the labels of a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.scores.components import BoolArray
from napari_attn_unet.scores.metrics import FloatArray, Overlap


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCurve:
    """What a class's mask would be worth at every threshold of its probability.

    Attributes
    ----------
    thresholds
        In (0, 1), rising.
    overlaps
        Of {p ≥ threshold}, whatever the other classes' probabilities are.
    """

    thresholds: FloatArray
    overlaps: tuple[Overlap, ...]

    def at(self, threshold: float) -> Overlap:
        """Return the overlap at the nearest threshold."""
        return self.overlaps[int(np.abs(self.thresholds - threshold).argmin())]

    @property
    def best(self) -> float:
        """The threshold with the largest Dice."""
        dice = [o.dice if o.dice == o.dice else -1.0 for o in self.overlaps]
        return float(self.thresholds[int(np.argmax(dice))])


def threshold_curve(
    probability: npt.NDArray[Any], truth: BoolArray, steps: int = 100
) -> ThresholdCurve:
    """Return the overlap with a truth at thresholds 1/steps, 2/steps, …, below 1.

    Parameters
    ----------
    probability, truth
        Of one class, of the same shape.
    steps
        Into how many the range from 0 to 1 is divided.
    """
    edges = np.arange(1, steps) / steps
    # A voxel counts at every threshold up to its probability.
    bins = np.searchsorted(edges, np.asarray(probability, np.float64).ravel(), side="right")
    inside = truth.ravel()
    here = np.bincount(bins[inside], minlength=steps)[::-1].cumsum()[::-1][1:]
    there = np.bincount(bins[~inside], minlength=steps)[::-1].cumsum()[::-1][1:]
    total = int(inside.sum())
    overlaps = tuple(
        Overlap(int(a), int(b), total - int(a)) for a, b in zip(here, there, strict=True)
    )
    return ThresholdCurve(edges, overlaps)


def label_by_thresholds(
    probabilities: Mapping[int, npt.NDArray[Any]], thresholds: Mapping[int, float]
) -> npt.NDArray[np.uint8]:
    """Return the label of every voxel: of the classes that reach their threshold, the likeliest.

    Parameters
    ----------
    probabilities
        {label: its map (Z, Y, X)}, one at least; without the background.
    thresholds
        One for each.

    Returns
    -------
    (Z, Y, X); 0 where no class reaches its threshold.
    """
    shape = next(iter(probabilities.values())).shape
    best, labels = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    for label, p in probabilities.items():
        wins = (p >= thresholds[label]) & (p > best)
        best[wins], labels[wins] = p[wins], label
    return labels
