"""Surfaces in 3D: the mask's, with its signed distance from the truth's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_attn_unet.scores.components import BoolArray, box_of
from napari_attn_unet.scores.metrics import FloatArray, Spacing, in_space

SignedSurface = tuple[FloatArray, npt.NDArray[np.int64], FloatArray]
"""Vertices (N, 3), faces (M, 3), a distance per vertex (N,)."""


def signed_surface(mask: BoolArray, truth: BoolArray, spacing: Spacing) -> SignedSurface | None:
    """Return a mask's surface and its signed distance from the truth's.

    Parameters
    ----------
    mask, truth
        Structures (Z, Y, X) on one grid.
    spacing
        As of `metrics.distances`.

    Returns
    -------
    Vertices (N, 3) in voxels, faces (M, 3), and at every vertex the distance to the nearest
    vertex of the truth's surface, in the spacing's unit: above 0 outside the truth, below 0
    inside. Both surfaces are those of marching cubes (Lorensen & Cline 1987), half-way between
    voxel centres. None where mask or truth has nothing.
    """
    from scipy import ndimage  # noqa: PLC0415  (slow to import)
    from scipy.spatial import cKDTree  # noqa: PLC0415
    from skimage import measure  # noqa: PLC0415

    if not mask.any() or not truth.any():
        return None
    box = box_of(mask | truth)
    start = np.asarray([s.start for s in box])
    solid, true = (np.pad(a[box], 1).astype(np.float32) for a in (mask, truth))
    vertices, faces, _, _ = measure.marching_cubes(solid, 0.5)
    others, _, _, _ = measure.marching_cubes(true, 0.5)
    distance, _ = cKDTree(in_space(others, spacing)).query(in_space(vertices, spacing))
    inside = ndimage.map_coordinates(true, vertices.T, order=1) > 0.5  # noqa: PLR2004
    return vertices + start - 1, faces.astype(np.int64), np.where(inside, -distance, distance)
