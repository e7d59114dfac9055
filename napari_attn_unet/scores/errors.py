"""Where a mask is wrong: the connected errors of one kind, measured, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.scores import metrics
from napari_attn_unet.scores.components import BoolArray, Component, box_of, connected
from napari_attn_unet.table import Row, column
from napari_attn_unet.volume import Geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorComponent(Component):
    """Connected voxels of one kind of error.

    Attributes
    ----------
    kind, classes
        "false positive" of a class, "false negative" of a class, or "wrong class", truth → mask.
    depth
        How far inside its middle lies: the largest distance of a voxel to the outside, in the
        geometry's unit.
    distance
        The largest distance to the other side's structure: of a false positive to the truth, of a
        false negative to the mask; infinite where that has none.
    voxel
        Index (z, y, x) of its middle.
    """

    kind: str
    classes: str
    depth: float
    distance: float
    voxel: tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow(Row):
    """An `ErrorComponent` in a table.

    Attributes
    ----------
    number
        From 1, the largest first.
    mm3
        Its size, or None where the geometry knows no mm.
    seen
        "yes" or "" where a person ticks off what was seen; else None.
    """

    number: int = column("#")
    kind: str = column("error")
    classes: str = column("class")
    voxels: int = column("voxels")
    mm3: float | None = column("mm³", None)
    depth: float = column("depth ({unit})")
    distance: float = column("distance ({unit})")
    z: int = column("z")
    y: int = column("y")
    x: int = column("x")
    seen: str | None = column("seen", None)
    unit: str


def errors_of(  # noqa: PLR0913  (what they are, beside what they are called)
    wrong: BoolArray,
    other: BoolArray,
    spacing: metrics.Spacing,
    crop: Sequence[slice],
    *,
    kind: str,
    classes: str,
) -> list[ErrorComponent]:
    """Return the components of the voxels that are wrong in one way.

    Parameters
    ----------
    wrong, other
        (Z, Y, X): those voxels, and the other side's structure, to which their distance is.
    spacing
        As of `metrics.distances`.
    crop
        Where both arrays lie in the whole grid; the result's places are in that.
    kind, classes
        See `ErrorComponent`.
    """
    from scipy import ndimage  # noqa: PLC0415  (slow to import)

    parts = connected(wrong)
    around = box_of(wrong | other)  # a surface that ends at its border is the same
    away = metrics.nearest(wrong[around], metrics.surface(other[around]), spacing)
    inside = parts.labels > 0
    inner = metrics.thickness(inside, spacing)
    numbers = np.arange(1, len(parts) + 1)
    middles = ndimage.maximum_position(inner, parts.labels, numbers)
    farthest = ndimage.maximum(away, parts.labels[inside], numbers)
    start = [s.start for s in crop]
    found = []
    for part, middle, distance in zip(parts.components, middles, farthest, strict=True):
        box = [slice(a + s.start, a + s.stop) for a, s in zip(start, part.box, strict=True)]
        place = [int(a + s.start + i) for a, s, i in zip(start, parts.box, middle, strict=True)]
        found.append(
            ErrorComponent(
                voxels=part.voxels,
                box=(box[0], box[1], box[2]),
                kind=kind,
                classes=classes,
                depth=float(inner[middle]),
                distance=float(distance),
                voxel=(place[0], place[1], place[2]),
            )
        )
    return found


def part_of(
    component: ErrorComponent, mask: npt.NDArray[Any], truth: npt.NDArray[Any]
) -> BoolArray:
    """Return the voxels of an error within its box.

    Parameters
    ----------
    component
        The error.
    mask, truth
        (Z, Y, X) classes of both sides, as they were when it was found.
    """
    from scipy import ndimage  # noqa: PLC0415  (slow to import)

    said, right = mask[component.voxel], truth[component.voxel]
    alike = (mask[component.box] == said) & (truth[component.box] == right)
    labels, _ = ndimage.label(alike, np.ones((3, 3, 3)))
    place = [i - s.start for i, s in zip(component.voxel, component.box, strict=True)]
    return np.asarray(labels == labels[tuple(place)])


def error_rows(components: Sequence[ErrorComponent], geometry: Geometry) -> list[ErrorRow]:
    """Return errors as a table, numbered as they come.

    Parameters
    ----------
    components
        The errors.
    geometry
        Of their grid: tells mm³ and the unit of distances.
    """
    voxel = geometry.voxel_mm3
    return [
        ErrorRow(
            number=number,
            kind=c.kind,
            classes=c.classes,
            voxels=c.voxels,
            mm3=None if voxel is None else c.voxels * voxel,
            depth=c.depth,
            distance=c.distance,
            z=c.voxel[0],
            y=c.voxel[1],
            x=c.voxel[2],
            unit=geometry.length_unit,
        )
        for number, c in enumerate(components, 1)
    ]
