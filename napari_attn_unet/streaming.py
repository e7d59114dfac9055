"""Exact evaluation of an Attention U-Net in bounded memory: slab arithmetic and the two passes.

In evaluation mode with batch normalisation the network is a fixed, local function of its input.
A level is therefore evaluated slab by slab along z, twice: pass A runs its encoder block and keeps
only what the deeper levels need (the pooled features and the gate's projection of the skip); pass B
recomputes the block, gates it, and runs the decoder block. Every slab carries the planes that its
convolutions reach, so the result is the whole-volume result up to float rounding.

Levels count from 0, the finest, in this file's code.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_attn_unet.errors import MemoryLimitError
from napari_attn_unet.model import (
    AttentionGate,
    AttentionUNet,
    ConvBlock,
    ModelConfig,
    crop,
    map_size,
    pad_to_multiple,
    upsample,
)

HALO = 2
"""Planes to each side that a block of two 3x3x3 convolutions reaches."""
THICKNESSES = (64, 32, 16, 8, 4, 2)
OVERHEAD = 1.15
"""Allocator rounding and the convolution library's own buffers, measured."""

Size = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a volume is evaluated.

    Attributes
    ----------
    slabs
        Planes per slab of each level that is evaluated in slabs, finest first; () evaluates the
        volume whole. Even numbers.
    bytes_needed
        Estimated peak of what the evaluation allocates.
    """

    slabs: tuple[int, ...]
    bytes_needed: int

    @property
    def description(self) -> str:
        """The plan in words."""
        if not self.slabs:
            return "whole volume at once"
        levels = "level 1" if len(self.slabs) == 1 else f"levels 1-{len(self.slabs)}"
        return f"{levels} in slabs of {self.slabs[0]} planes"


def estimate_bytes(config: ModelConfig, size: Size, slabs: tuple[int, ...], itemsize: int) -> int:
    """Return the estimated peak memory of an evaluation, in bytes.

    Counted are the feature maps alive at once, at the decoder block the skip connection, the
    upsampled features, and both of them joined: four times the level's channels.

    Parameters
    ----------
    config
        The network.
    size
        Size (Z, Y, X) of the volume; it is padded here.
    slabs
        As in `Plan`.
    itemsize
        Bytes per number of a feature map.
    """
    multiple = config.multiple
    z, y, x = (-(-n // multiple) * multiple for n in size)

    def peak(level: int) -> int:
        """Return the features alive at the worst moment of `level` and those below it."""
        planes, plane = z >> level, (y >> level) * (x >> level)
        channels = config.channels[level]
        if level == config.levels - 1:
            return 3 * channels * planes * plane
        coarse = (planes // 2) * (plane // 4)
        deeper = config.channels[level + 1] * coarse
        if level >= len(slabs) or slabs[level] >= planes:
            held = channels * planes * plane + channels * coarse
            return max(held + peak(level + 1), deeper + 4 * channels * planes * plane)
        slab = 4 * channels * (slabs[level] + 2 * HALO) * plane
        out = channels * planes * plane if level > 0 else 0
        return max(2 * channels * coarse + max(slab, peak(level + 1)), deeper + out + slab)

    numbers = peak(0) + (config.in_channels + config.classes) * z * y * x
    return int(OVERHEAD * itemsize * numbers)


def choose_plan(config: ModelConfig, size: Size, itemsize: int, limit: int) -> Plan:
    """Return the fastest plan whose estimate stays within `limit` bytes.

    Raises
    ------
    MemoryLimitError
        If even the smallest plan needs more, or the network's normalisation needs the whole
        volume at once and that does not fit.
    """
    candidates: list[tuple[int, ...]] = [()]
    if config.norm == "batch":
        for levels in range(1, config.levels):
            candidates += [(thickness,) * levels for thickness in THICKNESSES]
    plans = [Plan(slabs, estimate_bytes(config, size, slabs, itemsize)) for slabs in candidates]
    for plan in plans:
        if plan.bytes_needed <= limit:
            return plan
    least = min(plan.bytes_needed for plan in plans)
    why = "" if config.norm == "batch" else " (instance normalisation needs the whole volume)"
    msg = (
        f"Segmenting {' × '.join(map(str, size))} voxels needs at least {in_words(least)}{why}, "
        f"but the memory limit is {in_words(limit)}. Raise the limit, close other programs, "
        "or crop the image."
    )
    raise MemoryLimitError(msg)


def in_words(size: float) -> str:
    """Return a number of bytes for people: 2147483648 -> "2.1 GB"."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


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
        (first plane, (classes, planes, Y, X) float32) once these planes are complete.
    """

    done: float
    gate: tuple[int, Tensor] | None = None
    logits: tuple[int, Tensor] | None = None


def fold(network: AttentionUNet, device: torch.device, dtype: torch.dtype) -> AttentionUNet:
    """Return a copy for evaluation: batch normalisation folded into the convolutions before it."""
    folded = copy.deepcopy(network).eval()
    if network.config.norm == "batch":
        sequences: list[nn.Sequential] = [*folded.encoder, *folded.decoder]
        sequences += [gate.signal for gate in folded.gate if isinstance(gate, AttentionGate)]
        for layers in sequences:
            for i in range(0, len(layers), 3):
                layers[i] = fuse_conv_bn_eval(layers[i], layers[i + 1])  # type: ignore[arg-type,type-var]
                layers[i + 1] = nn.Identity()
    folded.requires_grad_(requires_grad=False)
    return folded.to(device=device, dtype=dtype, memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]


def evaluate(folded: AttentionUNet, image: Tensor, plan: Plan) -> Generator[Event, None, None]:
    """Evaluate the network on the whole zero-padded volume.

    Closing the generator stops within one slab (whole plan: one block) and frees its memory.

    Parameters
    ----------
    folded
        From `fold`.
    image
        (C, Z, Y, X) float32 on the cpu.
    plan
        From `choose_plan`.
    """
    size = tuple(image.shape[1:])
    padded = pad_to_multiple(image[None], folded.config.multiple)
    with torch.inference_mode():
        if folded.config.norm != "batch":
            parameter = next(folded.parameters())
            output = folded(padded.to(parameter.device, parameter.dtype))
            for level, gate in output.gates.items():
                yield Event(
                    0.9, gate=(level, crop(gate, map_size(size, level))[0, 0].float().cpu())
                )
            yield Event(1.0, logits=(0, crop(output.logits, size)[0].float().cpu()))
            return
        # inference_mode is thread-local and must not stay on between two steps: the thread that
        # drives this generator may be the user's own.
    evaluation = _Evaluation(folded, padded, size, plan)
    steps = evaluation.run()
    while True:
        with torch.inference_mode():
            event = next(steps, None)
        if event is None:
            return
        yield event


class _Evaluation:
    """One evaluation: the network, the volume, the plan, and the maps that outlive a level."""

    def __init__(
        self, network: AttentionUNet, image: Tensor, size: tuple[int, ...], plan: Plan
    ) -> None:
        self.network, self.image, self.size, self.plan = network, image, size, plan
        self.config = network.config
        parameter = next(network.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self.stages: dict[int, Tensor] = {}  # class maps of the coarser decoder stages
        self.work = 0.0
        self.total_work = self._work_of_all()

    # Work is counted in multiply-adds of the blocks; all else is small beside them.
    def _block_work(self, block: ConvBlock, voxels: int) -> float:
        return float(voxels * (block[0].weight.numel() + block[3].weight.numel()))  # type: ignore[operator]

    def _work_of_all(self) -> float:
        total, voxels = 0.0, self.image[0, 0].numel()
        for level, encoder in enumerate(self.network.encoder):
            n = voxels >> (3 * level)
            streamed = self._thickness(level, self.image.shape[2] >> level) is not None
            total += self._block_work(encoder, n) * (2 if streamed else 1)  # type: ignore[arg-type]
            if level < self.config.levels - 1:
                total += self._block_work(self.network.decoder[level], n)  # type: ignore[arg-type]
        return total

    def _did(self, block: ConvBlock, voxels: int) -> float:
        self.work += self._block_work(block, voxels)
        return min(1.0, self.work / self.total_work)

    def _thickness(self, level: int, planes: int) -> int | None:
        """Planes per slab of a level, or None if it runs whole."""
        slabs = self.plan.slabs
        last = self.config.levels - 1
        return slabs[level] if level < min(len(slabs), last) and slabs[level] < planes else None

    def run(self) -> Generator[Event, None, None]:
        """Evaluate everything, from the finest level down and back up."""
        yield from self._level(0, self.image)

    def _level(self, level: int, x: Tensor) -> Generator[Event, None, Tensor]:
        """Return the decoded features of a level from its input; level 0 emits logits instead."""
        encoder: ConvBlock = self.network.encoder[level]  # type: ignore[assignment]
        if level == self.config.levels - 1:
            x = self._block(encoder, self._to_device(x))
            yield Event(self._did(encoder, x[0, 0].numel()))
            return x
        thickness = self._thickness(level, x.shape[2])
        if thickness is None:
            return (yield from self._level_whole(level, encoder, x))
        return (yield from self._level_in_slabs(level, encoder, x, thickness))

    def _level_whole(
        self, level: int, encoder: ConvBlock, x: Tensor
    ) -> Generator[Event, None, Tensor]:
        skip = self._block(encoder, self._to_device(x))
        yield Event(self._did(encoder, skip[0, 0].numel()))
        deeper = yield from self._level(level + 1, F.max_pool3d(skip, 2))
        gate = self.network.gate[level]
        alpha = None
        if isinstance(gate, AttentionGate):
            alpha = self._coefficients(gate, gate.theta(skip), deeper)
            yield self._gate_event(level, alpha)
        joined = self._join(level, skip, alpha, deeper, 0, skip.shape[2])
        del skip, deeper
        decoder: ConvBlock = self.network.decoder[level]  # type: ignore[assignment]
        x = self._block(decoder, joined)
        del joined
        self._keep_stage(level, x)
        done = self._did(decoder, x[0, 0].numel())
        yield Event(done, logits=self._logits(x, 0) if level == 0 else None)
        return x

    def _level_in_slabs(
        self, level: int, encoder: ConvBlock, x: Tensor, thickness: int
    ) -> Generator[Event, None, Tensor]:
        planes, height, width = x.shape[2:]
        channels = self.config.channels[level]
        gate = self.network.gate[level]
        half = (planes // 2, height // 2, width // 2)
        pooled, projected = self._new(channels, half), None
        if isinstance(gate, AttentionGate):
            projected = self._new(channels, half)
        for start in range(0, planes, thickness):  # pass A
            stop = min(start + thickness, planes)
            skip = self._encode_slab(encoder, x, start, stop)
            pooled[:, :, start // 2 : stop // 2] = F.max_pool3d(skip, 2)
            if projected is not None:
                projected[:, :, start // 2 : stop // 2] = gate.theta(skip)  # type: ignore[operator]
            del skip
            yield Event(self._did(encoder, (stop - start) * height * width))

        deeper = yield from self._level(level + 1, pooled)
        del pooled
        alpha = None
        if isinstance(gate, AttentionGate) and projected is not None:
            alpha = self._coefficients(gate, projected, deeper)
            del projected
            yield self._gate_event(level, alpha)

        decoder: ConvBlock = self.network.decoder[level]  # type: ignore[assignment]
        out = self._new(channels, (planes, height, width)) if level > 0 else deeper
        for start in range(0, planes, thickness):  # pass B
            stop = min(start + thickness, planes)
            first, last = max(start - HALO, 0), min(stop + HALO, planes)
            skip = self._encode_slab(encoder, x, first, last)
            joined = self._join(level, skip, alpha, deeper, first, last)
            del skip
            y = self._decode_slab(decoder, joined, start, stop, planes)
            del joined
            self._did(encoder, (stop - start) * height * width)
            done = self._did(decoder, (stop - start) * height * width)
            if level == 0:
                yield Event(done, logits=self._logits(y, start))
            else:
                out[:, :, start:stop] = y
                yield Event(done)
            del y
        self._keep_stage(level, out)
        return out

    # --- slab arithmetic ------------------------------------------------------------------------
    def _encode_slab(self, encoder: ConvBlock, x: Tensor, start: int, stop: int) -> Tensor:
        """Return encoder features of planes [start, stop)."""
        planes = x.shape[2]
        first, last = max(start - HALO, 0), min(stop + HALO, planes)
        slab = self._to_device(x[:, :, first:last])
        return self._slab_block(encoder, slab, first - (start - HALO), stop + HALO - last)

    def _decode_slab(
        self, decoder: ConvBlock, joined: Tensor, start: int, stop: int, planes: int
    ) -> Tensor:
        """Return decoder features of planes [start, stop); `joined` reaches HALO beyond."""
        missing = max(HALO - start, 0), max(stop + HALO - planes, 0)
        return self._slab_block(decoder, joined, *missing)

    def _slab_block(self, block: ConvBlock, x: Tensor, before: int, after: int) -> Tensor:
        """Run a block on a slab that lacks `before` and `after` planes of its halo.

        Planes are lacking only at a true border, where the network sees zero padding: of the
        input, and of the hidden map. The hidden planes outside the volume are therefore set to
        zero; computed, they would be relu(bias).
        """
        if before or after:
            x = F.pad(x, (0, 0, 0, 0, before, after))
        hidden = F.conv3d(x, block[0].weight, block[0].bias, padding=(0, 1, 1)).relu_()  # type: ignore[arg-type]
        if before:
            hidden[:, :, : before - 1].zero_()
        if after:
            hidden[:, :, hidden.shape[2] - after + 1 :].zero_()
        return F.conv3d(hidden, block[3].weight, block[3].bias, padding=(0, 1, 1)).relu_()  # type: ignore[arg-type]

    def _block(self, block: ConvBlock, x: Tensor) -> Tensor:
        """Run a block on a whole level."""
        result: Tensor = block(x)
        return result

    def _coefficients(self, gate: AttentionGate, projected: Tensor, g: Tensor) -> Tensor:
        """Coefficients of a whole map, its scores computed a few planes at a time."""
        step = 16
        scores = [
            gate.scores(projected[:, :, z : z + step], g[:, :, z : z + step]).float()
            for z in range(0, g.shape[2], step)
        ]
        return gate.normalise(torch.cat(scores, dim=2))

    def _join(  # noqa: PLR0913  (a slab is all of these)
        self, level: int, skip: Tensor, alpha: Tensor | None, deeper: Tensor, first: int, last: int
    ) -> Tensor:
        """Gated skip connection beside the upsampled deeper features, planes [first, last)."""
        channels = skip.shape[1]
        joined = self._new(2 * channels, tuple(skip.shape[2:]))
        if alpha is None:
            joined[:, :channels] = skip
        else:
            gate: AttentionGate = self.network.gate[level]  # type: ignore[assignment]
            weight = upsample_planes(alpha, 2, first, last)
            torch.mul(
                skip,
                gate.weigh(weight, alpha[0].numel()).to(self.dtype),
                out=joined[:, :channels],
            )
        up = self.network.up[level]
        if up.kind == "transposed":
            joined[:, channels:] = up.conv(deeper[:, :, first // 2 : last // 2])  # type: ignore[operator]
        else:
            joined[:, channels:] = up.conv(upsample_planes(deeper, 2, first, last))  # type: ignore[operator]
        return joined

    def _keep_stage(self, level: int, x: Tensor) -> None:
        """Keep the class map of a coarser decoder stage, which the head joins at the end."""
        if self.config.deep_supervision and level > 0:
            self.stages[level] = self.network.stage_head[level](x)

    def _logits(self, y: Tensor, start: int) -> tuple[int, Tensor] | None:
        """Logits from level-0 decoder features of planes from `start`; None beyond the image."""
        stop = start + y.shape[2]
        if self.config.deep_supervision:
            maps = [self.network.stage_head[0](y)]
            maps += [
                upsample_planes(self.stages[k], 2**k, start, stop) for k in sorted(self.stages)
            ]
            y = torch.cat(maps, dim=1)
        z, height, width = self.size
        kept = min(stop, z) - start
        if kept <= 0:
            return None
        logits = self.network.head(y[:, :, :kept])
        return start, crop(logits, (kept, height, width))[0].float().cpu()

    def _gate_event(self, level: int, alpha: Tensor) -> Event:
        kept = crop(alpha, map_size(self.size, level + 1))[0, 0]
        return Event(min(1.0, self.work / self.total_work), gate=(level + 1, kept.cpu()))

    # --- tensors --------------------------------------------------------------------------------
    def _to_device(self, x: Tensor) -> Tensor:
        return x.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last_3d)

    def _new(self, channels: int, size: tuple[int, ...]) -> Tensor:
        return torch.empty(
            (1, channels, *size),
            dtype=self.dtype,
            device=self.device,
            memory_format=torch.channels_last_3d,
        )


def upsample_planes(x: Tensor, factor: int, first: int, last: int) -> Tensor:
    """Return planes [first, last) of `upsample(x, factor)` without computing the others.

    Trilinear interpolation reaches one coarse plane to each side, clamped at true borders.
    """
    begin = max(first // factor - 1, 0)
    end = min(-(-last // factor) + 1, x.shape[2])
    fine = upsample(x[:, :, begin:end], factor)
    return fine[:, :, first - begin * factor : last - begin * factor]
