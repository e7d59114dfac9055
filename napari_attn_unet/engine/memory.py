"""What a run takes of memory: one estimate, pure, for the window, the session and the tests.

Everything is arithmetic on sizes. Levels count from 1, the finest.
"""

from __future__ import annotations

import math

from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.plan import HALO, Plan, Size, context, grids, padded
from napari_attn_unet.engine.request import Keep, Request
from napari_attn_unet.network.config import ModelConfig, map_size

HEAP_SLACK = 64_000_000
"""Bytes that the C library may keep of small blocks that were freed (twice its threshold for
mapping a block on its own), measured: a run's peak is its maps and up to this."""
FLOAT = 4
"""Bytes of a number of a result, and of a gate's coefficients, whatever the precision."""

_MAPS_HELD = 12
"""Full-resolution maps of the finest level's channels that autograd holds at most, rounded up."""


def evaluation_bytes(config: ModelConfig, size: Size, plan: Plan, itemsize: int) -> int:
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
    sizes = grids(config, size, plan.axis)
    voxels = {level: math.prod(grid) for level, grid in sizes.items()}
    if not config.is_local:
        # torch runs it: at the worst moment a skip connection, the upsampled features, both of
        # them joined, and the gated skip connection.
        maps = 5 * config.width(1) * voxels[1]
        return HEAP_SLACK + itemsize * maps + _slab_bytes(config, voxels[1], itemsize)
    live = peak = _workspace(config, sizes, plan)

    def hold(numbers: int) -> None:
        nonlocal live, peak
        live += numbers
        peak = max(peak, live)

    def below(level: int) -> None:
        """Walk all that decoding a level needs."""
        deeper = level + 1
        pooled = config.width(level) * voxels[deeper]
        projected = pooled if level in config.gated_levels else 0
        skip = config.width(level) * voxels[level] if level > plan.recomputed else 0
        hold(pooled + projected + skip)
        if skip and level > 1:
            hold(-config.width(level - 1) * voxels[level])  # its input is done with
        features = config.width(deeper) * voxels[deeper]
        if deeper < config.levels:
            below(deeper)
            hold(features)
            if config.deep_supervision:
                hold(config.classes * voxels[deeper])  # kept to the end
            hold(-(features if deeper > plan.recomputed else pooled))
            hold(-config.width(deeper + 1) * voxels[deeper + 1])
        else:
            hold(features - pooled)
        hold(-projected)

    below(1)
    planes, height, width = sizes[1]
    slab = min(plan.thickest(1, planes) + 2 * HALO, planes) * height * width
    return HEAP_SLACK + itemsize * peak + _slab_bytes(config, slab, itemsize)


def _slab_bytes(config: ModelConfig, voxels: int, itemsize: int) -> int:
    """Return the bytes that a slab takes outside the network.

    Either its image is normalised, in float64, or its logits become labels by way of float32
    probabilities; with deep supervision, from the class maps of all stages, each and joined.
    """
    stages = 2 * (config.levels - 1) if config.deep_supervision else 0
    logits = 3 * FLOAT * config.classes + itemsize * stages * config.classes
    return voxels * max(24 * config.in_channels, logits)


def _workspace(config: ModelConfig, sizes: dict[int, Size], plan: Plan) -> int:
    """Return the numbers that the buffers of a slab take: hidden, skip and joined."""
    hidden = skip = joined = 0
    for level, (planes, height, width) in sizes.items():
        plane = config.width(level) * height * width
        inner = min(plan.thickest(level, planes) + 2 * HALO, planes)
        hidden = max(hidden, plane * min(inner + 2, planes + 2))
        if level < config.levels:
            skip = max(skip, plane * inner)
            joined = max(joined, 2 * plane * inner)
    return hidden + skip + joined


def features_bytes(config: ModelConfig, size: Size, itemsize: int, keep: Keep) -> int:
    """Return the bytes that the `streaming.Features` of a volume hold, exactly.

    Parameters
    ----------
    config, size, itemsize
        As in `evaluation_bytes`.
    keep
        "regions": what the finest level is decoded from; "gates": what every level is.
    """
    voxels = {level: math.prod(grid) for level, grid in grids(config, size).items()}
    levels = range(1, config.levels) if keep == "gates" else range(1, 2)
    numbers = sum(config.width(level + 1) * voxels[level + 1] for level in levels)  # decoded
    if keep == "gates":
        numbers += sum(config.width(k) * voxels[k + 1] for k in config.gated_levels)  # projected
        numbers += sum(config.width(k) * voxels[k] for k in range(2, config.levels))  # skips
    if config.deep_supervision:
        numbers += config.classes * sum(voxels[k] for k in range(2, config.levels))
    return itemsize * numbers + FLOAT * sum(voxels[level + 1] for level in config.gated_levels)


def maps_bytes(config: ModelConfig, size: Size, *, probabilities: bool) -> int:
    """Return the bytes of the mask, the gate maps and, if wanted, the probabilities of `size`."""
    gates = sum(math.prod(map_size(size, level)) for level in config.gated_levels)
    maps = config.classes * math.prod(size) if probabilities else 0
    return math.prod(size) + FLOAT * (gates + maps)


def result_bytes(config: ModelConfig, frame: Frame, request: Request) -> int:
    """Return the bytes of main memory that a run fills beside the network's evaluation.

    The result, of the region that is wanted; where the volume is resampled, also its copy on the
    network's grid, and the probabilities there and brought back, by which the mask comes.
    """
    if frame.is_resampled:
        there = maps_bytes(config, frame.shape, probabilities=True)
        here = maps_bytes(config, frame.source_shape, probabilities=True)
        return there + here + FLOAT * config.in_channels * math.prod(frame.shape)
    z, y, x = request.size(frame.source_shape)
    in_memory = request.probabilities and request.store is None
    return maps_bytes(config, (z, y, x), probabilities=in_memory)


def preparation_bytes(config: ModelConfig, frame: Frame) -> int:
    """Return the bytes of main memory that resampling a volume takes, before the network runs.

    The channels on the network's grid, and of the one that is resampled: its copy as floats, the
    result, and the larger of both once more: the copy smoothed where the grid becomes coarser, the
    result clipped where it becomes finer (measured of scikit-image's `resize`).
    """
    if not frame.is_resampled:
        return 0
    there, here = math.prod(frame.shape), math.prod(frame.source_shape)
    return FLOAT * (config.in_channels * there + there + here + max(there, here))


def evaluated_size(config: ModelConfig, frame: Frame, request: Request) -> Size:
    """Return the size of the part of the network's grid that a run without kept features needs."""
    region = None
    if request.region is not None and not request.interventions:  # one of the whole map
        region = frame.network_box(request.region)
    z, y, x = (s.stop - s.start for s in context(config, frame.shape, region))
    return z, y, x


def gradcam_bytes(config: ModelConfig, size: Size) -> int:
    """Return what `gates.gradcam` takes, roughly: autograd needs the whole volume at once."""
    return FLOAT * _MAPS_HELD * config.width(1) * math.prod(padded(config, size))


def in_words(size: float) -> str:
    """Return a number of bytes for people: 2147483648 -> "2.1 GB"."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
