"""What an evaluation computes with: folded weights, fused convolutions, buffers used again.

Large temporaries cost more than they seem to: the C library hands a freed block of more than
32 MB back to the system, and the next one is mapped and zeroed page by page. A `Workspace` keeps
them instead.
"""

from __future__ import annotations

import copy
import functools
import math
import mmap

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_attn_unet.network.model import AttentionGate, AttentionUNet, Up, upsample


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
    return _channels_last(folded.to(device=device, dtype=dtype))


def turn(folded: AttentionUNet, axis: int) -> AttentionUNet:
    """Return the network for volumes whose `axis` was moved to the front.

    It gives the same result, with its axes in that order too. Axis 0 is the network itself.
    """
    if axis == 0:
        return folded
    turned = copy.deepcopy(folded)
    for module in turned.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            module.weight = nn.Parameter(
                module.weight.movedim(2 + axis, 2).contiguous(), requires_grad=False
            )
    return _channels_last(turned)


def _channels_last(network: AttentionUNet) -> AttentionUNet:
    return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]


class Workspace:
    """Buffers by name; each grows to the largest request and stays.

    Parameters
    ----------
    device, dtype
        Of all buffers.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self._flat: dict[str, Tensor] = {}

    def take(self, name: str, channels: int, size: tuple[int, ...]) -> Tensor:
        """Return (1, channels, Z, Y, X) in channels-last order, its values undefined.

        What was taken under the same name before is overwritten.
        """
        numbers = channels * math.prod(size)
        flat = self._flat.get(name)
        if flat is None or flat.numel() < numbers:
            self._flat.pop(name, None)
            del flat
            flat = self._flat[name] = _allocate(numbers, self.device, self.dtype)
        return flat[:numbers].view(1, *size, channels).permute(0, 4, 1, 2, 3)


def _allocate(numbers: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return a flat tensor, its values undefined, that gives its memory back when it goes.

    What the C library puts on its heap stays with the process as long as anything above it lives,
    and with maps that live long among others that do not, that is more than the maps themselves.
    """
    size = numbers * dtype.itemsize
    if device.type != "cpu" or size < mmap.PAGESIZE:
        return torch.empty(numbers, dtype=dtype, device=device)
    # Shared, the default, would be slower to touch; Windows knows no such flags.
    private = (
        {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    )
    return torch.frombuffer(mmap.mmap(-1, size, **private), dtype=dtype, count=numbers)


def conv_relu(conv: nn.Conv3d, x: Tensor, pad_planes: int, out: Tensor) -> None:
    """Write relu(conv(x)) into `out`; x is zero-padded by one within planes, `pad_planes` across.

    x (1, I, Z, Y, X) -> out (1, O, Z - 2 + 2 * pad_planes, Y, X), both in channels-last order.
    """
    padding = (pad_planes, 1, 1)
    if x.device.type == "cpu" and _fused_convolution_works(x.dtype):
        _fused(x, conv.weight, conv.bias, padding, out)
    else:
        torch.clamp_min(F.conv3d(x, conv.weight, conv.bias, padding=padding), 0, out=out)


def _fused(
    x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int, int], out: Tensor
) -> None:
    # oneDNN's sum post-operation: the only way to have a convolution write into a given buffer.
    out.zero_()
    torch.ops.mkldnn._convolution_pointwise_.binary(
        out, x, weight, bias, padding, (1, 1, 1), (1, 1, 1), 1, "add", 1.0, "relu", [], None
    )


@functools.cache
def _fused_convolution_works(dtype: torch.dtype) -> bool:
    """Whether this build of torch has the fused convolution, in place and right."""
    generator = torch.Generator().manual_seed(0)
    workspace = Workspace(torch.device("cpu"), dtype)
    for channels in (1, 8):
        x = workspace.take("x", channels, (6, 7, 5)).normal_(generator=generator)
        conv = nn.Conv3d(channels, 8, 3, padding=1, dtype=dtype)
        conv = conv.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        conv.requires_grad_(requires_grad=False)
        out = workspace.take("out", 8, (6, 7, 5))
        try:
            _fused(x, conv.weight, conv.bias, (1, 1, 1), out)
        except (AttributeError, RuntimeError, TypeError):
            return False
        if not torch.allclose(out.float(), conv(x).relu_().float(), rtol=0.02, atol=1e-2):
            return False
    return True


def upsample_into(up: Up, deeper: Tensor, first: int, out: Tensor, tmp: Tensor) -> None:
    """Write as many planes of `up(deeper)` as `out` has, from plane `first`, into `out`.

    deeper (1, I, Z, Y, X) -> out (1, O, planes, 2Y, 2X), a part of the channels of a
    channels-last buffer; tmp has its size. `first` and the number of planes are even.
    """
    last = first + out.shape[2]
    if up.kind == "trilinear":
        # A 1x1x1 convolution and an interpolation may change places, and it is cheaper first.
        begin, end = coarse_planes(first, last, 2, deeper.shape[2])
        coarse = up.conv(deeper[:, :, begin:end])
        fine = upsample(coarse, 2)
        out.copy_(fine[:, :, first - 2 * begin : last - 2 * begin])
        return
    # Stride and kernel are both two, so every coarse voxel gives its own 2x2x2 block: a product
    # of matrices, which unlike the convolution can be given its buffer.
    weight: Tensor = up.conv.weight  # type: ignore[assignment]
    bias: Tensor = up.conv.bias  # type: ignore[assignment]
    channels = weight.shape[1]
    rows = deeper[0, :, first // 2 : last // 2].permute(1, 2, 3, 0)
    planes, height, width, _ = rows.shape
    blocks = tmp.permute(0, 2, 3, 4, 1).view(-1, 8 * channels)
    matrix = weight.permute(0, 2, 3, 4, 1).reshape(weight.shape[0], -1)
    torch.addmm(bias.repeat(8), rows.reshape(-1, weight.shape[0]), matrix, out=blocks)
    target = out[0].permute(1, 2, 3, 0).unflatten(2, (width, 2))
    target = target.unflatten(1, (height, 2)).unflatten(0, (planes, 2))
    target.copy_(blocks.view(planes, height, width, 2, 2, 2, channels).permute(0, 3, 1, 4, 2, 5, 6))


def upsample_planes(x: Tensor, factor: int, first: int, last: int) -> Tensor:
    """Return planes [first, last) of `upsample(x, factor)` without computing the others."""
    begin, end = coarse_planes(first, last, factor, x.shape[2])
    fine = upsample(x[:, :, begin:end], factor)
    return fine[:, :, first - begin * factor : last - begin * factor]


def coarse_planes(first: int, last: int, factor: int, planes: int) -> tuple[int, int]:
    """Return which coarse planes the planes [first, last) are interpolated from.

    Trilinear interpolation reaches one coarse plane to each side, clamped at true borders.
    """
    return max(first // factor - 1, 0), min(-(-last // factor) + 1, planes)
