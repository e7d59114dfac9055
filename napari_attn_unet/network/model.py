"""3D Attention U-Net (Oktay et al. 2018, arXiv:1804.03999), all of it in this file.

Its settings are those of `config.ModelConfig`.

Shapes are written (N, C, Z, Y, X): batch, channels, depth, height, width. Level 1 is the finest;
gate k weighs the skip connection of level k and is computed on the grid of level k + 1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from torch import Tensor, nn

from napari_attn_unet.errors import ShapeError
from napari_attn_unet.network.config import ModelConfig, map_size


class Output(NamedTuple):
    """What the network returns.

    Attributes
    ----------
    logits
        (N, classes, Z, Y, X), on the input's grid.
    gates
        {level: coefficients}; a map at level k is (N, 1, ceil(Z / 2^k), …), finest first.
    """

    logits: Tensor
    gates: dict[int, Tensor]


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm3d(channels)
    return nn.InstanceNorm3d(channels, affine=True)


class ConvBlock(nn.Sequential):
    """Two times: 3x3x3 convolution, normalisation, ReLU. (N, I, Z, Y, X) -> (N, O, Z, Y, X)."""

    def __init__(self, in_channels: int, out_channels: int, norm: str) -> None:
        super().__init__(
            nn.Conv3d(in_channels, out_channels, 3, padding=1),
            _norm(norm, out_channels),
            nn.ReLU(inplace=True),
            nn.Conv3d(out_channels, out_channels, 3, padding=1),
            _norm(norm, out_channels),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """Double the resolution: (N, I, Z, Y, X) -> (N, O, 2Z, 2Y, 2X)."""

    def __init__(self, in_channels: int, out_channels: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "transposed":
            self.conv: nn.Module = nn.ConvTranspose3d(in_channels, out_channels, 2, stride=2)
        else:
            self.conv = nn.Conv3d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x at twice its resolution."""
        result: Tensor = self.conv(x if self.kind == "transposed" else upsample(x, 2))
        return result


class AttentionGate(nn.Module):
    """Weigh a skip connection by where a coarser gating signal looks.

    Additive attention, one coefficient per voxel (eqs. 1 and 2 of the paper).

    Parameters
    ----------
    skip_channels
        Channels of the skip connection `x`.
    gating_channels
        Channels of the gating signal `g`, one level coarser than `x`.
    coefficients
        "sigmoid" or "softmax" (over all voxels).
    norm
        "batch" or "instance".
    """

    def __init__(
        self, skip_channels: int, gating_channels: int, coefficients: str, norm: str
    ) -> None:
        super().__init__()
        self.coefficients = coefficients
        self.signal = nn.Sequential(
            nn.Conv3d(gating_channels, gating_channels, 1),
            _norm(norm, gating_channels),
            nn.ReLU(inplace=True),
        )
        self.theta = nn.Conv3d(skip_channels, skip_channels, 2, stride=2, bias=False)
        self.phi = nn.Conv3d(gating_channels, skip_channels, 1)
        self.psi = nn.Conv3d(skip_channels, 1, 1)
        # Near pass-through at the start: sigmoid(2) = 0.88. A gate that starts half shut
        # starves the encoder of gradients before it has learnt where to look.
        nn.init.constant_(self.bias, 2.0)

    @property
    def bias(self) -> Tensor:
        """Bias of the last convolution, before the normalisation."""
        assert self.psi.bias is not None  # noqa: S101  (for the type checker: built with a bias)
        return self.psi.bias

    def scores(self, projected: Tensor, g: Tensor) -> Tensor:
        """Return the coefficients before normalisation, from theta(x) and g: (N, 1, Z/2, …)."""
        result: Tensor = self.psi(F.relu(projected + self.phi(self.signal(g))))
        return result

    def normalise(self, scores: Tensor) -> Tensor:
        """Turn scores of the *whole* map into coefficients in [0, 1]."""
        if self.coefficients == "sigmoid":
            return torch.sigmoid(scores)
        return torch.softmax(scores.flatten(1), dim=1).view_as(scores)

    def weigh(self, coefficients: Tensor, size: int) -> Tensor:
        """Return the factor for the skip connection from coefficients of a map of `size` voxels.

        Softmax coefficients average 1 / size; they are scaled by the number of voxels, so that
        a uniform map passes everything, as a sigmoid map of ones does.
        """
        return coefficients if self.coefficients == "sigmoid" else coefficients * size

    def forward(self, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighed skip connection and its attention coefficients.

        x (N, C, Z, Y, X), g (N, G, Z/2, Y/2, X/2)
        -> (N, C, Z, Y, X), (N, 1, Z/2, Y/2, X/2) in [0, 1]
        """
        alpha = self.normalise(self.scores(self.theta(x), g))
        return x * upsample(self.weigh(alpha, alpha[0].numel()), 2), alpha


class AttentionUNet(nn.Module):
    """3D U-Net whose skip connections pass attention gates.

    Parameters
    ----------
    config
        The architecture.
    """

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ModelConfig()
        c, norm = config.channels, config.norm
        self.encoder = nn.ModuleList(
            ConvBlock(i, o, norm) for i, o in zip((config.in_channels, *c[:-1]), c, strict=True)
        )
        # Index k of what follows belongs to the skip connection of level k + 1.
        self.up = nn.ModuleList(Up(g, x, config.upsampling) for x, g in pairwise(c))
        self.gate = nn.ModuleList(
            AttentionGate(x, g, config.coefficients, norm) if gated else nn.Identity()
            for x, g, gated in zip(c, c[1:], config.gates, strict=False)
        )
        self.decoder = nn.ModuleList(ConvBlock(2 * x, x, norm) for x in c[:-1])
        if config.deep_supervision:
            self.stage_head = nn.ModuleList(nn.Conv3d(x, config.classes, 1) for x in c[:-1])
            self.head = nn.Conv3d((config.levels - 1) * config.classes, config.classes, 1)
        else:
            self.head = nn.Conv3d(c[0], config.classes, 1)

    def forward(self, x: Tensor) -> Output:
        """Return logits (N, classes, Z, Y, X) and every gate's map.

        The input (N, C, Z, Y, X) may have any size: it is zero-padded at the far ends to a
        multiple of 2^(levels - 1), and the outputs are cropped back.

        Raises
        ------
        ShapeError
            If the input has other axes or channels.
        """
        self._check(x)
        size = x.shape[2:]
        x = pad_to_multiple(x, self.config.multiple)
        skips = []
        for block in self.encoder[:-1]:
            skips.append(block(x))
            x = F.max_pool3d(skips[-1], 2)
        x = self.encoder[-1](x)

        gates: dict[int, Tensor] = {}
        stages: list[Tensor] = []
        for k in reversed(range(self.config.levels - 1)):
            skip, gate = skips.pop(), self.gate[k]
            if isinstance(gate, AttentionGate):
                skip, gates[k + 1] = gate(skip, x)
            x = self.decoder[k](torch.cat([skip, self.up[k](x)], dim=1))
            if self.config.deep_supervision:
                stages.insert(0, upsample(self.stage_head[k](x), 2**k))
        logits = self.head(torch.cat(stages, dim=1) if stages else x)
        return Output(
            crop(logits, size),
            {level: crop(gates[level], map_size(size, level)) for level in sorted(gates)},
        )

    def _check(self, x: Tensor) -> None:
        if x.ndim != 5 or x.shape[1] != self.config.in_channels:  # noqa: PLR2004
            msg = (
                f"The network takes (N, {self.config.in_channels}, Z, Y, X), "
                f"but the input is {tuple(x.shape)}."
            )
            raise ShapeError(msg)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Zero-pad the far end of the last three axes to a multiple."""
    missing = [(-n) % multiple for n in x.shape[2:]]
    if not any(missing):
        return x
    return F.pad(x, (0, missing[2], 0, missing[1], 0, missing[0]))


def crop(x: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """Cut the last three axes to `size` from the near end."""
    z, y, x_ = size
    return x[:, :, :z, :y, :x_]


def upsample(x: Tensor, factor: int) -> Tensor:
    """Interpolate a map trilinearly to `factor` times its resolution, voxel borders aligned."""
    if factor == 1:
        return x
    return F.interpolate(x, scale_factor=factor, mode="trilinear", align_corners=False)
