"""Synthetic volumes whose truth is known: two touching, curved lobes among look-alikes.

Both lobes have the same mean intensity and lie along one arc; only the grain of their texture
differs. Look-alikes are arcs of the same size and intensity that have one grain throughout: a
voxel belongs to a lobe only if the other lobe lies at the far end of its arc, which is a matter
of context.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.volume import Geometry, Volume

CLASSES = ("background", "front lobe", "back lobe")
SMALLEST = 16

_RADIUS, _THICKNESS, _HALF_ANGLE = 0.5, 0.22, 0.9  # of the arcs, in half-sizes and radians
_FINE, _COARSE = 0.5, 2.0  # grain of the textures, voxels
_TISSUE, _LOBE, _AIR = 0.45, 0.8, 0.05  # mean intensities
_TEXTURE, _NOISE, _BIAS = 0.2, 0.03, 0.15
_LOOK_ALIKES = 2
_TRIES = 200

Array = npt.NDArray[np.float64]


def make(
    shape: tuple[int, int, int] = (48, 48, 48), seed: int = 0
) -> tuple[Volume, npt.NDArray[np.uint8]]:
    """Return an MRI-like volume and its truth.

    Parameters
    ----------
    shape
        Size (Z, Y, X) in voxels of 1 mm, at least 16 along each axis; the lobes grow with it. The
        bundled checkpoint knows the default size.
    seed
        Decides pose, texture, bias field and noise.

    Returns
    -------
    volume, truth
        (1, Z, Y, X) float32, and (Z, Y, X) uint8 with the labels of `CLASSES`.

    Raises
    ------
    ShapeError
        If an axis is too short to hold the lobes.
    """
    if len(shape) != 3 or min(shape) < SMALLEST:  # noqa: PLR2004
        msg = (
            f"A phantom needs at least {SMALLEST} voxels along each of 3 axes (Z, Y, X), "
            f"but got {tuple(shape)}. Ask for a larger shape, such as (48, 48, 48)."
        )
        raise ShapeError(msg)
    rng = np.random.default_rng(seed)
    axes = [np.linspace(-1, 1, n) * n / min(shape) for n in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    half = np.asarray(shape) / min(shape)
    body = ((grid / (0.95 * half)) ** 2).sum(axis=-1) < 1

    fine, coarse = (_texture(shape, grain, rng) for grain in (_FINE, _COARSE))
    image = np.where(body, _TISSUE, _AIR)
    truth = np.zeros(shape, np.uint8)
    taken = np.zeros(shape, bool)
    for i in range(1 + _LOOK_ALIKES):
        inside, front = _arc(grid, half, taken, rng)
        taken |= inside
        if i == 0:
            truth[inside & front], truth[inside & ~front] = 1, 2
            grain = np.where(front, fine, coarse)
            for lobe in (inside & front, inside & ~front):
                grain[lobe] -= grain[lobe].mean()  # nothing but the grain may differ
        else:
            grain = fine if i % 2 else coarse
        image = np.where(inside, _LOBE + _TEXTURE * grain, image)
    bias = gaussian_filter(rng.normal(size=shape), np.asarray(shape) / 5)
    image = image * (1 + _BIAS * bias / np.abs(bias).max())
    # Rician, as the magnitude of a complex MRI signal (Gudbjartsson & Patz 1995).
    image = np.hypot(image + _NOISE * rng.normal(size=shape), _NOISE * rng.normal(size=shape))
    data = (1000 * image[np.newaxis]).astype(np.float32)
    return Volume(data, Geometry.from_spacing(unit="mm"), "Phantom"), truth


def _texture(shape: tuple[int, int, int], grain: float, rng: np.random.Generator) -> Array:
    texture = gaussian_filter(rng.normal(size=shape), grain)
    return np.asarray((texture - texture.mean()) / texture.std())


def _arc(
    grid: Array, half: Array, taken: npt.NDArray[np.bool_], rng: np.random.Generator
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the voxels of an arc at a random place, and which lie in its front half.

    Of the places tried, the first that touches nothing taken is used; in a crowded volume, the
    one that touches least, cut where they overlap.
    """
    best: tuple[float, npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None = None
    around = gaussian_filter(taken.astype(float), 1.0) > 0.02  # noqa: PLR2004  (a rim of 2 voxels)
    for _ in range(_TRIES):
        centre = rng.uniform(-0.4, 0.4, 3) * half
        turned = (grid - centre) @ Rotation.random(rng=rng).as_matrix()
        along = np.arctan2(turned[..., 1], turned[..., 0] + _RADIUS)
        across = np.hypot(turned[..., 0] + _RADIUS, turned[..., 1]) - _RADIUS
        inside = (across**2 + turned[..., 2] ** 2 < _THICKNESS**2) & (np.abs(along) < _HALF_ANGLE)
        overlap = float((inside & around).sum())
        if inside.any() and (best is None or overlap < best[0]):
            best = overlap, inside & ~around, along < 0
        if best is not None and best[0] == 0:
            break
    assert best is not None  # noqa: S101  (an arc through the middle always has voxels)
    return best[1], best[2]
