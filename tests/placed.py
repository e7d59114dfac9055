"""Image layers that lie as few do."""

from __future__ import annotations

import numpy as np
from napari.layers import Image


def oblique(data: np.ndarray, **options: object) -> Image:
    """An image with mirrored, anisotropic voxels, turned, sheared and moved."""
    cos, sin = np.cos(0.3), np.sin(0.3)
    affine = np.eye(4)
    affine[:3] = [[cos, -sin, 0, 5], [sin, cos, 0.1, -7], [0, 0, 1, 3]]
    return Image(
        data,
        name="brain",
        scale=(-2.0, 0.7, 1.1),
        translate=(4, 5, 6),
        rotate=(10, 20, 30),
        shear=(0.1, 0.0, 0.05),
        affine=affine,
        units=("mm",) * 3,
        axis_labels=("z", "y", "x"),
        **options,
    )
