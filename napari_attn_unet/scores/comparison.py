"""A mask against a truth: counts that follow every change, slices, and where the errors are.

The widget and the command line ask the same object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.scores import metrics
from napari_attn_unet.scores.metrics import Distances, FloatArray, Objects, Overlap
from napari_attn_unet.volume import Box, Geometry

Row = dict[str, Any]
Labels = npt.NDArray[np.uint8]
KINDS = ("correct background", "true positive", "false positive", "false negative", "wrong class")
TOGETHER = "all classes as one"
IGNORE = -1
"""Where a value of either side is mapped to this, a voxel counts for nothing."""
MOST_CLASSES = 255


@dataclass(frozen=True, slots=True)
class Matching:
    """Which values of mask and truth mean which class.

    Attributes
    ----------
    classes
        Names; the first is the background.
    mask, truth
        {value: index into `classes`, or `IGNORE`}.
    """

    classes: tuple[str, ...]
    mask: Mapping[int, int]
    truth: Mapping[int, int]


def labels_in(array: npt.NDArray[Any]) -> set[int]:
    """Return the values that occur in a label array."""
    if array.dtype.kind in "bu" and array.dtype.itemsize == 1:
        return set(np.flatnonzero(np.bincount(array.ravel(), minlength=1)).tolist())
    return set(np.unique(array).tolist())


def match(mask: Mapping[int, str | None], truth: Mapping[int, str | None]) -> Matching:
    """Match values by name where both sides have names, else by value.

    Parameters
    ----------
    mask, truth
        The values that occur, and their names where known. 0 is the background.
    """
    both_named = all(any(names[v] for v in names if v) for names in (mask, truth))
    classes = ["background"]
    known: dict[int | str, int] = {}
    maps: list[dict[int, int]] = [{0: 0}, {0: 0}]
    for side, names, others in ((maps[0], mask, truth), (maps[1], truth, mask)):
        for value in sorted(v for v in names if v):
            name = names[value] or others.get(value)
            key = _plain(name) if both_named and name else value
            if key not in known:
                known[key] = len(classes)
                classes.append(name or f"label {value}")
            side[value] = known[key]
    return Matching(tuple(classes), *maps)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def relabel(
    mask: npt.NDArray[Any], truth: npt.NDArray[Any], matching: Matching
) -> tuple[Labels, Labels]:
    """Return both with the classes of a matching; what is ignored is background in both.

    Raises
    ------
    ShapeError
        If there are more classes than a byte holds, or the shapes differ.
    """
    metrics.same_shape(mask, truth)
    if len(matching.classes) > MOST_CLASSES:
        msg = (
            f"There are {len(matching.classes)} classes; at most {MOST_CLASSES} are compared. "
            "Is one of the layers a map of numbered objects?"
        )
        raise ShapeError(msg)
    found = []
    ignored = np.zeros(mask.shape, bool)
    for array, mapping in ((mask, matching.mask), (truth, matching.truth)):
        labels = _mapped(array, mapping)
        if IGNORE in mapping.values():
            ignored |= labels == MOST_CLASSES
        found.append(labels)
    for labels in found:
        labels[ignored] = 0
    return found[0], found[1]


def _mapped(array: npt.NDArray[Any], mapping: Mapping[int, int]) -> Labels:
    """Return the classes of an array's values; `IGNORE` becomes 255, an unknown value 0."""
    classes = {value: MOST_CLASSES if c == IGNORE else c for value, c in mapping.items()}
    if array.dtype.kind in "bu" and array.dtype.itemsize == 1:
        table = np.zeros(2**8, np.uint8)
        for value, c in classes.items():
            table[value] = c
        return np.asarray(table[array.view(np.uint8)])
    result = np.zeros(array.shape, np.uint8)
    for value, c in classes.items():
        if c:
            result[array == value] = c
    return result


@dataclass(frozen=True, slots=True)
class Component:
    """Connected voxels of one kind of error (26-neighbourhood).

    Attributes
    ----------
    kind, classes
        "false positive" of a class, "false negative" of a class, or "wrong class", truth → mask.
    voxels
        How many there are.
    depth
        How far inside its middle lies: the largest distance of a voxel to the outside.
    distance
        The largest distance to the other side's structure: of a false positive to the truth, of a
        false negative to the mask; infinite where that has none.
    voxel
        Index (z, y, x) of its middle.
    box
        The smallest box around it.
    """

    kind: str
    classes: str
    voxels: int
    depth: float
    distance: float
    voxel: tuple[int, int, int]
    box: Box


class Comparison:
    """A mask and a truth on one grid, class by class.

    Parameters
    ----------
    mask, truth
        Classes (Z, Y, X), uint8; see `relabel`. They are kept.
    geometry
        Place of the grid.
    classes
        Name of every class, the background first.
    """

    def __init__(
        self, mask: Labels, truth: Labels, geometry: Geometry, classes: Sequence[str]
    ) -> None:
        self.mask, self.truth = mask, truth
        self.geometry, self.classes = geometry, tuple(classes)
        k = len(self.classes)
        self._kinds = np.full((k, k), KINDS.index("wrong class"), np.uint8)
        self._kinds[0, :], self._kinds[:, 0] = 2, 3
        np.fill_diagonal(self._kinds, 1)
        self._kinds[0, 0] = 0
        pairs = truth.astype(np.uint16) * np.uint16(k) + mask
        self.errors: Labels = self._kinds.ravel()[pairs]
        # Per axis (slices, classes of the truth, classes of the mask).
        self.counts = tuple(
            np.stack(
                [
                    np.bincount(plane.ravel(), minlength=k * k).reshape(k, k)
                    for plane in np.moveaxis(pairs, axis, 0)
                ]
            )
            for axis in range(3)
        )
        self._distances: dict[int, Distances] = {}
        self._objects: dict[int, Objects] = {}

    # --- what changes ---------------------------------------------------------------------------
    def update(self, mask: Labels, truth: Labels, box: Box | None = None) -> Box | None:
        """Take over changes; only voxels that differ are counted again.

        Parameters
        ----------
        mask, truth
            Classes, of the whole grid or of a box.
        box
            Where they lie.

        Returns
        -------
        The box around what changed, or None.
        """
        where = box or (slice(None),) * 3
        old_mask, old_truth = self.mask[where], self.truth[where]
        index = np.nonzero((old_mask != mask) | (old_truth != truth))
        if not len(index[0]):
            return None
        start = [s.start or 0 for s in where]
        for sign, m, t in ((-1, old_mask, old_truth), (1, mask, truth)):
            for axis, counts in enumerate(self.counts):
                np.add.at(counts, (index[axis] + start[axis], t[index], m[index]), sign)
        old_mask[index], old_truth[index] = mask[index], truth[index]  # views
        self.errors[where][index] = self._kinds[truth[index], mask[index]]
        self._distances.clear()
        self._objects.clear()
        z, y, x = (
            slice(int(i.min()) + s, int(i.max()) + s + 1) for i, s in zip(index, start, strict=True)
        )
        return z, y, x

    def copy(self) -> Comparison:
        """Return one that later changes do not reach, for a thread to look at."""
        other = Comparison.__new__(Comparison)
        other.__dict__ |= self.__dict__
        other.mask, other.truth, other.errors = (
            a.copy() for a in (self.mask, self.truth, self.errors)
        )
        other.counts = tuple(c.copy() for c in self.counts)
        other._distances, other._objects = dict(self._distances), dict(self._objects)  # noqa: SLF001
        return other

    # --- numbers --------------------------------------------------------------------------------
    def labels(self) -> list[int]:
        """Return the classes but the background."""
        return list(range(1, len(self.classes)))

    def _wanted(self, label: int | None) -> list[int]:
        return self.labels() if label is None else [label]

    def name(self, label: int | None) -> str:
        """Return the name of a class; None is all together."""
        return TOGETHER if label is None else self.classes[label]

    def overlap(self, label: int | None) -> Overlap:
        """Return the overlap of a class; None takes all as one structure."""
        return metrics.overlap_of(self.counts[0].sum(axis=0), self._wanted(label))

    def _structures(self, label: int | None) -> tuple[metrics.BoolArray, metrics.BoolArray]:
        if label is None:
            return self.mask > 0, self.truth > 0
        return self.mask == label, self.truth == label

    def distances(self, label: int | None) -> Distances:
        """Return the surface distances of a class, in the geometry's unit."""
        key = label or 0
        if key not in self._distances:
            pair = self._structures(label)
            self._distances[key] = metrics.distances(*pair, self.geometry.spacing)
        return self._distances[key]

    def objects(self, label: int | None) -> Objects:
        """Return the objects of a class found, missed and spurious."""
        key = label or 0
        if key not in self._objects:
            self._objects[key] = metrics.objects(*self._structures(label))
        return self._objects[key]

    def counted_rows(self) -> list[Row]:
        """Return what follows every change at once: a row per class, and one for all."""
        voxel = self.geometry.voxel_mm3
        unit = "voxels" if voxel is None else "mm³"
        rows: list[Row] = []
        for label in [*self.labels(), *([None] if len(self.classes) > 2 else [])]:  # noqa: PLR2004
            o = self.overlap(label)
            mask, truth = o.both + o.mask_only, o.both + o.truth_only
            rows.append(
                {
                    "class": self.name(label),
                    "Dice": o.dice,
                    "IoU": o.iou,
                    "precision": o.precision,
                    "recall": o.recall,
                    f"mask ({unit})": mask * (voxel or 1),
                    f"truth ({unit})": truth * (voxel or 1),
                    "difference (%)": 100 * (mask - truth) / truth if truth else math.nan,
                }
            )
        return rows

    def rows(self, tolerance: float) -> list[Row]:
        """Return every number: a row per class, and one for all.

        Parameters
        ----------
        tolerance
            Of the surface Dice, in the geometry's unit.
        """
        unit = self.geometry.length_unit
        rows = self.counted_rows()
        for row, label in zip(rows, [*self.labels(), None], strict=False):
            d, o = self.distances(label), self.objects(label)
            row |= {
                f"HD95 ({unit})": d.hd95,
                f"ASSD ({unit})": d.assd,
                f"surface Dice at {tolerance:g} {unit}": d.surface_dice(tolerance),
                "objects found": o.found,
                "objects missed": o.missed,
                "objects spurious": o.spurious,
            }
        return rows

    # --- slices ---------------------------------------------------------------------------------
    def slices(self, axis: int, label: int | None) -> dict[str, FloatArray]:
        """Return per slice: Dice, areas of mask and truth, and wrong voxels of a class."""
        wanted = np.zeros(len(self.classes), bool)
        wanted[self._wanted(label)] = True
        counts = self.counts[axis]
        both = counts[:, wanted][:, :, wanted].sum(axis=(1, 2))
        mask = counts[:, :, wanted].sum(axis=(1, 2))
        truth = counts[:, wanted].sum(axis=(1, 2))
        wrong = mask + truth - 2 * both
        if label is None:  # one class for another is wrong too
            inside = counts[:, wanted][:, :, wanted]
            wrong = wrong + inside.sum(axis=(1, 2)) - np.trace(inside, axis1=1, axis2=2)
        total = (mask + truth).astype(np.float64)
        dice = np.divide(2 * both, total, out=np.full(len(total), np.nan), where=total > 0)
        return {
            "Dice": dice,
            "mask": mask.astype(np.float64),
            "truth": truth.astype(np.float64),
            "wrong": wrong.astype(np.float64),
        }

    def worst_slices(self, axis: int, label: int | None) -> list[int]:
        """Return the slices that have wrong voxels, the one with most first."""
        wrong = self.slices(axis, label)["wrong"]
        order = np.argsort(-wrong, kind="stable")
        return [int(i) for i in order if wrong[i]]

    # --- errors ---------------------------------------------------------------------------------
    def components(self) -> list[Component]:
        """Return the connected errors, the largest first."""
        box = metrics.box_of((self.mask > 0) | (self.truth > 0))  # nothing is wrong outside
        start = [s.start for s in box]
        mask, truth = self.mask[box], self.truth[box]
        found: list[Component] = []
        for t, m in np.argwhere(self.counts[0].sum(axis=0)):
            if t == m:
                continue
            kind = int(self._kinds[t, m])
            missed = KINDS[kind] == "false negative"
            other = mask == t if missed else truth == m
            names = {2: self.classes[m], 3: self.classes[t]}
            classes = names.get(kind, f"{self.classes[t]} → {self.classes[m]}")
            wrong = (truth == t) & (mask == m)
            found += self._connected(wrong, other, start, KINDS[kind], classes)
        return sorted(found, key=lambda c: (-c.voxels, -c.depth))

    def _connected(
        self,
        wrong: metrics.BoolArray,
        other: metrics.BoolArray,
        start: Sequence[int],
        kind: str,
        classes: str,
    ) -> list[Component]:
        """Return the connected parts of `wrong`, whose first voxel lies at `start`."""
        from scipy import ndimage  # noqa: PLC0415  (slow to import)

        away = metrics.nearest(wrong, metrics.surface(other), self.geometry.spacing)
        crop = metrics.box_of(wrong)
        start = [a + s.start for a, s in zip(start, crop, strict=True)]
        inside = wrong[crop]
        labels, count = ndimage.label(inside, np.ones((3, 3, 3)))
        numbers = np.arange(1, count + 1)
        spacing = self.geometry.spacing
        inner = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=spacing)[
            1:-1, 1:-1, 1:-1
        ]
        middles = ndimage.maximum_position(inner, labels, numbers)
        farthest = ndimage.maximum(away, labels[inside], numbers)
        voxels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        found = []
        for i, box in enumerate(ndimage.find_objects(labels)):
            z, y, x = (int(a + b) for a, b in zip(start, middles[i], strict=True))
            bounds = [slice(s + b.start, s + b.stop) for s, b in zip(start, box, strict=True)]
            found.append(
                Component(
                    kind,
                    classes,
                    int(voxels[i]),
                    float(inner[middles[i]]),
                    float(farthest[i]),
                    (z, y, x),
                    (bounds[0], bounds[1], bounds[2]),
                )
            )
        return found

    def component_rows(self, components: Sequence[Component]) -> list[Row]:
        """Return components as a table."""
        voxel = self.geometry.voxel_mm3
        unit = self.geometry.length_unit
        rows = []
        for number, c in enumerate(components, 1):
            row: Row = {"#": number, "error": c.kind, "class": c.classes, "voxels": c.voxels}
            if voxel is not None:
                row["mm³"] = c.voxels * voxel
            row |= {f"depth ({unit})": c.depth, f"distance ({unit})": c.distance}
            rows.append(row | dict(zip("zyx", c.voxel, strict=True)))
        return rows

    # --- surface --------------------------------------------------------------------------------
    def surface(
        self, label: int | None
    ) -> tuple[FloatArray, npt.NDArray[np.int64], FloatArray] | None:
        """Return the mask's surface and its signed distance from the truth's.

        Returns
        -------
        Vertices (N, 3) in voxels, faces (M, 3), and at every vertex the distance to the nearest
        vertex of the truth's surface, in the geometry's unit: above 0 outside the truth, below 0
        inside. Both surfaces are those of marching cubes (Lorensen & Cline 1987), half-way between
        voxel centres. None where mask or truth has nothing of the class.
        """
        from scipy import ndimage  # noqa: PLC0415  (slow to import)
        from scipy.spatial import cKDTree  # noqa: PLC0415
        from skimage import measure  # noqa: PLC0415

        mask, truth = self._structures(label)
        if not mask.any() or not truth.any():
            return None
        box = metrics.box_of(mask | truth)
        start = np.asarray([s.start for s in box])
        solid, true = (np.pad(a[box], 1).astype(np.float32) for a in (mask, truth))
        vertices, faces, _, _ = measure.marching_cubes(solid, 0.5)
        others, _, _, _ = measure.marching_cubes(true, 0.5)
        spacing = np.asarray(self.geometry.spacing)
        distance, _ = cKDTree(others * spacing).query(vertices * spacing)
        inside = ndimage.map_coordinates(true, vertices.T, order=1) > 0.5  # noqa: PLR2004
        return vertices + start - 1, faces.astype(np.int64), np.where(inside, -distance, distance)


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
    probability: npt.NDArray[Any], truth: metrics.BoolArray, steps: int = 100
) -> ThresholdCurve:
    """Return the overlap with a truth at thresholds 1/steps, 2/steps, …, below 1."""
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
) -> Labels:
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
