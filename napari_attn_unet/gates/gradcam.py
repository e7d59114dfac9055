"""Seg-Grad-CAM: which voxels of a level's features a class's logits depend on.

Vinogradova, Dibrov & Myers 2020 (arXiv:2002.11434), after Selvaraju et al. 2017
(arXiv:1610.02391): the channels of a level's features, each weighed by the mean gradient of the
class's summed logits with respect to it, added up, negative values cut.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_attn_unet.engine.devices import default_limit, pick_device
from napari_attn_unet.engine.memory import gradcam_bytes, in_words
from napari_attn_unet.engine.preprocessing import prepare
from napari_attn_unet.errors import ConfigError, MemoryLimitError
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.config import map_size
from napari_attn_unet.prediction import GateMap
from napari_attn_unet.volume import Volume


def seg_grad_cam(  # noqa: PLR0913  (each is named by its caller)
    checkpoint: Checkpoint,
    volume: Volume,
    label: int,
    level: int,
    device: str = "auto",
    memory_limit: int | None = None,
) -> GateMap:
    """Return the Seg-Grad-CAM map of a class at a level, scaled to [0, 1].

    The logits are summed over the voxels that the network gives the class.

    Parameters
    ----------
    checkpoint
        The network.
    volume
        The image.
    label
        The class.
    level
        Of the features: 1 is the finest decoder stage, the number of levels the bottleneck. The
        map's grid is that of the level: level 2 has the grid of gate 1.
    device, memory_limit
        As of `Predictor`.

    Raises
    ------
    ConfigError
        If there is no such class or level.
    MemoryLimitError
        If the whole volume does not fit; it cannot be done in slabs.
    """
    config = checkpoint.config
    if not 0 < label < config.classes or not 1 <= level <= config.levels:
        msg = (
            f"Grad-CAM needs a class from 1 to {config.classes - 1} and a level from 1 to "
            f"{config.levels}, but got class {label} and level {level}."
        )
        raise ConfigError(msg)
    place = pick_device(device)
    prepared = prepare(volume, checkpoint.card.preprocessing, config.in_channels)
    needed = gradcam_bytes(config, prepared.frame.shape)
    limit = default_limit(place) if memory_limit is None else memory_limit
    if needed > limit:
        msg = (
            f"Grad-CAM needs about {in_words(needed)} for this volume, all at once, but the "
            f"memory limit is {in_words(limit)}. Choose a box around the structure."
        )
        raise MemoryLimitError(msg, needed)
    network = checkpoint.network().to(place).requires_grad_(requires_grad=False)
    features: list[Tensor] = []

    def keep(_: object, __: object, output: Tensor) -> Tensor:
        features.append(output.detach().requires_grad_())
        return features[0]

    block = network.encoder[-1] if level == config.levels else network.decoder[level - 1]
    hook = block.register_forward_hook(keep)
    try:
        image = torch.from_numpy(np.array(prepared.data, dtype=np.float32))[None].to(place)
        logits = network(image).logits[0]
    finally:
        hook.remove()
    score = logits[label][logits.argmax(dim=0) == label].sum()
    (gradient,) = torch.autograd.grad(score, features[0])
    weights = gradient.mean(dim=(2, 3, 4), keepdim=True)
    cam = (weights * features[0].detach()).sum(dim=1)[0].clamp_(min=0)
    z, y, x = map_size(prepared.frame.shape, level - 1)
    cam = cam[:z, :y, :x]
    cam = cam / cam.max().clamp_min(torch.finfo(cam.dtype).tiny)
    values, geometry = prepared.frame.restore_gate(cam.cpu().numpy(), level - 1, (0, 0, 0))
    return GateMap(values, geometry, level - 1)
