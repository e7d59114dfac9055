"""How a volume is evaluated within a memory limit: the plans, what each needs, which is chosen.

Everything here is arithmetic on sizes; nothing is allocated. Levels count from 0, the finest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from napari_attn_unet.errors import MemoryLimitError
from napari_attn_unet.network.model import ModelConfig, map_size
from napari_attn_unet.volume import Box

HALO = 2
"""Planes to each side that a block of two 3x3x3 convolutions reaches."""
LARGEST_SLAB = 2**20
"""Voxels of a slab of level 1; a run can be cancelled and shows progress after each."""
HEAP_SLACK = 64_000_000
"""Bytes that the C library may keep of small blocks that were freed (twice its threshold for
mapping a block on its own), measured: a run's peak is its maps and up to this."""

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
        Planes per slab of the finest level, an even number; level k has 2^k times as many, in
        planes a quarter as large.
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
        count = max(1, math.ceil(planes / (self.thickness << level)))
        step = 2 * math.ceil(planes / count / 2)
        return [(z, min(z + step, last)) for z in range(first, last, step)]


def padded(config: ModelConfig, size: tuple[int, ...], axis: int = 0) -> Size:
    """Return the padded size of a volume, the slab axis first."""
    z, y, x = (-(-n // config.multiple) * config.multiple for n in size)
    rest = [n for a, n in enumerate((z, y, x)) if a != axis]
    return (z, y, x)[axis], rest[0], rest[1]


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


def estimate_bytes(config: ModelConfig, size: Size, plan: Plan, itemsize: int) -> int:
    """Return the estimated peak of what an evaluation allocates, in bytes.

    This walks the evaluation of `streaming` and adds up the maps alive at each moment, with what
    is read of the image for a slab and the logits of one. Not counted are the image itself and
    what the caller keeps of the result.

    Parameters
    ----------
    config
        The network.
    size
        Size (Z, Y, X) of the volume; it is padded here.
    plan
        The plan; its own `bytes_needed` is not looked at.
    itemsize
        Bytes per number of a feature map.
    """
    grids = [
        tuple(n >> level for n in padded(config, size, plan.axis)) for level in range(config.levels)
    ]
    voxels = [math.prod(grid) for grid in grids]
    if config.norm != "batch":
        # torch runs it: at the worst moment a skip connection, the upsampled features, both of
        # them joined, and the gated skip connection.
        maps = 5 * config.channels[0] * voxels[0]
        return HEAP_SLACK + itemsize * maps + _slab_bytes(config, voxels[0])
    live = peak = _workspace(config, grids, plan)

    def hold(numbers: int) -> None:
        nonlocal live, peak
        live += numbers
        peak = max(peak, live)

    def below(level: int) -> None:
        channels = config.channels[level]
        kept = channels * voxels[level] if level >= plan.recomputed else 0
        hold(2 * channels * voxels[level + 1] + kept)  # pooled, projected for the gate
        if kept and level > 0:
            hold(-config.channels[level - 1] * voxels[level])  # its input is done with
        deeper = config.channels[level + 1] * voxels[level + 1]
        if level + 1 < config.levels - 1:
            below(level + 1)
            hold(deeper)
            below_kept = level + 1 >= plan.recomputed
            hold(-(deeper if below_kept else channels * voxels[level + 1]))
            hold(-config.channels[level + 2] * voxels[level + 2])
        else:
            hold(deeper)
            hold(-channels * voxels[level + 1])
        hold(-channels * voxels[level + 1])  # the projection

    below(0)
    planes, height, width = grids[0]
    thickest = max(last - first for first, last in plan.slabs(0, 0, planes))
    slab = min(thickest + 2 * HALO, planes) * height * width
    return HEAP_SLACK + itemsize * peak + _slab_bytes(config, slab)


def _slab_bytes(config: ModelConfig, voxels: int) -> int:
    """Return the bytes that a slab takes outside the network.

    Either its image is normalised, in float64, or its logits become labels by way of float32
    probabilities.
    """
    return voxels * max(24 * config.in_channels, 12 * config.classes)


def _workspace(config: ModelConfig, grids: list[tuple[int, ...]], plan: Plan) -> int:
    """Return the numbers that the buffers of a slab take: hidden, skip and joined."""
    hidden = skip = joined = 0
    for level, (planes, height, width) in enumerate(grids):
        slabs = plan.slabs(level, 0, planes)
        thickest = max(last - first for first, last in slabs)
        plane = config.channels[level] * height * width
        inner = min(thickest + 2 * HALO, planes)
        hidden = max(hidden, plane * min(inner + 2, planes + 2))
        if level < config.levels - 1:
            skip = max(skip, plane * inner)
            joined = max(joined, 2 * plane * inner)
    return hidden + skip + joined


def features_bytes(config: ModelConfig, size: Size, itemsize: int, *, every_level: bool) -> int:
    """Return the bytes that the `streaming.Features` of a volume hold."""
    voxels = [math.prod(padded(config, size)) // 8**level for level in range(config.levels)]
    c = config.channels
    numbers = c[1] * voxels[1] + sum(voxels[1:])
    if every_level:
        numbers = sum(voxels[1:])
        for level in range(config.levels - 1):
            numbers += (c[level] + c[level + 1]) * voxels[level + 1]  # projected, decoded
            numbers += c[level] * voxels[level] if level else 0  # skip connection
    if config.deep_supervision:
        numbers += config.classes * sum(voxels[1:-1])
    return int(itemsize * numbers)


def result_bytes(config: ModelConfig, size: Size, *, probabilities: bool) -> int:
    """Return the bytes of the mask, the gate maps and, if wanted, the probabilities of `size`."""
    gates = sum(math.prod(map_size(size, level)) for level in range(1, config.levels))
    maps = config.classes * math.prod(size) if probabilities else 0
    return math.prod(size) + 4 * (gates + maps)


def work(config: ModelConfig, size: Size, plan: Plan) -> float:
    """Return the multiply-adds of the blocks under a plan; all else is small beside them."""
    total = 0.0
    planes, height, width = padded(config, size, plan.axis)
    for level, channels in enumerate(config.channels):
        inner = config.in_channels if level == 0 else config.channels[level - 1]
        plane = _BLOCK_KERNEL * channels * ((height >> level) * (width >> level))
        for first, last in plan.slabs(level, 0, planes >> level):
            total += plane * (inner * (last - first + 2) + channels * (last - first))
            if level == config.levels - 1:
                continue
            total += plane * (2 * channels * (last - first + 2) + channels * (last - first))
            if level < plan.recomputed:
                total += plane * (inner * (last - first + 6) + channels * (last - first + 4))
    return total


def choose_plan(  # noqa: PLR0913  (a size, a limit and what else is in memory)
    config: ModelConfig,
    size: Size,
    itemsize: int,
    limit: int,
    axis: int | None = None,
    kept: int = 0,
) -> Plan:
    """Return the plan of least work whose estimate stays within `limit` bytes.

    Parameters
    ----------
    config, size, itemsize
        As in `estimate_bytes`.
    limit
        Bytes that the run may take.
    axis
        The axis along which the user looks through the volume, which is cut if that is possible
        at all. None leaves the choice free.
    kept
        Bytes of the result, which the run holds beside the evaluation.

    Raises
    ------
    MemoryLimitError
        If even the smallest plan needs more, or the network's normalisation needs the whole
        volume at once and that does not fit.
    """
    if config.norm != "batch":
        candidates = [Plan(axis or 0)]
    else:
        longest = max(range(3), key=lambda a: size[a])
        axes = dict.fromkeys((0, longest) if axis is None else (axis, longest))
        candidates = [
            Plan(a, recomputed, thickness)
            for a in axes
            for recomputed in range(config.levels)
            for thickness in _thicknesses(config, size, a)
        ]
    plans = [
        replace(p, bytes_needed=kept + estimate_bytes(config, size, p, itemsize))
        for p in candidates
    ]
    fitting = [plan for plan in plans if plan.bytes_needed <= limit]
    if axis is not None:
        fitting = [plan for plan in fitting if plan.axis == axis] or fitting
    if fitting:
        return min(fitting, key=lambda plan: work(config, size, plan))
    least = min(plan.bytes_needed for plan in plans)
    why = "" if config.norm == "batch" else " (instance normalisation needs the whole volume)"
    msg = (
        f"Segmenting {' × '.join(map(str, size))} voxels needs at least {in_words(least)}{why}, "
        f"but the memory limit is {in_words(limit)}. Raise the limit, close other programs, "
        "or crop the image."
    )
    raise MemoryLimitError(msg, least)


def _thicknesses(config: ModelConfig, size: Size, axis: int) -> list[int]:
    """Return the planes per slab that are tried: the largest that makes sense, and its halves."""
    _, height, width = padded(config, size, axis)
    largest = min(32, max(2, LARGEST_SLAB // (height * width)))
    return [n for n in (32, 24, 16, 12, 8, 6, 4, 2) if n <= largest]


def in_words(size: float) -> str:
    """Return a number of bytes for people: 2147483648 -> "2.1 GB"."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
