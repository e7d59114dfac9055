"""`Stages`: what a network is to the engine. Another architecture is another class of this kind.

A stage works on a slab: some planes of a level's maps, the slab axis first. Convolutions see no
padding across planes unless the slab ends at the volume's own border. Levels count from 1, the
finest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from torch import Tensor, nn

from napari_attn_unet.engine.kernels import (
    Workspace,
    conv_relu,
    turn,
    upsample_into,
    upsample_planes,
)
from napari_attn_unet.engine.plan import HALO
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionGate, AttentionUNet, ConvBlock, Up

Missing = tuple[int, int]
"""Planes that a slab lacks of its halo before and after: those outside the volume."""


class Stages(Protocol):
    """A network of encoder blocks, gated skip connections, decoder blocks and a head.

    Attributes
    ----------
    config
        Levels, channels and what else the engine plans by.
    workspace
        Buffers used again from slab to slab: "skip" and "joined" are the engine's, all others the
        stages' own.
    """

    config: ModelConfig
    workspace: Workspace

    def encode(self, level: int, x: Tensor, missing: Missing, out: Tensor) -> None:
        """Write encoder features into `out`.

        x (1, I, Z + 2 · HALO − missing, Y, X) -> out (1, C, Z, Y, X)
        """

    def pool(self, level: int, skip: Tensor) -> Tensor:
        """Return the input of the level below: (1, C, Z, Y, X) -> (1, C, Z/2, Y/2, X/2)."""

    def project(self, level: int, skip: Tensor) -> Tensor:
        """Return what a gate keeps of the skip connection: (1, C, Z, …) -> (1, C, Z/2, …)."""

    def score(self, level: int, projected: Tensor, g: Tensor) -> Tensor:
        """Return a gate's scores: projected (1, C, Z, …), g (1, G, Z, …) -> (1, 1, Z, …)."""

    def coefficients(self, level: int, scores: Tensor) -> Tensor:
        """Turn the scores of a *whole* map into coefficients in [0, 1]."""

    def share(self, level: int, coefficients: Tensor, voxels: int) -> Tensor:
        """Return the share of the skip connection that passes, for a map of so many voxels."""

    def gate(self, level: int, skip: Tensor, alpha: Tensor, first: int, out: Tensor) -> None:
        """Write the skip connection from plane `first`, weighed by a whole map, into `out`."""

    def up(self, level: int, deeper: Tensor, first: int, out: Tensor) -> None:
        """Write planes from `first` of the upsampled features of the level below into `out`."""

    def decode(self, level: int, joined: Tensor, missing: Missing, out: Tensor) -> None:
        """Write decoder features into `out`; shapes as of `encode`."""

    def class_map(self, level: int, features: Tensor) -> Tensor:
        """Return a decoder stage's own class map, for deep supervision."""

    def head(self, features: Tensor) -> Tensor:
        """Return logits (1, K, Z, Y, X) of the finest features, or of the joined class maps."""

    def encoder_work(self, level: int) -> int:
        """Return the multiply-adds per voxel of an encoder block."""

    def decoder_work(self, level: int) -> int:
        """Return the multiply-adds per voxel of a decoder block."""


class AttentionUNetStages:
    """The stages of `network.model.AttentionUNet`.

    Parameters
    ----------
    folded
        From `kernels.fold`.
    axis
        The axis of (Z, Y, X) that was moved to the front.
    """

    def __init__(self, folded: AttentionUNet, axis: int = 0) -> None:
        self.config = folded.config
        self._network = turn(folded, axis)
        parameter = next(folded.parameters())
        self.workspace = Workspace(parameter.device, parameter.dtype)

    def _encoder(self, level: int) -> ConvBlock:
        return cast(ConvBlock, self._network.encoder[level - 1])

    def _decoder(self, level: int) -> ConvBlock:
        return cast(ConvBlock, self._network.decoder[level - 1])

    def _gate(self, level: int) -> AttentionGate:
        return cast(AttentionGate, self._network.gate[level - 1])

    def encode(self, level: int, x: Tensor, missing: Missing, out: Tensor) -> None:
        """See `Stages`."""
        self._block(self._encoder(level), x, missing, out)

    def pool(self, level: int, skip: Tensor) -> Tensor:  # noqa: ARG002  (the same at every level)
        """See `Stages`."""
        return F.max_pool3d(skip, 2)

    def project(self, level: int, skip: Tensor) -> Tensor:
        """See `Stages`."""
        result: Tensor = self._gate(level).theta(skip)
        return result

    def score(self, level: int, projected: Tensor, g: Tensor) -> Tensor:
        """See `Stages`."""
        return self._gate(level).scores(projected, g)

    def coefficients(self, level: int, scores: Tensor) -> Tensor:
        """See `Stages`."""
        return self._gate(level).normalise(scores)

    def share(self, level: int, coefficients: Tensor, voxels: int) -> Tensor:
        """See `Stages`."""
        return self._gate(level).weigh(coefficients, voxels)

    def gate(self, level: int, skip: Tensor, alpha: Tensor, first: int, out: Tensor) -> None:
        """See `Stages`."""
        fine = upsample_planes(alpha, 2, first, first + skip.shape[2])
        weight = self.share(level, fine, alpha[0].numel())
        torch.mul(skip, weight.to(skip.dtype), out=out)

    def up(self, level: int, deeper: Tensor, first: int, out: Tensor) -> None:
        """See `Stages`."""
        tmp = self.workspace.take("hidden", out.shape[1], tuple(out.shape[2:]))
        upsample_into(cast(Up, self._network.up[level - 1]), deeper, first, out, tmp)

    def decode(self, level: int, joined: Tensor, missing: Missing, out: Tensor) -> None:
        """See `Stages`."""
        self._block(self._decoder(level), joined, missing, out)

    def class_map(self, level: int, features: Tensor) -> Tensor:
        """See `Stages`."""
        result: Tensor = self._network.stage_head[level - 1](features)
        return result

    def head(self, features: Tensor) -> Tensor:
        """See `Stages`."""
        result: Tensor = self._network.head(features)
        return result

    def encoder_work(self, level: int) -> int:
        """See `Stages`."""
        return _weights(self._encoder(level))

    def decoder_work(self, level: int) -> int:
        """See `Stages`."""
        return _weights(self._decoder(level))

    def _block(self, block: ConvBlock, x: Tensor, missing: Missing, out: Tensor) -> None:
        """Run two convolutions on a slab.

        Planes are missing only at a true border, where the network sees zero padding: of the
        input, and of the hidden map. The hidden planes outside the volume are therefore zero;
        computed, they would be relu(bias).
        """
        first, second = _convolutions(block)
        before, after = missing
        outside = before == HALO, after == HALO
        pad = 1 if before or after else 0
        planes = x.shape[2] - 2 + 2 * pad
        size = (outside[0] + planes + outside[1], *x.shape[3:])
        hidden = self.workspace.take("hidden", first.out_channels, size)
        conv_relu(first, x, pad, hidden[:, :, outside[0] : outside[0] + planes])
        if outside[0]:
            hidden[:, :, 0].zero_()
        if outside[1]:
            hidden[:, :, -1].zero_()
        # Where only the other end is a border, padding it has made one plane too many here.
        begin, end = int(pad and not before), size[0] - int(pad and not after)
        conv_relu(second, hidden[:, :, begin:end], 0, out)


def _convolutions(block: ConvBlock) -> tuple[nn.Conv3d, nn.Conv3d]:
    return cast(nn.Conv3d, block[0]), cast(nn.Conv3d, block[3])


def _weights(block: ConvBlock) -> int:
    return sum(conv.weight.numel() for conv in _convolutions(block))


KINDS: dict[type[nn.Module], Callable[..., Stages]] = {AttentionUNet: AttentionUNetStages}
"""How the engine streams each architecture."""


def stages_of(folded: AttentionUNet, axis: int) -> Stages:
    """Return the stages of a folded network for volumes whose `axis` was moved to the front."""
    return KINDS[type(folded)](folded, axis)
