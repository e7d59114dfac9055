"""Which plan a run takes within a memory limit. Nothing is read, no weights are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.memory import (
    evaluated_size,
    evaluation_bytes,
    features_bytes,
    in_words,
    preparation_bytes,
    result_bytes,
)
from napari_attn_unet.engine.plan import Plan, Size, padded, work
from napari_attn_unet.engine.request import Keep, Request
from napari_attn_unet.errors import MemoryLimitError, ShapeError
from napari_attn_unet.network.config import ModelConfig

LARGEST_SLAB = 2**20
"""Voxels of a slab of level 1; a run can be cancelled and shows progress after each."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may take, and what its numbers take.

    Attributes
    ----------
    limit
        Bytes.
    itemsize
        Bytes per number of a feature map.
    holds_result
        Whether the result counts: not where the limit is a GPU's, as the result is not there.
    """

    limit: int
    itemsize: int = 4
    holds_result: bool = True


def plan_run(  # noqa: PLR0913  (all that decides it)
    config: ModelConfig,
    frame: Frame,
    request: Request,
    budget: Budget,
    *,
    axis: int | None = None,
    keep: Keep | None = None,
    kept_axis: int | None = None,
) -> tuple[Plan, bool]:
    """Return the plan of a run, and whether it has room to keep features for the next.

    Parameters
    ----------
    config, frame, request
        The network, where it lies over the volume, and what is wanted.
    budget
        What the run may take.
    axis
        The axis of the volume along which the user looks through it. None leaves the choice free.
    keep
        What should be kept, if there is room; see `Session`.
    kept_axis
        The plan's axis of features that are there already, and are to be used.

    Raises
    ------
    MemoryLimitError
        If even the smallest plan does not fit.
    ShapeError
        If the volume is too small for the network's normalisation.
    """
    _require_extent(config, frame.shape)
    network_axis = None if axis is None else frame.network_plane(axis, 0)[0]
    result = result_bytes(config, frame, request) if budget.holds_result else 0
    before = preparation_bytes(config, frame) if budget.holds_result else 0
    # What is kept is the network as it is: a run with interventions fills nothing. It goes on
    # from the deepest gate it changes, and for "regions" only the finest level can be decoded anew.
    deepest = max(request.interventions, default=0)
    serves = not deepest or (kept_axis is not None and (keep == "gates" or deepest == 1))
    if keep is not None and config.is_local and serves:
        features = features_bytes(config, frame.shape, budget.itemsize, keep)
        wanted = network_axis if kept_axis is None else kept_axis
        # The finest skip connection is not among what is kept; for "gates", all others are.
        recomputed = (1,) if keep == "gates" else range(1, config.levels)
        try:
            plan = choose_plan(
                config,
                frame.shape,
                budget.itemsize,
                budget.limit,
                wanted,
                result + features,
                before,
                recomputed,
            )
        except MemoryLimitError:
            pass
        else:
            if kept_axis in (None, plan.axis):
                return plan, True
    size = evaluated_size(config, frame, request)
    plan = choose_plan(config, size, budget.itemsize, budget.limit, network_axis, result, before)
    return plan, False


def _require_extent(config: ModelConfig, size: Size) -> None:
    """Refuse what leaves an instance normalisation a single voxel, which has no spread."""
    if config.norm == "instance" and max(size) <= config.multiple:
        msg = (
            "Instance normalisation needs more than one voxel at the coarsest of the network's "
            f"{config.levels} levels: more than {config.multiple} voxels along some axis of the "
            f"image, but it has {' × '.join(map(str, size))}. Take a larger image."
        )
        raise ShapeError(msg)


def choose_plan(  # noqa: PLR0913  (a size, a limit and what else is in memory)
    config: ModelConfig,
    size: Size,
    itemsize: int,
    limit: int,
    axis: int | None = None,
    held: int = 0,
    before: int = 0,
    recomputed: Sequence[int] | None = None,
) -> Plan:
    """Return the plan of least work whose estimate stays within `limit` bytes.

    Parameters
    ----------
    config, size, itemsize
        As in `memory.evaluation_bytes`.
    limit
        Bytes that the run may take.
    axis
        The axis along which the user looks through the volume, which is cut if that is possible
        at all. None leaves the choice free.
    held
        Bytes that the run holds beside the evaluation.
    before
        Bytes that it takes before the evaluation begins, and gives back.
    recomputed
        Numbers of levels that may be computed twice; None allows all.

    Raises
    ------
    MemoryLimitError
        If even the smallest plan needs more, or the network is not local and the whole volume at
        once does not fit.
    """
    if not config.is_local:
        candidates = [Plan(axis or 0)]
    else:
        longest = max(range(3), key=lambda a: size[a])
        axes = dict.fromkeys((0, longest) if axis is None else (axis, longest))
        candidates = [
            Plan(a, levels, thickness)
            for a in axes
            for levels in (range(config.levels) if recomputed is None else recomputed)
            for thickness in _thicknesses(config, size, a)
        ]
    plans = [
        replace(p, bytes_needed=max(before, held + evaluation_bytes(config, size, p, itemsize)))
        for p in candidates
    ]
    fitting = [plan for plan in plans if plan.bytes_needed <= limit]
    if axis is not None:
        fitting = [plan for plan in fitting if plan.axis == axis] or fitting
    if fitting:
        return min(fitting, key=lambda plan: work(config, size, plan))
    least = min(plan.bytes_needed for plan in plans)
    why = "" if config.is_local else f" ({config.norm} normalisation needs the whole volume)"
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
