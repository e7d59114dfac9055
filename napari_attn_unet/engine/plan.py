"""`Plan`: how a volume is evaluated in slabs; and what follows from one, as arithmetic on sizes.

Levels count from 1, the finest. Nothing is allocated here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.volume import Box

HALO = 2
"""Planes to each side that a block of two 3x3x3 convolutions reaches."""

Size = tuple[int, int, int]
_BLOCK_KERNEL = 27


@dataclass(frozen=True, slots=True)
class Plan:
    """How a volume is evaluated.

    Attributes
    ----------
    axis
        The axis (of Z, Y, X: 0, 1, 2) that is cut into slabs.
    recomputed
        Number of levels, finest first, whose encoder features are not kept but computed twice.
    thickness
        Planes per slab of the finest level, an even number; level k has 2^(k - 1) times as many,
        in planes a quarter as large.
    bytes_needed
        Estimated peak of what the run allocates.
    """

    axis: int = 0
    recomputed: int = 0
    thickness: int = 32
    bytes_needed: int = 0

    @property
    def description(self) -> str:
        """The plan in words."""
        if not self.recomputed:
            return "whole volume at once"
        levels = "level 1" if self.recomputed == 1 else f"levels 1-{self.recomputed}"
        return f"{levels} in slabs of {self.thickness} planes"

    def slabs(self, level: int, first: int, last: int) -> list[tuple[int, int]]:
        """Return [first, last) of the slabs that cover planes [first, last) of a level.

        They are even in thickness, as far as that goes, and begin at even planes.
        """
        first -= first % 2
        planes = last - first
        if planes <= 0:
            return []
        count = max(1, math.ceil(planes / (self.thickness << (level - 1))))
        step = 2 * math.ceil(planes / count / 2)
        return [(z, min(z + step, last)) for z in range(first, last, step)]

    def thickest(self, level: int, planes: int) -> int:
        """Return the planes of the thickest slab of a level of `planes`."""
        return max(last - first for first, last in self.slabs(level, 0, planes))


def padded(config: ModelConfig, size: tuple[int, ...], axis: int = 0) -> Size:
    """Return the padded size of a volume, the slab axis first."""
    z, y, x = (-(-n // config.multiple) * config.multiple for n in size)
    rest = [n for a, n in enumerate((z, y, x)) if a != axis]
    return (z, y, x)[axis], rest[0], rest[1]


def grids(config: ModelConfig, size: tuple[int, ...], axis: int = 0) -> dict[int, Size]:
    """Return the padded size of every level's maps, the slab axis first."""
    z, y, x = padded(config, size, axis)
    return {
        level: (z >> (level - 1), y >> (level - 1), x >> (level - 1))
        for level in range(1, config.levels + 1)
    }


def context(config: ModelConfig, size: tuple[int, ...], region: Box | None) -> Box:
    """Return the part of a volume of `size` that a region's result depends on.

    It lies on the coarsest level's grid. At its borders that are not the volume's own, features
    are wrong, but only within the reach of the network's convolutions from there.
    """
    if region is None or config.coefficients == "softmax":  # a sum over the whole map
        region = (slice(0, size[0]), slice(0, size[1]), slice(0, size[2]))
    multiple = config.multiple
    reach = math.ceil(config.reach / multiple) * multiple
    z, y, x = (
        slice(
            max(0, part.start // multiple * multiple - reach),
            min(n, math.ceil(part.stop / multiple) * multiple + reach),
        )
        for part, n in zip(region, size, strict=True)
    )
    return z, y, x


def work(config: ModelConfig, size: Size, plan: Plan) -> float:
    """Return the multiply-adds of the blocks under a plan; all else is small beside them."""
    total = 0.0
    for level, (planes, height, width) in grids(config, size, plan.axis).items():
        channels = config.width(level)
        inner = config.in_channels if level == 1 else config.width(level - 1)
        plane = _BLOCK_KERNEL * channels * height * width
        for first, last in plan.slabs(level, 0, planes):
            total += plane * (inner * (last - first + 2) + channels * (last - first))
            if level == config.levels:
                continue
            total += plane * (2 * channels * (last - first + 2) + channels * (last - first))
            if level <= plan.recomputed:
                total += plane * (inner * (last - first + 6) + channels * (last - first + 4))
    return total
