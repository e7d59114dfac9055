"""How well a mask agrees with a truth: arrays in, numbers out.

Overlap is counted in voxels. Distances are between surfaces: a structure's surface is its voxels
with a neighbour (of 6) outside it, where beyond the border of the volume is outside; a surface's
distance to another is that from each of its voxel centres to the nearest of the other. These are
the definitions of MONAI (`compute_hausdorff_distance`, `compute_average_surface_distance`,
`compute_surface_dice`), to which the tests hold them.

Where a structure is in neither array, there is nothing to agree on: shares and distances are NaN.
Where it is in one only, Dice, IoU and surface Dice are 0 and distances infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.scores.components import BoolArray, box_of, connected

FloatArray = npt.NDArray[np.float64]
Spacing = Sequence[float] | FloatArray
"""Size of a voxel along each axis (z, y, x); or a (3, 3) matrix, `Geometry.steps`."""
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Voxels of one structure that a mask gets right and wrong.

    Attributes
    ----------
    both, mask_only, truth_only
        True positive, false positive and false negative voxels.
    """

    both: int
    mask_only: int
    truth_only: int

    @property
    def dice(self) -> float:
        """2 |A ∩ B| / (|A| + |B|) (Dice 1945)."""
        return _share(2 * self.both, 2 * self.both + self.mask_only + self.truth_only)

    @property
    def iou(self) -> float:
        """|A ∩ B| / |A ∪ B| (Jaccard 1912)."""
        return _share(self.both, self.both + self.mask_only + self.truth_only)

    @property
    def precision(self) -> float:
        """Share of the mask that is true; NaN where the mask has none."""
        return _share(self.both, self.both + self.mask_only)

    @property
    def recall(self) -> float:
        """Share of the truth that the mask finds; NaN where the truth has none."""
        return _share(self.both, self.both + self.truth_only)


@dataclass(frozen=True, slots=True)
class Distances:
    """Distances between two surfaces.

    Attributes
    ----------
    mask_to_truth, truth_to_mask
        Distance of every surface voxel of the one to the surface of the other, in the spacing's
        unit.
    """

    mask_to_truth: FloatArray
    truth_to_mask: FloatArray

    def _missing(self) -> float | None:
        """Return what a number is where a surface is missing: NaN without both, else infinite."""
        if not len(self.mask_to_truth) and not len(self.truth_to_mask):
            return NAN
        if not len(self.mask_to_truth) or not len(self.truth_to_mask):
            return float("inf")
        return None

    @property
    def hd95(self) -> float:
        """Return the larger of both directions' 95th percentile of the distances."""
        missing = self._missing()
        if missing is not None:
            return missing
        return float(max(np.percentile(d, 95) for d in (self.mask_to_truth, self.truth_to_mask)))

    @property
    def assd(self) -> float:
        """Average symmetric surface distance: the mean over both surfaces' voxels."""
        missing = self._missing()
        if missing is not None:
            return missing
        return float(np.concatenate([self.mask_to_truth, self.truth_to_mask]).mean())

    def surface_dice(self, tolerance: float) -> float:
        """Return the share of both surfaces within a tolerance of the other.

        Counted in surface voxels (Nikolov et al. 2018, arXiv:1809.04430).
        """
        limit = tolerance * (1 + 1e-9)  # a distance that equals it but for rounding is within
        near = sum(int((d <= limit).sum()) for d in (self.mask_to_truth, self.truth_to_mask))
        return _share(near, len(self.mask_to_truth) + len(self.truth_to_mask))


@dataclass(frozen=True, slots=True)
class Objects:
    """Connected objects (26-neighbourhood).

    Attributes
    ----------
    found, missed
        Objects of the truth that the mask touches, and that it does not.
    spurious
        Objects of the mask that touch none of the truth.
    """

    found: int
    missed: int
    spurious: int


def overlap_of(counts: npt.NDArray[np.int64], labels: Sequence[int]) -> Overlap:
    """Return the overlap of a class, or of several taken as one, from a confusion matrix."""
    inside = np.zeros(len(counts), bool)
    inside[list(labels)] = True
    both = int(counts[np.ix_(inside, inside)].sum())
    return Overlap(both, int(counts[:, inside].sum()) - both, int(counts[inside].sum()) - both)


def overlap(mask: BoolArray, truth: BoolArray) -> Overlap:
    """Return the overlap of two structures of the same shape."""
    same_shape(mask, truth)
    both = int(np.logical_and(mask, truth).sum())
    return Overlap(both, int(mask.sum()) - both, int(truth.sum()) - both)


def dice(mask: npt.NDArray[Any], truth: npt.NDArray[Any], label: int) -> float:
    """Return the Dice coefficient of one label."""
    return overlap(mask == label, truth == label).dice


def distances(mask: BoolArray, truth: BoolArray, spacing: Spacing) -> Distances:
    """Return the distances between the surfaces of two structures.

    Parameters
    ----------
    mask, truth
        (Z, Y, X).
    spacing
        Size of a voxel along each axis (z, y, x); or, as of a sheared grid, the (3, 3) matrix
        from steps of voxels to lengths, `Geometry.steps`.
    """
    same_shape(mask, truth)
    box = box_of(mask | truth)
    a, b = surface(mask[box]), surface(truth[box])
    return Distances(nearest(a, b, spacing), nearest(b, a, spacing))


def surface(structure: BoolArray) -> BoolArray:
    """Return the voxels of a structure that have a neighbour (of 6) outside it."""
    from scipy import ndimage  # noqa: PLC0415  (slow to import)

    padded = np.pad(structure, 1)  # beyond the border is outside
    result: BoolArray = (padded & ~ndimage.binary_erosion(padded))[1:-1, 1:-1, 1:-1]
    return result


def in_space(index: npt.NDArray[Any], spacing: Spacing) -> FloatArray:
    """Return where indices (N, 3) of voxels lie in space, for distances between them."""
    steps = _steps(spacing)
    return np.asarray(index * steps if steps.ndim == 1 else index @ steps.T)


def _steps(spacing: Spacing) -> FloatArray:
    """Return lengths (3,) along axes at right angles, or else the (3, 3) matrix."""
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.ndim > 1 and np.array_equal(steps, np.diag(np.diag(steps))):
        return np.diag(steps)
    return steps


def thickness(structure: BoolArray, spacing: Spacing) -> FloatArray:
    """Return how far each voxel (Z, Y, X) of a structure is from the nearest one outside it."""
    from scipy import ndimage  # noqa: PLC0415  (slow to import)

    padded = np.pad(structure, 1)
    steps = _steps(spacing)
    if steps.ndim == 1:
        inner = ndimage.distance_transform_edt(padded, sampling=steps)
    else:  # scipy's transform takes right angles for granted
        inner = np.zeros(padded.shape)
        around = ndimage.binary_dilation(padded, np.ones((3, 3, 3)))
        inner[padded] = nearest(padded, around & ~padded, steps)
    return np.asarray(inner[1:-1, 1:-1, 1:-1], dtype=np.float64)


def nearest(here: BoolArray, there: BoolArray, spacing: Spacing) -> FloatArray:
    """Return how far each voxel of `here` is from the nearest of `there`, in C order."""
    # A tree asks only the voxels that count; a distance transform would fill the whole volume.
    from scipy.spatial import cKDTree  # noqa: PLC0415  (slow to import)

    if not there.any() or not here.any():
        return np.full(int(here.sum()), np.inf)
    tree = cKDTree(in_space(np.argwhere(there), spacing))
    found, _ = tree.query(in_space(np.argwhere(here), spacing))
    return np.asarray(found, dtype=np.float64)


def objects(mask: BoolArray, truth: BoolArray) -> Objects:
    """Return how many objects of the truth are found and missed, and how many are spurious.

    Parameters
    ----------
    mask, truth
        Structures (Z, Y, X).

    Raises
    ------
    ShapeError
        If they differ in shape.
    """
    same_shape(mask, truth)
    there, here = connected(truth), connected(mask)
    found = there.touched_by(mask)
    return Objects(found, len(there) - found, len(here) - here.touched_by(truth))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else NAN


def same_shape(mask: npt.NDArray[Any], truth: npt.NDArray[Any]) -> None:
    """Raise a `ShapeError` unless both have one shape."""
    if mask.shape != truth.shape:
        msg = f"Mask and truth must have one shape, but are {mask.shape} and {truth.shape}."
        raise ShapeError(msg)
