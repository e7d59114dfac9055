"""One prediction under the magnifying glass: what `attention` says of it, as tables.

The widget and the command line ask the same object; it reads what it is given and keeps what it
has counted.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import FileError, ShapeError
from napari_attn_unet.gates import statistics
from napari_attn_unet.gates.statistics import BoolArray, Cover, GateStatistics, Profile
from napari_attn_unet.prediction import GateMap
from napari_attn_unet.volume import Geometry

AXES = ("z", "y", "x")
Row = dict[str, Any]


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
    def statistics_rows(self) -> list[Row]:
        """Return a row per gate: its grid and its statistics."""
        rows = []
        for level, gate in self.gates.items():
            s = self.statistics(level)
            rows.append(
                {
                    "gate": gate.name,
                    "grid": "×".join(map(str, gate.coefficients.shape)),
                    "coarser": 2**level,
                    "mean": s.mean,
                    "sd": s.deviation,
                    "share below 0.05": s.low,
                    "share above 0.95": s.high,
                    "entropy": s.entropy,
                    "verdict": s.verdict,
                }
            )
        return rows

    def profile_rows(self, axis: int, label: int | None = None) -> list[Row]:
        """Return a row per slice along an axis."""
        profile = self.profile(axis, label)
        rows: list[Row] = []
        for i, area in enumerate(profile.area):
            row: Row = {"axis": AXES[axis], "slice": i, "class": self.class_name(label)}
            for level, gate in self.gates.items():
                row[f"{gate.name} inside"] = profile.inside[level][i]
                row[f"{gate.name} outside"] = profile.outside[level][i]
            if self.mask is not None:
                row["mask area (voxels)"] = int(area)
            if profile.truth_area is not None:
                row["truth area (voxels)"] = int(profile.truth_area[i])
            rows.append(row)
        return rows

    def agreement_rows(
        self,
        label: int | None = None,
        top_percent: float = 5.0,
        random_gates: Sequence[GateMap] = (),
    ) -> list[Row]:
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
                row: Row = {
                    "detector": name,
                    "class": self.class_name(label),
                    "of": "mask" if self.truth is None else "truth",
                    "AUROC": a.auroc,
                    "average precision": a.average_precision,
                    "mean inside": a.inside,
                    "mean outside": a.outside,
                    "inside / outside": a.ratio,
                    f"inside, of the top {top_percent:g} %": a.top,
                }
                if self.truth is not None and self.mask is not None:
                    row |= self._error_columns(label, level, name == gate.name)
                rows.append(row)
        return rows

    def _error_columns(self, label: int | None, level: int, is_gate: bool) -> Row:
        if not is_gate:
            return {"α in TP": "", "α in FP": "", "α in FN": ""}
        e = statistics.in_errors(
            self.cover(level), self.structure(label), self.structure(label, truth=True)
        )
        return {
            "α in TP": e.true_positive,
            "α in FP": e.false_positive,
            "α in FN": e.false_negative,
        }

    def agreement_slice_rows(self, axis: int, label: int | None = None) -> list[Row]:
        """Return the agreement of every gate for every slice along an axis."""
        structure = self.structure(label, truth=self.truth is not None)
        rows: list[Row] = []
        for level, gate in self.gates.items():
            cover = self.cover(level)
            errors: Sequence[Any] = ()
            if self.truth is not None and self.mask is not None:
                mask, truth = self.structure(label), self.structure(label, truth=True)
                errors = statistics.in_errors_per_slice(cover, mask, truth, axis)
            for i, a in enumerate(statistics.agreement_per_slice(cover, structure, axis)):
                row: Row = {
                    "gate": gate.name,
                    "class": self.class_name(label),
                    "axis": AXES[axis],
                    "slice": i,
                    "AUROC": a.auroc,
                    "average precision": a.average_precision,
                    "mean inside": a.inside,
                    "mean outside": a.outside,
                    "inside / outside": a.ratio,
                }
                for name, curve in zip(("TP", "FP", "FN"), errors, strict=False):
                    row[f"α in {name}"] = curve[i]
                rows.append(row)
        return rows


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows, all with the same columns, as CSV (RFC 4180); NaN becomes an empty cell.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    rows = list(rows)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [])
            writer.writeheader()
            writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    except OSError as error:
        msg = f"The table could not be written to {path}: {error}. Choose another place."
        raise FileError(msg) from error


def _cell(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
