"""Exact evaluation of a network in bounded memory, slab by slab, in any order.

In evaluation mode with batch normalisation the network is a fixed, local function of its input.
Every level is therefore evaluated in slabs, in two passes: the first runs its encoder block and
keeps what the deeper levels need (the pooled features and the gate's projection of the skip
connection); the second, once the deeper levels are done, gates the skip connection, kept or
computed again, and runs the decoder block. Every slab carries the planes that its convolutions
reach, so the result is the whole-volume result up to float rounding.

Levels count from 1, the finest; the slab axis comes first ("planes"). What a level computes is
`stages`' business, which planes it is asked for that of `ranges`.
"""
# Over 350 lines: one evaluation is one machine, and its state is read best in one place.

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.kernels import Workspace, upsample_planes
from napari_attn_unet.engine.plan import HALO, Plan, context, grids
from napari_attn_unet.engine.ranges import Ranges, Work
from napari_attn_unet.engine.request import Keep
from napari_attn_unet.engine.stages import Stages, stages_of
from napari_attn_unet.engine.whole import run_whole
from napari_attn_unet.network.config import map_size
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.volume import Box, whole_box

SteeredEvents = Generator["Event", int | None, None]
Events = Iterator["Event"]
_AT_ONCE = 16
"""Planes whose scores are computed at once."""


class ArrayLike(Protocol):
    """What slices into a numpy array: (C, Z, Y, X)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along every axis."""

    def __getitem__(self, part: Any, /) -> Any:
        """Return a part."""


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """A step of an evaluation.

    Attributes
    ----------
    done
        Share of the work that is done, 0 to 1.
    gate
        (level, coefficients (Z, Y, X) float32 on the gate's grid) once a map is complete.
    logits
        (box, (classes, Z, Y, X) float32 on the evaluation's device) once the voxels of `box` are
        complete. The boxes of an evaluation do not overlap.
    """

    done: float
    gate: tuple[int, Tensor] | None = None
    logits: tuple[Box, Tensor] | None = None


class Features:
    """What is kept of the levels below the finest from one evaluation to the next.

    An evaluation fills an empty one. It serves every further region of the same image, with the
    same network and slab axis: only the finest level is then computed. `memory.features_bytes`
    tells what it holds.

    Parameters
    ----------
    keep
        "gates" keeps what each decoder stage takes in, too. It then serves evaluations with
        interventions: the encoder, and the decoder below the deepest gate that is changed, are not
        run again.
    """

    def __init__(self, keep: Keep = "regions") -> None:
        self.every_level = keep == "gates"
        self.is_filled = False
        self.deeper: dict[int, Tensor] = {}
        self.alpha: dict[int, Tensor] = {}
        self.class_maps: dict[int, Tensor] = {}
        self.skips: dict[int, Tensor] = {}
        self.projected: dict[int, Tensor] = {}


def evaluate(  # noqa: PLR0913  (each is named by its caller)
    folded: AttentionUNet,
    image: ArrayLike,
    plan: Plan,
    *,
    look_at: int | None = None,
    region: Box | None = None,
    features: Features | None = None,
    interventions: Mapping[int, Intervention] | None = None,
) -> SteeredEvents:
    """Evaluate the network on the whole zero-padded volume.

    Gate maps come coarsest first, each as soon as it is complete; then the logits, slab by slab,
    from the plane `look_at` outwards. Sending a plane into the generator makes that the one to go
    on from. Closing it stops within one slab and frees its memory.

    Parameters
    ----------
    folded
        From `fold`.
    image
        (C, Z, Y, X), anything that slices into numbers; read slab by slab, some planes twice or
        more.
    plan
        From `planning.choose_plan`; with `features`, one that computes at least level 1 twice, and
        for features of every level no other.
    look_at
        A plane of the plan's axis. None begins with the first.
    region
        Compute logits and maps of this box only, equal to the same box of the whole result.
        Slices need a start and a stop within the volume.
    features
        Kept features to use, or to fill if they are empty; the deeper levels are then computed
        for the whole volume, whatever the region. The caller sees to it that image, network and
        slab axis are those they were made with.
    interventions
        Changes of gate maps by their level, each made before its map weighs the skip connection;
        finer gates see what follows from it. With filled `features` of every level only the
        decoder from the deepest changed gate upwards is run.
    """
    if not folded.config.is_local:
        yield from _at_once(folded, image, region, interventions or {})
        return
    if interventions and features is not None and not features.is_filled:
        features = None  # what is kept is the network as it is
    evaluation = _Evaluation(folded, image, plan, region, features, interventions or {})
    evaluation.look_at = look_at
    steps = evaluation.run()
    while True:
        # inference_mode is thread-local and must not stay on between two steps: the thread that
        # drives this generator may be the user's own.
        with torch.inference_mode():
            event = next(steps, None)
        if event is None:
            return
        wish = yield event
        if wish is not None:
            evaluation.look_at = wish


def _at_once(
    folded: AttentionUNet,
    image: ArrayLike,
    region: Box | None,
    interventions: Mapping[int, Intervention],
) -> SteeredEvents:
    with torch.inference_mode():
        output = run_whole(folded, image, interventions)
        box = region or whole_box(image.shape[1:])
        gates = {
            level: gate[(0, 0, *_coarse_box(box, level))].float().cpu()
            for level, gate in sorted(output.gates.items(), reverse=True)
        }
        logits = output.logits[(0, slice(None), *box)].float()
    for level, alpha in gates.items():
        yield Event(0.9, gate=(level, alpha))
    yield Event(1.0, logits=(box, logits))


class _Evaluation:
    """One evaluation: the network, the volume, the plan, and the maps that outlive a slab."""

    def __init__(  # noqa: PLR0913  (as of `evaluate`)
        self,
        folded: AttentionUNet,
        image: ArrayLike,
        plan: Plan,
        region: Box | None = None,
        features: Features | None = None,
        interventions: Mapping[int, Intervention] = MappingProxyType({}),
    ) -> None:
        self.config, self.interventions = folded.config, interventions
        self.plan, self.image, self.features = plan, image, features
        self.look_at: int | None = None
        self.stages: Stages = stages_of(folded, plan.axis)
        self.workspace = self.stages.workspace
        self.order = (plan.axis, *(a for a in range(3) if a != plan.axis))
        is_whole = features is not None or interventions
        self.crop = context(self.config, image.shape[1:], None if is_whole else region)
        self.box = region or whole_box(image.shape[1:])
        size = tuple(s.stop - s.start for s in self.crop)
        self.grids = grids(self.config, size, plan.axis)
        self.inputs: dict[int, Tensor] = {}  # of the encoder blocks below the finest
        self.skips: dict[int, Tensor] = {}  # of the levels that are not computed again
        self.deeper: dict[int, Tensor] = {}  # decoder features of the level below
        self.alpha: dict[int, Tensor] = {}
        self.class_maps: dict[int, Tensor] = {}  # of the coarser decoder stages
        along, start = self.box[plan.axis], self.crop[plan.axis].start
        first, last = along.start - start, along.stop - start
        self.wanted = first - first % 2, last + last % 2
        self.ranges = Ranges.of(
            self.config,
            {level: grid[0] for level, grid in self.grids.items()},
            self.wanted if features is None else (0, self.grids[1][0]),
            whole_maps=bool(interventions),
        )
        self.work = Work(self.stages, plan, self.grids)
        if features is not None and features.is_filled:
            self.work.expect_finest(self.wanted, redone=max(interventions, default=1))
        else:
            self.work.expect_all(self.wanted, self.ranges)

    # --- what is computed -----------------------------------------------------------------------
    def run(self) -> Events:
        """Evaluate everything: down to the coarsest level and back up, then the finest level."""
        slabs = self.plan.slabs(1, *self.wanted)
        if self.features is not None and self.features.is_filled:
            yield from self._recall(self.features)
        else:
            early = self._nearest(slabs)
            if (yield from self._below(1, early)):
                slabs.remove(early)
            if self.features is not None:
                self.features.deeper[1] = self.deeper[1]
                self.features.class_maps = self.class_maps
                self.features.is_filled = True
        while slabs:
            nearest = self._nearest(slabs)
            slabs.remove(nearest)
            yield self._finest(nearest, is_last=not slabs)

    def _nearest(self, slabs: list[tuple[int, int]]) -> tuple[int, int]:
        """Return the slab of the finest level that is nearest to the plane looked at."""
        first = self.box[self.plan.axis].start
        plane = first if self.look_at is None else self.look_at
        plane -= self.crop[self.plan.axis].start
        return min(slabs, key=lambda slab: max(slab[0] - plane, plane - slab[1] + 1, 0))

    def _finest(self, slab: tuple[int, int], *, is_last: bool = False) -> Event:
        logits = self._logits(*slab)
        done = self.work.did(1, slab, decoder=True)
        return Event(1.0 if is_last else done, logits=logits)

    def _recall(self, features: Features) -> Events:
        """Take the deeper levels from an earlier evaluation, as far as no change reaches them."""
        deepest = max(self.interventions, default=1)
        self.deeper = {deepest: features.deeper[deepest]}
        self.class_maps = {k: v for k, v in features.class_maps.items() if k > deepest}
        self.skips = dict(features.skips)
        for level in sorted(features.alpha, reverse=True):
            if level >= deepest:
                self.alpha[level] = features.alpha[level]
                self._intervene(level)
                yield Event(0.0, gate=self._gate_map(level))
        for level in range(deepest, 1, -1):
            decoded = self._new(self.config.width(level), level)
            slabs = self.plan.slabs(level, *self.ranges.decoded[level])
            yield from self._ascend(level, decoded, slabs)
            self.deeper = {level - 1: decoded}
            if level - 1 in features.projected:
                projected = features.projected[level - 1]
                self._set_alpha(level - 1, projected, decoded, self.ranges.decoded[level])
                self._intervene(level - 1)
                yield Event(self.work.share, gate=self._gate_map(level - 1))

    def _intervene(self, level: int) -> None:
        """Change a complete map, if that was asked for."""
        if level not in self.interventions:
            return
        alpha, axis = self.alpha[level], self.plan.axis
        voxels = alpha[0].numel()
        passes = self.stages.share(level, alpha, voxels)[0, 0].movedim(0, axis)
        size = map_size(self.image.shape[1:], level)
        changed = self.interventions[level].apply(passes, size).movedim(axis, 0)[None, None]
        one = self.stages.share(level, torch.ones((), device=changed.device), voxels)
        self.alpha[level] = changed / one

    def _below(
        self, level: int, early: tuple[int, int] | None = None
    ) -> Generator[Event, None, bool]:
        """Compute all that decoding `level` needs: the deeper features, the gate's map.

        A slab of the finest level, `early`, is done as soon as its part of level 2 is there, if
        that is possible; then True is returned.
        """
        below = level + 1
        projected = yield from self._descend(level)
        if below < self.config.levels:
            yield from self._below(below)
        features = self._new(self.config.width(below), below)
        decoded = self.ranges.decoded[below]
        slabs = self.plan.slabs(below, *decoded)
        if self.interventions or (projected is not None and self.config.coefficients == "softmax"):
            early = None  # the whole map comes first
        if early is not None:
            begin, end = self.ranges.coarse(1, *early)
            begin, end = begin - begin % 2, min(end + end % 2, decoded[1])
            slabs = self.plan.slabs(below, decoded[0], begin)
            slabs += self.plan.slabs(below, end, decoded[1])
            yield from self._ascend(below, features, self.plan.slabs(below, begin, end))
            self.deeper[level] = features
            if projected is not None:
                self._set_alpha(level, projected, features, (begin, end))
            yield self._finest(early)
        yield from self._ascend(below, features, slabs)
        for kept in (self.inputs, self.skips, self.deeper, self.alpha):
            kept.pop(below, None)
        self.deeper[level] = features
        if self.features is not None and self.features.every_level:
            self.features.deeper[level] = features
        if projected is not None:
            self._set_alpha(level, projected, features, decoded)
            self._intervene(level)
            if self.features is not None:
                self.features.alpha[level] = self.alpha[level]
                if self.features.every_level:
                    self.features.projected[level] = projected
            yield Event(self.work.share, gate=self._gate_map(level))
        return early is not None

    def _descend(self, level: int) -> Generator[Event, None, Tensor | None]:
        """First pass: fill the input of the level below; return the skip's projection, if gated."""
        width = self.config.width(level)
        pooled = self._new(width, level + 1)
        is_gated = level in self.config.gated_levels
        projected = self._new(width, level + 1) if is_gated else None
        if level > self.plan.recomputed:
            self.skips[level] = self._new(width, level)
        for first, last in self.plan.slabs(level, *self.ranges.encoded[level]):
            skip = self._encode(level, first, last, self._skip_buffer(level, first, last))
            half = slice(first // 2, last // 2)
            pooled[:, :, half] = self.stages.pool(level, skip)
            if projected is not None:
                projected[:, :, half] = self.stages.project(level, skip)
            yield Event(self.work.did(level, (first, last), decoder=False))
        if level in self.skips:
            self.inputs.pop(level, None)
            if self.features is not None and self.features.every_level:
                self.features.skips[level] = self.skips[level]
        self.inputs[level + 1] = pooled
        return projected

    def _ascend(self, level: int, features: Tensor, slabs: list[tuple[int, int]]) -> Events:
        """Second pass of a level below the finest: write what its decoder block gives.

        The coarsest level has no decoder; there its encoder block is run.
        """
        is_bottom = level == self.config.levels
        for first, last in slabs:
            out = features[:, :, first:last]
            if is_bottom:
                self._encode(level, first, last, out)
            else:
                self._decode(level, first, last, out)
                if self.config.deep_supervision:
                    self._keep_class_map(level, first, last, out)
            yield Event(self.work.did(level, (first, last), decoder=not is_bottom))

    # --- slab arithmetic ------------------------------------------------------------------------
    def _encode(self, level: int, first: int, last: int, out: Tensor) -> Tensor:
        """Write encoder features of planes [first, last) into `out` and return it."""
        begin, end = self._with_halo(level, first, last)
        x = self._read(begin, end) if level == 1 else self.inputs[level][:, :, begin:end]
        self.stages.encode(level, x, (begin - (first - HALO), last + HALO - end), out)
        return out

    def _decode(self, level: int, first: int, last: int, out: Tensor) -> None:
        """Write decoder features of planes [first, last) into `out`."""
        begin, end = self._with_halo(level, first, last)
        kept = self.skips.get(level)
        if kept is None:
            skip = self._encode(level, begin, end, self._skip_buffer(level, begin, end))
        else:
            skip = kept[:, :, begin:end]
        channels, size = skip.shape[1], (end - begin, *self.grids[level][1:])
        joined = self.workspace.take("joined", 2 * channels, size)
        if level in self.alpha:
            self.stages.gate(level, skip, self.alpha[level], begin, joined[:, :channels])
        else:
            joined[:, :channels].copy_(skip)
        self.stages.up(level, self.deeper[level], begin, joined[:, channels:])
        self.stages.decode(level, joined, (begin - (first - HALO), last + HALO - end), out)

    def _with_halo(self, level: int, first: int, last: int) -> tuple[int, int]:
        """Return the planes that a block reaches, as far as the volume goes."""
        return max(first - HALO, 0), min(last + HALO, self.grids[level][0])

    def _set_alpha(self, level: int, projected: Tensor, g: Tensor, planes: tuple[int, int]) -> None:
        """Compute the coefficients of a range of planes, their scores a few at a time."""
        scores = torch.zeros((1, 1, *g.shape[2:]), device=g.device)
        for z in range(*planes, _AT_ONCE):
            part = slice(z, min(z + _AT_ONCE, planes[1]))
            scores[:, :, part] = self.stages.score(level, projected[:, :, part], g[:, :, part])
        self.alpha[level] = self.stages.coefficients(level, scores)

    def _keep_class_map(self, level: int, first: int, last: int, features: Tensor) -> None:
        """Keep the class map of a coarser decoder stage, which the head joins at the end."""
        if level not in self.class_maps:
            self.class_maps[level] = self._new(self.config.classes, level)
        self.class_maps[level][:, :, first:last] = self.stages.class_map(level, features)

    def _logits(self, first: int, last: int) -> tuple[Box, Tensor] | None:
        """Logits of planes [first, last) and where they lie; None beyond the image."""
        size = (last - first, *self.grids[1][1:])
        y = self.workspace.take("skip", self.config.width(1), size)
        self._decode(1, first, last, y)
        along, *across = (self.box[a] for a in self.order)
        origin, *corner = (self.crop[a].start for a in self.order)
        begin, end = max(first, along.start - origin), min(last, along.stop - origin)
        if end <= begin:
            return None
        y = y[:, :, begin - first : end - first]
        if self.config.deep_supervision:
            maps = [self.stages.class_map(1, y)]
            for level in sorted(self.class_maps):
                coarse = self.class_maps[level]
                maps.append(upsample_planes(coarse, 2 ** (level - 1), begin, end))
            y = torch.cat(maps, dim=1)
        within = [slice(s.start - c, s.stop - c) for s, c in zip(across, corner, strict=True)]
        logits = self.stages.head(y)[0][:, :, within[0], within[1]].float()
        place = list(self.box)
        place[self.plan.axis] = slice(begin + origin, end + origin)
        return (place[0], place[1], place[2]), logits.movedim(1, 1 + self.plan.axis)

    def _gate_map(self, level: int) -> tuple[int, Tensor]:
        alpha = self.alpha[level][0, 0].movedim(0, self.plan.axis)
        origin = [s.start >> level for s in self.crop]
        part = _coarse_box(self.box, level)
        within = tuple(slice(s.start - o, s.stop - o) for s, o in zip(part, origin, strict=True))
        return level, alpha[within].cpu()

    # --- tensors --------------------------------------------------------------------------------
    def _read(self, first: int, last: int) -> Tensor:
        """Read planes [first, last) of the padded image."""
        part = list(self.crop)
        along = part[self.plan.axis]
        begin, end = along.start + first, min(along.start + last, along.stop)
        part[self.plan.axis] = slice(begin, max(begin, end))
        read = np.asarray(self.image[(slice(None), *part)])
        read = np.moveaxis(read, 1 + self.plan.axis, 1)
        x = torch.zeros((1, len(read), last - first, *self.grids[1][1:]))
        _, planes, height, width = read.shape
        x[0, :, :planes, :height, :width] = torch.from_numpy(np.array(read, dtype=np.float32))
        x = x.to(self.workspace.device, self.workspace.dtype)
        return x.contiguous(memory_format=torch.channels_last_3d)

    def _skip_buffer(self, level: int, first: int, last: int) -> Tensor:
        """Return where encoder features of these planes are written: kept, or used again."""
        if level in self.skips:
            return self.skips[level][:, :, first:last]
        size = (last - first, *self.grids[level][1:])
        return self.workspace.take("skip", self.config.width(level), size)

    def _new(self, channels: int, level: int) -> Tensor:
        workspace = Workspace(self.workspace.device, self.workspace.dtype)
        return workspace.take("", channels, self.grids[level])


def _coarse_box(box: Box, level: int) -> Box:
    """Return the voxels of the map of the gate at `level` that lie on the voxels of a box."""
    begin = [s.start >> level for s in box]
    end = map_size(tuple(s.stop for s in box), level)
    z, y, x = (slice(b, e) for b, e in zip(begin, end, strict=True))
    return z, y, x
