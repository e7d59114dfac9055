"""Connected regions of a map, to be stepped through: where is it largest, and how large is that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.volume import Box


@dataclass(frozen=True, slots=True)
class Region:
    """Connected voxels (26-neighbourhood).

    Attributes
    ----------
    voxels
        How many there are.
    box
        The smallest box around them.
    peak
        Index (z, y, x) of the voxel where the map's magnitude is largest.
    value
        The map there.
    total
        Sum of the map's magnitude over the region.
    """

    voxels: int
    box: Box
    peak: tuple[int, int, int]
    value: float
    total: float


def regions(values: npt.NDArray[np.floating], threshold: float) -> list[Region]:
    """Return the connected regions where a map's magnitude reaches a threshold.

    Parameters
    ----------
    values
        (Z, Y, X). Where its sign changes, a region ends.
    threshold
        Above 0.

    Returns
    -------
    list of Region
        The largest total first.
    """
    from skimage import measure  # noqa: PLC0415  (slow to import)

    if threshold <= 0:
        msg = f"A threshold above 0 is needed, but got {threshold:g}."
        raise ConfigError(msg)
    found: list[Region] = []
    for sign in (1, -1):
        labels = measure.label(sign * values >= threshold)
        for region in measure.regionprops(labels, intensity_image=sign * values):
            inside = np.where(region.image, region.image_intensity, -np.inf)
            place = np.unravel_index(int(inside.argmax()), inside.shape)
            z, y, x = (int(s.start + p) for s, p in zip(region.slice, place, strict=True))
            total = float(region.image_intensity[region.image].sum(dtype=np.float64))
            value = float(values[z, y, x])
            found.append(Region(int(region.num_pixels), region.slice, (z, y, x), value, total))
    return sorted(found, key=lambda region: -region.total)
