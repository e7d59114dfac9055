"""What figures and films show of a slice: its pixels, a gate in its hue, outlines, sides.

All by what `picture` says, so that they look as the canvas does; without matplotlib.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.prediction import ClassInfo, Colour
from napari_attn_unet.report import picture
from napari_attn_unet.report.orientation import Convention, View, position, view_of
from napari_attn_unet.volume import Geometry


@dataclass(frozen=True, slots=True)
class Style:
    """How figures and films look; the defaults are those of a fresh result on the canvas.

    Attributes
    ----------
    limits
        Intensities shown black and white; None takes `picture.limits` of the image.
    table
        (256, 4) RGBA of the coefficients, as of `picture.ramp`; None takes the gates' one hue.
    opacity
        Of a gate as a whole, 0 to 1.
    gate_limits
        Coefficients that get the table's ends.
    classes
        Name and colour of every class, the background first; those that are missing are numbered.
    convention
        Which side of the patient is on the left of the picture.
    patient
        The image's grid in the patient, whose world axes run towards superior, anterior and right
        (see `orientation.is_known`); None where its file does not say: then nothing is turned or
        lettered.
    placed
        Whether the image is known to lie anywhere (see `orientation.is_placed`); where it is not,
        a slice's place is its index alone.
    """

    limits: tuple[float, float] | None = None
    table: npt.NDArray[np.float32] | None = None
    opacity: float = picture.GATE_OPACITY
    gate_limits: tuple[float, float] = (0.0, 1.0)
    classes: Sequence[ClassInfo] = field(default_factory=tuple)
    convention: Convention = "radiological"
    patient: Geometry | None = None
    placed: bool = True


class Slices:
    """The slices of an inspection along an axis, turned as they are seen.

    Parameters
    ----------
    inspection
        What is shown.
    axis
        That is sliced across: 0, 1, 2 for z, y, x.
    style
        How it looks.

    Attributes
    ----------
    view
        How a slice is turned.
    sides
        Letters at 'top', 'bottom', 'left' and 'right'; empty where they are not known.
    size
        Height and width of a slice, in the unit of the geometry.
    aspect
        Height of a voxel by its width.
    """

    def __init__(self, inspection: Inspection, axis: int, style: Style) -> None:
        self.inspection, self.axis, self.style = inspection, axis, style
        geometry, shape = inspection.geometry, inspection.image.shape
        known, patient = style.patient is not None, style.patient or geometry
        self.view: View = view_of(patient, axis, style.convention, known=known)
        self.sides = self.view.sides(patient)
        self.limits = style.limits or picture.limits(inspection.image)
        rows, columns = self.view.rows, self.view.columns
        spacing = geometry.spacing
        self.size = shape[rows] * spacing[rows], shape[columns] * spacing[columns]
        self.aspect = spacing[rows] / spacing[columns]
        self.classes = self._classes()
        self.hue = picture.gate_hue(self.classes)
        self.table = picture.ramp(self.hue) if style.table is None else style.table

    def _classes(self) -> list[ClassInfo]:
        """Return a class for every label, the style's as far as they go."""
        given, about = list(self.style.classes), self.inspection
        last = max([*about.labels(), len(about.classes) - 1, 0])
        names = {label: about.class_name(label) for label in range(len(given), last + 1)}
        return given + [ClassInfo.numbered(label, name) for label, name in names.items()]

    @property
    def count(self) -> int:
        """How many slices there are."""
        return int(self.inspection.image.shape[self.axis])

    def position(self, index: int) -> str:
        """Return where a slice lies: "z 23 · −17.0 mm"."""
        known = self.style.placed
        return position(self.inspection.geometry, self.axis, index, known=known)

    def means(self, index: int, level: int) -> tuple[float, float] | None:
        """Return a gate's mean coefficient inside and outside the mask on a slice.

        Without a mask, of the truth. None where one of them has no voxel.
        """
        about = self.inspection
        labels = about.truth if about.mask is None else about.mask
        if labels is None:
            return None
        cover = about.cover(level)
        values = cover.spread(cover.values, math.nan, self.axis, index)
        return inside_and_outside(values, labels.take(index, self.axis))

    def pixels(self, index: int, level: int | None = None) -> npt.NDArray[np.uint8]:
        """Return a slice as (rows, columns, 3), with a gate over it if its level is given."""
        plane = self.view.turn(self.inspection.image.take(index, self.axis))
        grey = picture.grey(plane, self.limits)
        if level is None:
            return picture.compose(grey)
        cover = self.inspection.cover(level)
        values = self.view.turn(cover.spread(cover.values, math.nan, self.axis, index))
        low, high = self.style.gate_limits
        shown = ((values - low) / ((high - low) or 1.0)).clip(0, 1)  # NaN stays
        return picture.compose(grey, shown, self.table, self.style.opacity)

    def outlines(self, index: int, *, truth: bool = False) -> list[tuple[Colour, list[Loop]]]:
        """Return the closed outlines of every class of the mask, or the truth, with its colour."""
        labels = self.inspection.truth if truth else self.inspection.mask
        if labels is None:
            return []
        found = picture.outlines(self.view.turn(labels.take(index, self.axis)))
        return [(self.colour(label), loops(pieces)) for label, pieces in found.items()]

    def colour(self, label: int) -> Colour:
        """Return the colour of a class, (r, g, b) in 0..1."""
        known = label < len(self.classes)
        return self.classes[label].colour if known else ClassInfo.numbered(label, "").colour

    def area(self) -> npt.NDArray[np.intp]:
        """Return how many voxels of each slice are of any class of the mask, or of the truth."""
        structure = self.inspection.structure(None, truth=self.inspection.mask is None)
        others = tuple(a for a in range(3) if a != self.axis)
        return np.asarray(structure.sum(axis=others))


def inside_and_outside(
    values: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    label: int | None = None,
) -> tuple[float, float] | None:
    """Return a gate's mean coefficient inside and outside a structure on a slice.

    Parameters
    ----------
    values
        (Y, X) on the image's grid; those that are not finite, which the map does not reach, are
        not counted.
    labels
        (Y, X) on the same voxels.
    label
        The structure's; None for any but the background.

    Returns
    -------
    tuple or None
        None where the slice has no such voxel inside, or none outside.
    """
    structure = labels != 0 if label is None else labels == label
    known = np.isfinite(values)
    inside, outside = values[structure & known], values[~structure & known]
    if not (inside.size and outside.size):
        return None
    return float(inside.mean(dtype=np.float64)), float(outside.mean(dtype=np.float64))


Loop = npt.NDArray[np.float32]
"""(N, 2): the corners (column, row) of a closed line, the first again at its end."""


def loops(pieces: picture.Segments) -> list[Loop]:
    """Return the closed lines that straight pieces make up, so that dashes run around corners.

    Parameters
    ----------
    pieces
        As of `picture.outlines`: at each of their ends, one along a row meets one along a column.
    """
    # By the end of a piece, the one that goes on from there: of the other direction.
    ends: dict[tuple[bool, float, float], int] = {}
    across = (pieces[:, 0, 0] == pieces[:, 1, 0]).tolist()
    places = pieces.tolist()
    for i, (along_row, piece) in enumerate(zip(across, places, strict=True)):
        for row, column in piece:
            ends[along_row, row, column] = i
    left = set(range(len(places)))
    result = []
    while left:
        i = left.pop()
        here, there = places[i]
        corners = [here, there]
        while (i := ends[not across[i], *there]) in left:
            left.remove(i)
            start, end = places[i]
            there = end if start == there else start
            corners.append(there)
        result.append(np.asarray(corners, np.float32)[:, ::-1])
    return result
