"""A network that is not local, run as it is: in one piece, with interventions by hooks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.network.config import map_size
from napari_attn_unet.network.model import AttentionGate, AttentionUNet, Output, upsample


def run_whole(
    folded: AttentionUNet, image: Any, interventions: Mapping[int, Intervention]
) -> Output:
    """Return logits and gates of a whole image (C, Z, Y, X)."""
    parameter = next(folded.parameters())
    x = torch.from_numpy(np.array(image, dtype=np.float32))[None]
    with ExitStack() as stack:
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
                voxels = output[1][0].numel()
                weight = gate.weigh(output[1], voxels)[0, 0]
                weight = intervention.apply(weight, size)[None, None]
                one = gate.weigh(torch.ones((), device=weight.device), voxels)
                return inputs[0] * upsample(weight, 2), weight / one

            stack.callback(folded.gate[level - 1].register_forward_hook(change).remove)
        output: Output = folded(x.to(parameter.device, parameter.dtype))
    return output
