"""Random patches: cropped, rotated, scaled, mirrored, intensities changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from torch import Tensor

from napari_attn_unet.training.sides import BY_DEFAULT

if TYPE_CHECKING:
    from napari_attn_unet.training.data import Case

MAX_ANGLE = 15.0
"""Largest rotation about each axis, degrees."""
SCALE = (0.8, 1.25)
"""Change of size, drawn for each axis."""
UNTURNED = 0.5
"""Share of patches that are not turned or scaled, only mirrored. Interpolation blurs: a network
that has never seen the sharp image is at a loss with it."""
GAMMA = (0.7, 1.5)
CONTRAST = (0.75, 1.3)
MAX_SHIFT = 0.2
"""Largest change of brightness, in standard deviations of the image."""
MAX_NOISE = 0.15
"""Largest standard deviation of added noise, in standard deviations of the image."""


def uniform(low: float, high: float, size: int, generator: torch.Generator) -> Tensor:
    """Return `size` numbers drawn evenly from [low, high)."""
    return low + (high - low) * torch.rand(size, generator=generator)


def random_patch(
    case: Case, patch: tuple[int, int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Cut a patch at a random place; a case smaller than the patch is zero-padded around.

    Returns
    -------
    image, label
        (C, Z, Y, X) float32 and (Z, Y, X) uint8.
    """
    image = torch.from_numpy(case.image)
    label = torch.from_numpy(case.label)
    for axis, want in enumerate(patch):
        have = label.shape[axis]
        place = int(torch.randint(abs(have - want) + 1, (1,), generator=generator))
        if have >= want:
            image = image.narrow(axis + 1, place, want)
            label = label.narrow(axis, place, want)
        else:
            pad = [0, 0] * (2 - axis) + [place, want - have - place]
            image, label = F.pad(image, pad), F.pad(label, pad)
    return image, label


def augment(
    image: Tensor,
    label: Tensor,
    generator: torch.Generator,
    mirror: Sequence[str] = BY_DEFAULT,
) -> tuple[Tensor, Tensor]:
    """Deform a batch in space and change its intensities.

    image (N, C, Z, Y, X) float32, label (N, Z, Y, X) uint8 -> the same shapes. Each patch is
    mirrored, or not, along each of the axes `mirror` ("z", "y", "x").
    """
    grid = F.affine_grid(
        _random_affine(len(image), image.shape[2:], generator, mirror),
        list(image.shape),
        align_corners=False,
    )
    image = F.grid_sample(image, grid, mode="bilinear", align_corners=False)
    # Classes are interpolated as probabilities: nearest neighbour would leave their borders jagged.
    onehot = F.one_hot(label.long()).movedim(-1, 1).float()
    onehot[:, 0] -= 1.0  # what comes in from outside the patch is background
    label = F.grid_sample(onehot, grid, mode="bilinear", align_corners=False)
    label[:, 0] += 1.0

    def each(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1, 1)

    n = len(image)
    low, high = image.amin((1, 2, 3, 4), True), image.amax((1, 2, 3, 4), True)
    reach = (high - low).clamp_min(1e-6)
    image = ((image - low) / reach).clamp_min(0) ** each(uniform(*GAMMA, n, generator))
    image = image * reach + low
    image = image * each(uniform(*CONTRAST, n, generator))
    image = image + each(uniform(-MAX_SHIFT, MAX_SHIFT, n, generator))
    noise = torch.randn(image.shape, generator=generator)
    image = image + noise * each(uniform(0, MAX_NOISE, n, generator))
    return image, label.argmax(dim=1).to(torch.uint8)


def _random_affine(
    n: int, size: torch.Size, generator: torch.Generator, mirror: Sequence[str]
) -> Tensor:
    """Return (N, 3, 4) sampling matrices in affine_grid's own (x, y, z) in [-1, 1]."""
    angles = torch.deg2rad(uniform(-MAX_ANGLE, MAX_ANGLE, 3 * n, generator)).view(n, 3)
    matrix = torch.eye(3).expand(n, 3, 3)
    for axis in range(3):
        i, j = (k for k in range(3) if k != axis)
        turn = torch.eye(3).repeat(n, 1, 1)
        turn[:, i, i] = turn[:, j, j] = torch.cos(angles[:, axis])
        turn[:, i, j] = -torch.sin(angles[:, axis])
        turn[:, j, i] = torch.sin(angles[:, axis])
        matrix = matrix @ turn
    matrix = matrix * uniform(*SCALE, 3 * n, generator).view(n, 1, 3)
    unturned = torch.rand(n, generator=generator) < UNTURNED
    matrix = torch.where(unturned.view(n, 1, 1), torch.eye(3), matrix)
    sign = torch.ones(n, 3)
    for name in mirror:
        drawn = torch.rand(n, generator=generator) < 0.5  # noqa: PLR2004
        sign[:, "xyz".index(name)] = 1.0 - 2.0 * drawn
    matrix = matrix * sign.view(n, 1, 3)
    # Normalised coordinates have another length per axis; turn voxels, not the unit cube.
    half = torch.tensor([float(s) for s in reversed(size)])
    matrix = matrix * half.view(1, 1, 3) / half.view(1, 3, 1)
    return torch.cat([matrix, torch.zeros(n, 3, 1)], dim=2)
