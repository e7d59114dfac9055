"""One prediction under the magnifying glass: what its gates say, counted and as tables.

The widget and the command line ask the same object; it reads what it is given and keeps what it
has counted.
"""
# Over 350 lines: what is counted of one prediction, with the rows of its tables beside it.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.gates import statistics
from napari_attn_unet.gates.cover import BoolArray, Cover
from napari_attn_unet.gates.statistics import Errors, GateStatistics, Profile
from napari_attn_unet.prediction import GateMap
from napari_attn_unet.scores.grids import percent
from napari_attn_unet.table import Row, column
from napari_attn_unet.volume import Geometry

AXES = ("z", "y", "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsRow(Row):
    """A gate: its grid and `statistics.GateStatistics`.

    Attributes
    ----------
    grid
        Size of its map in voxels: "24×32×28".
    coarser
        How many voxels of the image one voxel of the map is long.
    voxels
        How many voxels of the image the map covers.
    """

    gate: str = column("gate")
    grid: str = column("grid")
    coarser: int = column("coarser")
    voxels: int = column("image voxels")
    mean: float = column("mean")
    deviation: float = column("sd")
    low: float = column("share below 0.05")
    high: float = column("share above 0.95")
    entropy: float = column("entropy")
    verdict: str = column("verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow(Row):
    """A slice along an axis; see `statistics.Profile`.

    Attributes
    ----------
    means
        {"gate 1 inside": mean coefficient, …}: of every gate inside and outside the class.
    mask_area, truth_area
        In voxels; None where there is no mask, no truth.
    """

    axis: str = column("axis")
    index: int = column("slice")
    class_name: str = column("class")
    means: Mapping[str, float] = column("{key}")
    mask_area: int | None = column("mask area (voxels)", None)
    truth_area: int | None = column("truth area (voxels)", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRow(Row):
    """How well a map detects a class; see `statistics.Agreement`.

    Attributes
    ----------
    detector
        A gate, or one of its yardsticks.
    of
        What the class is taken from: "mask" or "truth".
    voxels
        How many voxels of the image are counted: those that the gate's map covers.
    top
        Of the `top_percent` % largest values, the share inside.
    true_positive, false_positive, false_negative
        Mean coefficient there; None without mask and truth, and for a yardstick.
    """

    detector: str = column("detector")
    class_name: str = column("class")
    of: str = column("of")
    voxels: int = column("voxels")
    auroc: float = column("AUROC")
    average_precision: float = column("average precision")
    inside: float = column("mean inside")
    outside: float = column("mean outside")
    ratio: float = column("inside / outside")
    top: float = column("inside, of the top {top_percent:g} %")
    true_positive: float | None = column("α in TP", None)
    false_positive: float | None = column("α in FP", None)
    false_negative: float | None = column("α in FN", None)
    top_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementSliceRow(Row):
    """How well a gate detects a class in one slice; as `AgreementRow`."""

    gate: str = column("gate")
    class_name: str = column("class")
    axis: str = column("axis")
    index: int = column("slice")
    auroc: float = column("AUROC")
    average_precision: float = column("average precision")
    inside: float = column("mean inside")
    outside: float = column("mean outside")
    ratio: float = column("inside / outside")
    true_positive: float | None = column("α in TP", None)
    false_positive: float | None = column("α in FP", None)
    false_negative: float | None = column("α in FN", None)


class Inspection:
    """Gate maps, a mask and maybe a truth of one image.

    Parameters
    ----------
    image
        (Z, Y, X).
    geometry
        Place of its grid.
    gates
        Maps, each on its own grid; the grids' axes must be the image's.
    mask, truth
        Labels (Z, Y, X) on the image's grid, or None.
    classes
        Name of every class; the first is the background.

    Raises
    ------
    ShapeError
        If mask or truth lie on another grid.
    """

    def __init__(  # noqa: PLR0913  (what there is to look at)
        self,
        image: npt.NDArray[Any],
        geometry: Geometry,
        gates: Sequence[GateMap],
        mask: npt.NDArray[Any] | None = None,
        truth: npt.NDArray[Any] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        for name, labels in (("mask", mask), ("truth", truth)):
            if labels is not None and labels.shape != image.shape:
                msg = f"The {name} must have the image's shape {image.shape}, not {labels.shape}."
                raise ShapeError(msg)
        self.image, self.geometry = image, geometry
        self.gates = {gate.level: gate for gate in sorted(gates, key=lambda g: g.level)}
        self.mask, self.truth, self.classes = mask, truth, tuple(classes)
        self._covers: dict[int, Cover] = {}
        self._statistics: dict[int, GateStatistics] = {}
        self._profiles: dict[tuple[int, int | None], Profile] = {}

    def cover(self, level: int) -> Cover:
        """Return which image voxels the voxels of a gate's map stand for."""
        if level not in self._covers:
            self._covers[level] = Cover(self.gates[level], self.geometry, self.image.shape)
        return self._covers[level]

    def covered_words(self) -> str:
        """Say which share of the image the gates cover, where it is not all; else "".

        Of a box's or some slices' result, only that is counted.
        """
        every = self.image.size
        shares = {gate.name: self.cover(level).voxels / every for level, gate in self.gates.items()}
        if all(share == 1 for share in shares.values()):
            return ""
        told = ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
        return (
            f"The gates' maps cover a part of the image's {every:,} voxels ({told}). What is said "
            "of α is of these alone."
        )

    def labels(self) -> list[int]:
        """Return the foreground labels that have a name, or else those that occur."""
        if self.classes:
            return list(range(1, len(self.classes)))
        found = [np.unique(a) for a in (self.mask, self.truth) if a is not None]
        return [int(v) for v in np.unique(np.concatenate(found)) if v] if found else []

    def class_name(self, label: int | None) -> str:
        """Return the name of a class; None is any class but the background."""
        if label is None:
            return "any"
        return self.classes[label] if label < len(self.classes) else f"label {label}"

    def structure(self, label: int | None, *, truth: bool = False) -> BoolArray:
        """Return the voxels of a class in the mask or in the truth; all False where there is none.

        A `label` of None is any class but the background.
        """
        labels = self.truth if truth else self.mask
        if labels is None:
            return np.zeros(self.image.shape, bool)
        return np.asarray(labels != 0 if label is None else labels == label)

    def statistics(self, level: int) -> GateStatistics:
        """Return the statistics of a gate's map."""
        if level not in self._statistics:
            self._statistics[level] = statistics.statistics(self.gates[level].coefficients)
        return self._statistics[level]

    def profile(self, axis: int, label: int | None = None) -> Profile:
        """Return the curves over the slices along an axis, for a class of the mask.

        Without a mask, inside and outside are of the truth.
        """
        if (axis, label) not in self._profiles:
            covers = {level: self.cover(level) for level in self.gates}
            truth = None if self.truth is None else self.structure(label, truth=True)
            structure = self.structure(label, truth=self.mask is None)
            self._profiles[axis, label] = statistics.profile(covers, structure, axis, truth)
        return self._profiles[axis, label]

    # --- tables ---------------------------------------------------------------------------------
    def statistics_rows(self) -> list[StatisticsRow]:
        """Return a row per gate: its grid and its statistics."""
        rows = []
        for level, gate in self.gates.items():
            s = self.statistics(level)
            rows.append(
                StatisticsRow(
                    gate=gate.name,
                    grid="×".join(map(str, gate.coefficients.shape)),
                    coarser=2**level,
                    voxels=self.cover(level).voxels,
                    mean=s.mean,
                    deviation=s.deviation,
                    low=s.low,
                    high=s.high,
                    entropy=s.entropy,
                    verdict=s.verdict,
                )
            )
        return rows

    def profile_rows(self, axis: int, label: int | None = None) -> list[ProfileRow]:
        """Return a row per slice along an axis (0, 1, 2 for z, y, x), of a class or of any."""
        profile = self.profile(axis, label)
        truth = profile.truth_area
        rows = []
        for i, area in enumerate(profile.area):
            means = {}
            for level, gate in self.gates.items():
                means[f"{gate.name} inside"] = float(profile.inside[level][i])
                means[f"{gate.name} outside"] = float(profile.outside[level][i])
            rows.append(
                ProfileRow(
                    axis=AXES[axis],
                    index=i,
                    class_name=self.class_name(label),
                    means=means,
                    mask_area=None if self.mask is None else int(area),
                    truth_area=None if truth is None else int(truth[i]),
                )
            )
        return rows

    def agreement_rows(
        self,
        label: int | None = None,
        top_percent: float = 5.0,
        random_gates: Sequence[GateMap] = (),
    ) -> list[AgreementRow]:
        """Return how well each map detects a class, beside two yardsticks.

        Parameters
        ----------
        label
            The class; None for any but the background. Of the truth where there is one, or else
            of the mask.
        top_percent
            See `statistics.Agreement`.
        random_gates
            The maps of the same network with randomised weights (Adebayo et al. 2018).
        """
        structure = self.structure(label, truth=self.truth is not None)
        rows = []
        others = {gate.level: gate for gate in random_gates}
        for level, gate in self.gates.items():
            cover = self.cover(level)
            inside = cover.count(structure)
            outside = cover.count(~structure)
            detectors = {gate.name: cover.values}
            if level in others:
                detectors[f"{gate.name}, random weights"] = np.asarray(others[level].coefficients)
            detectors[f"gradient magnitude, grid of {gate.name}"] = statistics.gradient_magnitude(
                self.image, cover
            )
            for name, values in detectors.items():
                a = statistics.agreement(values, inside, outside, top_percent)
                errors = self._in_errors(label, level) if name == gate.name else None
                rows.append(
                    AgreementRow(
                        detector=name,
                        class_name=self.class_name(label),
                        of="mask" if self.truth is None else "truth",
                        voxels=cover.voxels,
                        auroc=a.auroc,
                        average_precision=a.average_precision,
                        inside=a.inside,
                        outside=a.outside,
                        ratio=a.ratio,
                        top=a.top,
                        top_percent=top_percent,
                        true_positive=None if errors is None else errors.true_positive,
                        false_positive=None if errors is None else errors.false_positive,
                        false_negative=None if errors is None else errors.false_negative,
                    )
                )
        return rows

    def _in_errors(self, label: int | None, level: int) -> Errors | None:
        if self.truth is None or self.mask is None:
            return None
        mask, truth = self.structure(label), self.structure(label, truth=True)
        return statistics.in_errors(self.cover(level), mask, truth)

    def agreement_slice_rows(self, axis: int, label: int | None = None) -> list[AgreementSliceRow]:
        """Return the agreement of every gate for every slice along an axis, of a class or of any.

        Of the truth where there is one, or else of the mask.
        """
        structure = self.structure(label, truth=self.truth is not None)
        rows = []
        for level, gate in self.gates.items():
            cover = self.cover(level)
            curves: tuple[Any, Any, Any] | None = None
            if self.truth is not None and self.mask is not None:
                mask, truth = self.structure(label), self.structure(label, truth=True)
                curves = statistics.in_errors_per_slice(cover, mask, truth, axis)
            for i, a in enumerate(statistics.agreement_per_slice(cover, structure, axis)):
                right, spurious, missed = (None,) * 3 if curves is None else (c[i] for c in curves)
                rows.append(
                    AgreementSliceRow(
                        gate=gate.name,
                        class_name=self.class_name(label),
                        axis=AXES[axis],
                        index=i,
                        auroc=a.auroc,
                        average_precision=a.average_precision,
                        inside=a.inside,
                        outside=a.outside,
                        ratio=a.ratio,
                        true_positive=right,
                        false_positive=spurious,
                        false_negative=missed,
                    )
                )
        return rows
