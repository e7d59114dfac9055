"""Connected components: voxels that touch, by a face, an edge or a corner (26-neighbourhood).

The one place that labels them: objects found and missed, errors in a list, differences of a map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.volume import Box

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Connected voxels.

    Attributes
    ----------
    voxels
        How many there are.
    box
        The smallest box around them.
    """

    voxels: int
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Connected:
    """A structure, taken apart into its components.

    Attributes
    ----------
    box
        The smallest box around the structure.
    labels
        (Z, Y, X) of that box: the number of each voxel's component, from 1 in C order of their
        first voxels; 0 outside.
    components
        Number 1 first; their boxes are in the grid of the structure.
    """

    box: tuple[slice, ...]
    labels: npt.NDArray[np.int32]
    components: tuple[Component, ...]

    def __len__(self) -> int:
        """Return how many components there are."""
        return len(self.components)

    def touched_by(self, other: BoolArray) -> int:
        """Return how many components share a voxel with another structure on the same grid."""
        touched = self.labels[other[self.box]]
        return len(np.unique(touched[touched > 0]))


def connected(structure: BoolArray) -> Connected:
    """Return the connected components of a structure (Z, Y, X)."""
    from scipy import ndimage  # noqa: PLC0415  (slow to import)

    box = box_of(structure)
    if not structure[box].size:
        return Connected(box, np.zeros(structure[box].shape, np.int32), ())
    labels, count = ndimage.label(structure[box], np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:].tolist()
    found = []
    for voxels, inner in zip(sizes, ndimage.find_objects(labels), strict=True):
        z, y, x = (
            slice(outer.start + s.start, outer.start + s.stop)
            for outer, s in zip(box, inner, strict=True)
        )
        found.append(Component(voxels=voxels, box=(z, y, x)))
    return Connected(box, labels, tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class MapComponent(Component):
    """Connected voxels of a map.

    Attributes
    ----------
    peak
        Index (z, y, x) of the voxel where the map's magnitude is largest.
    value
        The map there.
    total
        Sum of the map's magnitude over the component.
    """

    peak: tuple[int, int, int]
    value: float
    total: float


def map_components(values: npt.NDArray[np.floating], threshold: float) -> list[MapComponent]:
    """Return the connected components where a map's magnitude reaches a threshold.

    Parameters
    ----------
    values
        (Z, Y, X). Where its sign changes, a component ends.
    threshold
        Above 0.

    Returns
    -------
    list of MapComponent
        The largest total first.

    Raises
    ------
    ConfigError
        If the threshold is not above 0.
    """
    if not threshold > 0:
        msg = f"A threshold above 0 is needed, but got {threshold:g}."
        raise ConfigError(msg)
    found: list[MapComponent] = []
    for sign in (1, -1):
        parts = connected(sign * values >= threshold)
        magnitude = sign * values[parts.box]
        for number, part in enumerate(parts.components, 1):
            inner = tuple(
                slice(s.start - outer.start, s.stop - outer.start)
                for s, outer in zip(part.box, parts.box, strict=True)
            )
            here = parts.labels[inner] == number
            inside = np.where(here, magnitude[inner], -np.inf)
            place = np.unravel_index(int(inside.argmax()), inside.shape)
            z, y, x = (int(s.start + p) for s, p in zip(part.box, place, strict=True))
            found.append(
                MapComponent(
                    voxels=part.voxels,
                    box=part.box,
                    peak=(z, y, x),
                    value=float(values[z, y, x]),
                    total=float(inside[here].sum(dtype=np.float64)),
                )
            )
    return sorted(found, key=lambda component: -component.total)


def box_of(structure: BoolArray) -> tuple[slice, ...]:
    """Return the smallest box around a structure; an empty one if there is nothing."""
    box = []
    for axis in range(structure.ndim):
        others = tuple(a for a in range(structure.ndim) if a != axis)
        found = np.flatnonzero(structure.any(axis=others))
        box.append(slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0))
    return tuple(box)
