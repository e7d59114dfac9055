"""Exact evaluation of an Attention U-Net in bounded memory, slab by slab, in any order.

In evaluation mode with batch normalisation the network is a fixed, local function of its input.
Every level is therefore evaluated in slabs, in two passes: the first runs its encoder block and
keeps what the deeper levels need (the pooled features and the gate's projection of the skip
connection); the second, once the deeper levels are done, gates the skip connection, kept or
computed again, and runs the decoder block. Every slab carries the planes that its convolutions
reach, so the result is the whole-volume result up to float rounding.

Levels count from 0, the finest, in this file's code; the slab axis comes first ("planes").
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from torch import Tensor, nn

from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.kernels import (
    Workspace,
    coarse_planes,
    conv_relu,
    turn,
    upsample_into,
    upsample_planes,
)
from napari_attn_unet.engine.planning import HALO, Plan, context, padded
from napari_attn_unet.network.model import (
    AttentionGate,
    AttentionUNet,
    ConvBlock,
    map_size,
    upsample,
)
from napari_attn_unet.volume import Box

Steps = Generator["Event", int | None, None]
Events = Iterator["Event"]


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
        (level from 1, coefficients (Z, Y, X) float32 on the gate's grid) once a map is complete.
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
    same network and slab axis: only the finest level is then computed. See
    `planning.features_bytes` for what it holds.

    Parameters
    ----------
    every_level
        Keep what each decoder stage takes in, too. It then serves evaluations with interventions:
        the encoder, and the decoder below the deepest gate that is changed, are not run again.
    """

    def __init__(self, *, every_level: bool = False) -> None:
        self.every_level = every_level
        self.is_filled = False
        self.deeper: dict[int, Tensor] = {}
        self.alpha: dict[int, Tensor] = {}
        self.stages: dict[int, Tensor] = {}
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
) -> Steps:
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
        From `planning.choose_plan`.
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
        Changes of gate maps by their level (from 1), each made before its map weighs the skip
        connection; finer gates see what follows from it. With filled `features` of every level
        only the decoder from the deepest changed gate upwards is run.
    """
    # inference_mode is thread-local and must not stay on between two steps: the thread that
    # drives this generator may be the user's own.
    if folded.config.norm != "batch":
        steps = _whole(folded, image, region, interventions or {})
    else:
        if interventions and features is not None and not features.is_filled:
            features = None  # what is kept is the network as it is
        evaluation = _Evaluation(folded, image, plan, region, features, interventions or {})
        evaluation.look_at = look_at
        steps = evaluation.run()
    while True:
        with torch.inference_mode():
            event = next(steps, None)
        if event is None:
            return
        wish = yield event
        if wish is not None and folded.config.norm == "batch":
            evaluation.look_at = wish


def _whole(
    folded: AttentionUNet,
    image: ArrayLike,
    region: Box | None,
    interventions: Mapping[int, Intervention],
) -> Events:
    """Run the network as it is, for a normalisation that needs the whole volume's statistics."""
    parameter = next(folded.parameters())
    x = torch.from_numpy(np.array(image, dtype=np.float32))[None]
    hooks = []
    for level, intervention in interventions.items():
        size = map_size(x.shape[2:], level)

        def change(  # the gate's output, made again from the changed map
            gate: nn.Module,
            inputs: tuple[Tensor, Tensor],
            output: tuple[Tensor, Tensor],
            intervention: Intervention = intervention,
            size: tuple[int, ...] = size,
        ) -> tuple[Tensor, Tensor]:
            assert isinstance(gate, AttentionGate)  # noqa: S101  (for the type checker)
            alpha = changed(gate, output[1], intervention, size)
            return inputs[0] * upsample(gate.weigh(alpha, alpha[0].numel()), 2), alpha

        hooks.append(folded.gate[level - 1].register_forward_hook(change))
    try:
        output = folded(x.to(parameter.device, parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    box = region or _box(x.shape[2:])
    for level, gate in sorted(output.gates.items(), reverse=True):
        yield Event(0.9, gate=(level, gate[(0, 0, *_coarse_box(box, level))].float().cpu()))
    yield Event(1.0, logits=(box, output.logits[(0, slice(None), *box)].float()))


def changed(
    gate: AttentionGate,
    alpha: Tensor,
    intervention: Intervention,
    size: tuple[int, ...],
    axis: int = 0,
) -> Tensor:
    """Return coefficients (1, 1, Z, Y, X), of which `axis` was moved to the front, changed."""
    weight = gate.weigh(alpha, alpha[0].numel())[0, 0].movedim(0, axis)
    weight = intervention.apply(weight, size).movedim(axis, 0)[None, None]
    return weight / gate.weigh(torch.ones((), device=weight.device), alpha[0].numel())


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
        self.interventions = {level - 1: change for level, change in interventions.items()}
        self.config = folded.config
        if features is not None:  # the finest skip connection is not among them
            deepest = 1 if features.every_level else plan.recomputed
            plan = replace(plan, recomputed=max(1, deepest))
        self.plan, self.image, self.features = plan, image, features
        self.look_at: int | None = None
        self.network = turn(folded, plan.axis)
        self.order = (plan.axis, *(a for a in range(3) if a != plan.axis))
        whole = _box(image.shape[1:])
        is_whole = features is not None or interventions
        self.crop = context(self.config, image.shape[1:], None if is_whole else region)
        self.box = region or whole
        size = tuple(s.stop - s.start for s in self.crop)
        self.grids = [
            tuple(n >> level for n in padded(self.config, size, plan.axis))
            for level in range(self.config.levels)
        ]
        parameter = next(folded.parameters())
        self.workspace = Workspace(parameter.device, parameter.dtype)
        self.inputs: dict[int, Tensor] = {}  # of the encoder blocks below the finest
        self.skips: dict[int, Tensor] = {}  # of the levels that are not computed again
        self.deeper: dict[int, Tensor] = {}  # decoder features of the level below
        self.alpha: dict[int, Tensor] = {}
        self.stages: dict[int, Tensor] = {}  # class maps of the coarser decoder stages
        along, start = self.box[plan.axis], self.crop[plan.axis].start
        first, last = along.start - start, along.stop - start
        self.wanted = first - first % 2, last + last % 2
        self._set_ranges(*(self.wanted if features is None else (0, self.grids[0][0])))
        self.work = 0.0
        self.total_work = self._total_work()

    # --- what is computed -----------------------------------------------------------------------
    def _set_ranges(self, first: int, last: int) -> None:
        """Work out which planes of each level are decoded and encoded for the wanted planes."""
        bottom = self.config.levels - 1
        self.decoded = [(first - first % 2, last + last % 2)]
        for level in range(1, self.config.levels):
            begin, end = self._coarse(level - 1, *self.decoded[-1])
            planes = self.grids[level][0]
            if self.config.coefficients == "softmax" or self.interventions:  # of the whole map
                begin, end = 0, planes
            self.decoded.append((begin - begin % 2, min(end + end % 2, planes)))
        self.encoded = [self.decoded[bottom]]
        for level in reversed(range(bottom)):
            planes = self.grids[level][0]
            coarse = self.encoded[0]  # the block there reaches HALO planes further
            first, last = self.decoded[level]
            begin = max(0, min(first - HALO, 2 * (coarse[0] - HALO)))
            end = min(planes, max(last + HALO, 2 * (coarse[1] + HALO)))
            self.encoded.insert(0, (begin, end))

    def _coarse(self, level: int, first: int, last: int) -> tuple[int, int]:
        """Return the planes of the level below that decoding planes [first, last) needs."""
        planes = self.grids[level + 1][0]
        return coarse_planes(max(first - HALO, 0), min(last + HALO, 2 * planes), 2, planes)

    def run(self) -> Events:
        """Evaluate everything: down to the coarsest level and back up, then the finest level."""
        slabs = self.plan.slabs(0, *self.wanted)
        if self.features is not None and self.features.is_filled:
            yield from self._recall(self.features)
        else:
            early = self._nearest(slabs)
            if (yield from self._below(0, early)):
                slabs.remove(early)
            if self.features is not None:
                self.features.deeper[0] = self.deeper[0]
                self.features.stages = self.stages
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
        done = self._did(0, slab, decoder=True)
        return Event(1.0 if is_last else done, logits=logits)

    def _recall(self, features: Features) -> Events:
        """Take the deeper levels from an earlier evaluation, as far as no change reaches them."""
        deepest = max(self.interventions, default=0)
        self.deeper = {deepest: features.deeper[deepest]}
        self.stages = {k: v for k, v in features.stages.items() if k > deepest}
        self.skips = dict(features.skips)
        for level in sorted(features.alpha, reverse=True):
            if level >= deepest:
                self.alpha[level] = features.alpha[level]
                if level == deepest:
                    self._intervene(level)
                yield Event(0.0, gate=self._gate_map(level))
        for level in range(deepest, 0, -1):
            stage = self._new(self.config.channels[level], level)
            yield from self._ascend(level, stage, self.plan.slabs(level, *self.decoded[level]))
            self.deeper = {level - 1: stage}
            if level - 1 in features.projected:
                projected = features.projected[level - 1]
                self._set_alpha(level - 1, projected, stage, self.decoded[level])
                self._intervene(level - 1)
                yield Event(self.work / self.total_work, gate=self._gate_map(level - 1))

    def _intervene(self, level: int) -> None:
        """Change a complete map, if that was asked for."""
        if level not in self.interventions:
            return
        gate: AttentionGate = self.network.gate[level]  # type: ignore[assignment]
        size = map_size(self.image.shape[1:], level + 1)
        self.alpha[level] = changed(
            gate, self.alpha[level], self.interventions[level], size, self.plan.axis
        )

    def _below(
        self, level: int, early: tuple[int, int] | None = None
    ) -> Generator[Event, None, bool]:
        """Compute all that decoding `level` needs: the deeper features, the gate's map.

        A slab of the finest level, `early`, is done as soon as its part of level 1 is there, if
        that is possible; then True is returned.
        """
        below = level + 1
        projected = yield from self._descend(level)
        if below < self.config.levels - 1:
            yield from self._below(below)
        features = self._new(self.config.channels[below], below)
        slabs = self.plan.slabs(below, *self.decoded[below])
        if self.interventions or (projected is not None and self.config.coefficients == "softmax"):
            early = None  # the whole map comes first
        if early is not None:
            begin, end = self._coarse(0, *early)
            begin, end = begin - begin % 2, min(end + end % 2, self.decoded[below][1])
            slabs = self.plan.slabs(below, self.decoded[below][0], begin)
            slabs += self.plan.slabs(below, end, self.decoded[below][1])
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
            self._set_alpha(level, projected, features, self.decoded[below])
            self._intervene(level)
            if self.features is not None:
                self.features.alpha[level] = self.alpha[level]
                if self.features.every_level:
                    self.features.projected[level] = projected
            yield Event(min(1.0, self.work / self.total_work), gate=self._gate_map(level))
        return early is not None

    def _descend(self, level: int) -> Generator[Event, None, Tensor | None]:
        """First pass: fill the input of the level below; return the skip's projection, if gated."""
        channels, gate = self.config.channels[level], self.network.gate[level]
        pooled = self._new(channels, level + 1)
        projected = self._new(channels, level + 1) if isinstance(gate, AttentionGate) else None
        if level >= self.plan.recomputed:
            self.skips[level] = self._new(channels, level)
        for first, last in self.plan.slabs(level, *self.encoded[level]):
            skip = self._encode(level, first, last, self._skip_buffer(level, first, last))
            half = slice(first // 2, last // 2)
            pooled[:, :, half] = F.max_pool3d(skip, 2)
            if projected is not None:
                projected[:, :, half] = gate.theta(skip)  # type: ignore[operator]
            yield Event(self._did(level, (first, last)))
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
        is_bottom = level == self.config.levels - 1
        for first, last in slabs:
            out = features[:, :, first:last]
            if is_bottom:
                self._encode(level, first, last, out)
            else:
                self._decode(level, first, last, out)
                if self.config.deep_supervision:
                    self._keep_stage(level, first, last, out)
            yield Event(self._did(level, (first, last), decoder=not is_bottom))

    # --- slab arithmetic ------------------------------------------------------------------------
    def _encode(self, level: int, first: int, last: int, out: Tensor) -> Tensor:
        """Write encoder features of planes [first, last) into `out` and return it."""
        planes = self.grids[level][0]
        begin, end = max(first - HALO, 0), min(last + HALO, planes)
        x = self._read(begin, end) if level == 0 else self.inputs[level][:, :, begin:end]
        missing = begin - (first - HALO), last + HALO - end
        self._block(self.network.encoder[level], x, missing, out)  # type: ignore[arg-type]
        return out

    def _decode(self, level: int, first: int, last: int, out: Tensor) -> None:
        """Write decoder features of planes [first, last) into `out`."""
        planes, height, width = self.grids[level]
        begin, end = max(first - HALO, 0), min(last + HALO, planes)
        kept = self.skips.get(level)
        if kept is None:
            skip = self._encode(level, begin, end, self._skip_buffer(level, begin, end))
        else:
            skip = kept[:, :, begin:end]
        channels, size = skip.shape[1], (end - begin, height, width)
        joined = self.workspace.take("joined", 2 * channels, size)
        self._gate(level, skip, begin, end, joined[:, :channels])
        up = self.network.up[level]
        tmp = self.workspace.take("hidden", channels, size)
        upsample_into(up, self.deeper[level], begin, joined[:, channels:], tmp)  # type: ignore[arg-type]
        missing = begin - (first - HALO), last + HALO - end
        self._block(self.network.decoder[level], joined, missing, out)  # type: ignore[arg-type]

    def _block(self, block: ConvBlock, x: Tensor, missing: tuple[int, int], out: Tensor) -> None:
        """Run a block on a slab that lacks `missing` planes of its halo before and after.

        Planes are missing only at a true border, where the network sees zero padding: of the
        input, and of the hidden map. The hidden planes outside the volume are therefore zero;
        computed, they would be relu(bias).
        """
        before, after = missing
        outside = before == HALO, after == HALO
        pad = 1 if before or after else 0
        planes = x.shape[2] - 2 + 2 * pad
        size = (outside[0] + planes + outside[1], *x.shape[3:])
        hidden = self.workspace.take("hidden", block[0].out_channels, size)  # type: ignore[arg-type]
        conv_relu(block[0], x, pad, hidden[:, :, outside[0] : outside[0] + planes])  # type: ignore[arg-type]
        if outside[0]:
            hidden[:, :, 0].zero_()
        if outside[1]:
            hidden[:, :, -1].zero_()
        # Where only the other end is a border, padding it has made one plane too many here.
        begin, end = int(pad and not before), size[0] - int(pad and not after)
        conv_relu(block[3], hidden[:, :, begin:end], 0, out)  # type: ignore[arg-type]

    def _gate(self, level: int, skip: Tensor, first: int, last: int, out: Tensor) -> None:
        """Write the gated skip connection of planes [first, last) into `out`."""
        if level not in self.alpha:
            out.copy_(skip)
            return
        gate: AttentionGate = self.network.gate[level]  # type: ignore[assignment]
        alpha = self.alpha[level]
        weight = gate.weigh(upsample_planes(alpha, 2, first, last), alpha[0].numel())
        torch.mul(skip, weight.to(skip.dtype), out=out)

    def _set_alpha(self, level: int, projected: Tensor, g: Tensor, planes: tuple[int, int]) -> None:
        """Compute the coefficients of a range of planes, their scores a few at a time."""
        gate: AttentionGate = self.network.gate[level]  # type: ignore[assignment]
        scores = torch.zeros((1, 1, *g.shape[2:]), device=g.device)
        step = 16
        for z in range(*planes, step):
            part = slice(z, min(z + step, planes[1]))
            scores[:, :, part] = gate.scores(projected[:, :, part], g[:, :, part])
        self.alpha[level] = gate.normalise(scores)

    def _keep_stage(self, level: int, first: int, last: int, features: Tensor) -> None:
        """Keep the class map of a coarser decoder stage, which the head joins at the end."""
        if level not in self.stages:
            self.stages[level] = self._new(self.config.classes, level)
        self.stages[level][:, :, first:last] = self.network.stage_head[level](features)

    def _logits(self, first: int, last: int) -> tuple[Box, Tensor] | None:
        """Logits of planes [first, last) and where they lie; None beyond the image."""
        size = (last - first, *self.grids[0][1:])
        y = self.workspace.take("skip", self.config.channels[0], size)
        self._decode(0, first, last, y)
        along, *across = (self.box[a] for a in self.order)
        origin, *corner = (self.crop[a].start for a in self.order)
        begin, end = max(first, along.start - origin), min(last, along.stop - origin)
        if end <= begin:
            return None
        y = y[:, :, begin - first : end - first]
        if self.config.deep_supervision:
            maps = [self.network.stage_head[0](y)]
            maps += [upsample_planes(self.stages[k], 2**k, begin, end) for k in sorted(self.stages)]
            y = torch.cat(maps, dim=1)
        within = [slice(s.start - c, s.stop - c) for s, c in zip(across, corner, strict=True)]
        logits = self.network.head(y)[(0, slice(None), slice(None), *within)].float()
        place = list(self.box)
        place[self.plan.axis] = slice(begin + origin, end + origin)
        return (place[0], place[1], place[2]), logits.movedim(1, 1 + self.plan.axis)

    def _gate_map(self, level: int) -> tuple[int, Tensor]:
        alpha = self.alpha[level][0, 0].movedim(0, self.plan.axis)
        origin = [s.start >> (level + 1) for s in self.crop]
        part = _coarse_box(self.box, level + 1)
        within = tuple(slice(s.start - o, s.stop - o) for s, o in zip(part, origin, strict=True))
        return level + 1, alpha[within].cpu()

    # --- tensors --------------------------------------------------------------------------------
    def _read(self, first: int, last: int) -> Tensor:
        """Read planes [first, last) of the padded image."""
        part = list(self.crop)
        along = part[self.plan.axis]
        begin, end = along.start + first, min(along.start + last, along.stop)
        part[self.plan.axis] = slice(begin, max(begin, end))
        read = np.asarray(self.image[(slice(None), *part)])
        read = np.moveaxis(read, 1 + self.plan.axis, 1)
        x = torch.zeros((1, len(read), last - first, *self.grids[0][1:]))
        _, planes, height, width = read.shape
        x[0, :, :planes, :height, :width] = torch.from_numpy(np.array(read, dtype=np.float32))
        x = x.to(self.workspace.device, self.workspace.dtype)
        return x.contiguous(memory_format=torch.channels_last_3d)

    def _skip_buffer(self, level: int, first: int, last: int) -> Tensor:
        """Return where encoder features of these planes are written: kept, or used again."""
        if level in self.skips:
            return self.skips[level][:, :, first:last]
        size = (last - first, *self.grids[level][1:])
        return self.workspace.take("skip", self.config.channels[level], size)

    def _new(self, channels: int, level: int) -> Tensor:
        workspace = Workspace(self.workspace.device, self.workspace.dtype)
        return workspace.take("", channels, self.grids[level])

    # --- progress -------------------------------------------------------------------------------
    def _block_work(self, block: ConvBlock, level: int, planes: int) -> float:
        """Return the multiply-adds of a block; all else is small beside them."""
        _, height, width = self.grids[level]
        weights = block[0].weight.numel() + block[3].weight.numel()  # type: ignore[operator]
        return float(planes * height * width * weights)

    def _slab_work(self, level: int, planes: int, *, decoder: bool) -> float:
        done = 0.0
        if decoder:
            done += self._block_work(self.network.decoder[level], level, planes)  # type: ignore[arg-type]
        if not decoder or level < self.plan.recomputed:
            done += self._block_work(self.network.encoder[level], level, planes)  # type: ignore[arg-type]
        return done

    def _total_work(self) -> float:
        total = self._slab_work(0, self.wanted[1] - self.wanted[0], decoder=True)
        if self.features is not None and self.features.is_filled:
            for level in range(1, max(self.interventions, default=0) + 1):
                total += self._slab_work(level, self.grids[level][0], decoder=True)
            return total
        for level, (first, last) in enumerate(self.encoded):
            total += self._slab_work(level, last - first, decoder=False)
        for level, (first, last) in list(enumerate(self.decoded))[1:-1]:
            total += self._slab_work(level, last - first, decoder=True)
        return total

    def _did(self, level: int, slab: tuple[int, int], *, decoder: bool = False) -> float:
        self.work += self._slab_work(level, slab[1] - slab[0], decoder=decoder)
        return min(1.0, self.work / self.total_work)


def _box(size: tuple[int, ...] | torch.Size) -> Box:
    z, y, x = (slice(0, n) for n in size)
    return z, y, x


def _coarse_box(box: Box, level: int) -> Box:
    """Return the voxels of a map at `level` that lie on the voxels of a box."""
    begin = [s.start >> level for s in box]
    end = map_size(tuple(s.stop for s in box), level)
    z, y, x = (slice(b, e) for b, e in zip(begin, end, strict=True))
    return z, y, x
