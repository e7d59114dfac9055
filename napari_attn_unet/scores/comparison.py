"""A mask against a truth: counts that follow every change, slices, and where the errors are.

The widget and the command line ask the same object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from napari_attn_unet.scores import metrics
from napari_attn_unet.scores.components import BoolArray, box_of
from napari_attn_unet.scores.errors import ErrorComponent, ErrorRow, error_rows, errors_of
from napari_attn_unet.scores.matching import Labels
from napari_attn_unet.scores.metrics import Distances, FloatArray, Objects, Overlap
from napari_attn_unet.scores.surfaces import SignedSurface, signed_surface
from napari_attn_unet.table import Row, column
from napari_attn_unet.volume import Box, Geometry

KINDS = ("correct background", "true positive", "false positive", "false negative", "wrong class")
TOGETHER = "all classes as one"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRow(Row):
    """What is counted of one class, or of all as one structure.

    Attributes
    ----------
    case
        Name of the case in a table of many; else None.
    class_name
        The class, or `TOGETHER`.
    dice, iou, precision, recall
        See `metrics.Overlap`.
    mask_size, truth_size
        In `size_unit`: mm³, or voxels where the geometry knows no mm.
    difference
        Of the mask's size from the truth's, in percent of the truth's; NaN without a truth.
    """

    case: str | None = column("case", None)
    class_name: str = column("class")
    dice: float = column("Dice")
    iou: float = column("IoU")
    precision: float = column("precision")
    recall: float = column("recall")
    mask_size: float = column("mask ({size_unit})")
    truth_size: float = column("truth ({size_unit})")
    difference: float = column("difference (%)")
    size_unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow(CountedRow):
    """Every number of one class, or of all as one structure.

    Attributes
    ----------
    hd95, assd
        In `unit`, the geometry's; see `metrics.Distances`.
    surface_dice
        At `tolerance`, in `unit`.
    found, missed, spurious
        See `metrics.Objects`.
    note
        What there is to say of the case in a table of many; else None.
    """

    hd95: float = column("HD95 ({unit})")
    assd: float = column("ASSD ({unit})")
    surface_dice: float = column("surface Dice at {tolerance:g} {unit}")
    found: int = column("objects found")
    missed: int = column("objects missed")
    spurious: int = column("objects spurious")
    note: str | None = column("note", None)
    unit: str
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow(Row):
    """One slice along an axis, of a class or of all together; sizes in voxels."""

    axis: str = column("axis")
    index: int = column("slice")
    class_name: str = column("class")
    dice: float = column("Dice")
    mask: float = column("mask")
    truth: float = column("truth")
    wrong: float = column("wrong")


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

    def _structures(self, label: int | None) -> tuple[BoolArray, BoolArray]:
        if label is None:
            return self.mask > 0, self.truth > 0
        return self.mask == label, self.truth == label

    def _kept(self, label: int | None) -> int:
        """Return where a structure's numbers are kept: one class is all classes as one."""
        return label or (1 if len(self.classes) == 2 else 0)  # noqa: PLR2004

    def distances(self, label: int | None) -> Distances:
        """Return the surface distances of a class, in the geometry's unit."""
        key = self._kept(label)
        if key not in self._distances:
            pair = self._structures(label)
            self._distances[key] = metrics.distances(*pair, self.geometry.steps)
        return self._distances[key]

    def objects(self, label: int | None) -> Objects:
        """Return the objects of a class found, missed and spurious."""
        key = self._kept(label)
        if key not in self._objects:
            self._objects[key] = metrics.objects(*self._structures(label))
        return self._objects[key]

    def _every(self) -> list[int | None]:
        """Return the classes of a table: all together last, where there are several."""
        return [*self.labels(), *([None] if len(self.classes) > 2 else [])]  # noqa: PLR2004

    def counted_rows(self) -> list[CountedRow]:
        """Return what follows every change at once: a row per class, and one for all."""
        return [self._counted(label) for label in self._every()]

    def _counted(self, label: int | None) -> CountedRow:
        voxel = self.geometry.voxel_mm3
        o = self.overlap(label)
        mask, truth = o.both + o.mask_only, o.both + o.truth_only
        return CountedRow(
            class_name=self.name(label),
            dice=o.dice,
            iou=o.iou,
            precision=o.precision,
            recall=o.recall,
            mask_size=mask * (voxel or 1),
            truth_size=truth * (voxel or 1),
            difference=100 * (mask - truth) / truth if truth else math.nan,
            size_unit="voxels" if voxel is None else "mm³",
        )

    def rows(self, tolerance: float) -> list[ScoreRow]:
        """Return every number: a row per class, and one for all where there are several.

        Parameters
        ----------
        tolerance
            Of the surface Dice, in the geometry's unit.
        """
        return [self._scored(label, tolerance) for label in self._every()]

    def every_row(self, tolerance: float) -> list[ScoreRow]:
        """Return `rows`, and one for all classes also where there are not several."""
        return [self._scored(label, tolerance) for label in (*self.labels(), None)]

    def _scored(self, label: int | None, tolerance: float) -> ScoreRow:
        counted = self._counted(label)
        d, o = self.distances(label), self.objects(label)
        return ScoreRow(
            **{field.name: getattr(counted, field.name) for field in fields(counted)},
            hd95=d.hd95,
            assd=d.assd,
            surface_dice=d.surface_dice(tolerance),
            found=o.found,
            missed=o.missed,
            spurious=o.spurious,
            unit=self.geometry.length_unit,
            tolerance=tolerance,
        )

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

    def slice_rows(self) -> list[SliceRow]:
        """Return the numbers of every slice along every axis, all classes together first."""
        rows = []
        for axis, name in enumerate("zyx"):
            for label in (None, *self.labels()):
                curves = self.slices(axis, label)
                rows += [
                    SliceRow(
                        axis=name,
                        index=i,
                        class_name=self.name(label),
                        dice=float(curves["Dice"][i]),
                        mask=float(curves["mask"][i]),
                        truth=float(curves["truth"][i]),
                        wrong=float(curves["wrong"][i]),
                    )
                    for i in range(len(curves["Dice"]))
                ]
        return rows

    # --- errors ---------------------------------------------------------------------------------
    def components(self) -> list[ErrorComponent]:
        """Return the connected errors, the largest first."""
        box = box_of((self.mask > 0) | (self.truth > 0))  # nothing is wrong outside
        mask, truth = self.mask[box], self.truth[box]
        found: list[ErrorComponent] = []
        for t, m in np.argwhere(self.counts[0].sum(axis=0)):
            if t == m:
                continue
            kind = int(self._kinds[t, m])
            missed = KINDS[kind] == "false negative"
            names = {2: self.classes[m], 3: self.classes[t]}
            classes = names.get(kind, f"{self.classes[t]} → {self.classes[m]}")
            wrong = (truth == t) & (mask == m)
            other = mask == t if missed else truth == m
            found += errors_of(
                wrong, other, self.geometry.steps, box, kind=KINDS[kind], classes=classes
            )
        return sorted(found, key=lambda c: (-c.voxels, -c.depth))

    def component_rows(self, components: Sequence[ErrorComponent]) -> list[ErrorRow]:
        """Return errors as a table, numbered as they come."""
        return error_rows(components, self.geometry)

    # --- surface --------------------------------------------------------------------------------
    def surface(self, label: int | None) -> SignedSurface | None:
        """Return the mask's surface of a class and its signed distance from the truth's.

        See `surfaces.signed_surface`; None where mask or truth has nothing of the class.
        """
        return signed_surface(*self._structures(label), self.geometry.steps)
