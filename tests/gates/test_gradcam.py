"""Seg-Grad-CAM against its formula, written down with autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import tiny_checkpoint

from napari_attn_unet.engine.memory import gradcam_bytes
from napari_attn_unet.engine.preprocessing import prepare
from napari_attn_unet.gates.gradcam import seg_grad_cam
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.volume import Geometry, Volume

SIZE = (13, 16, 18)


def checkpoint(seed: int) -> Checkpoint:
    """A network whose classes all occur."""
    source = tiny_checkpoint()
    state = dict(source.state)
    generator = torch.Generator().manual_seed(seed)
    state["head.weight"] = torch.randn(state["head.weight"].shape, generator=generator)
    state["head.bias"] = torch.zeros(3)
    network = Checkpoint(source.card, state).network()
    image = torch.randn(1, 1, 16, 16, 16, generator=generator)
    with torch.no_grad():
        state["head.bias"] = -network(image).logits.mean(dim=(0, 2, 3, 4))
    return Checkpoint(source.card, state)


@pytest.fixture
def volume() -> Volume:
    data = np.random.default_rng(0).normal(size=(1, *SIZE)).astype(np.float32)
    affine = np.array([[-2.0, 0, 0, 5], [0, 1, 0, 6], [0, 0, -1, 7], [0, 0, 0, 1]])
    return Volume(data, Geometry(affine, "mm"))


def by_hand(source: Checkpoint, volume: Volume, label: int, level: int) -> np.ndarray:
    """The map on the network's grid, before it is cut and scaled."""
    network = source.network()
    held: list[torch.Tensor] = []
    blocks = [*network.decoder, network.encoder[-1]]

    def hook(_: object, __: object, output: torch.Tensor) -> torch.Tensor:
        held.append(output.detach().clone().requires_grad_())
        return held[0]

    blocks[level - 1].register_forward_hook(hook)
    data = torch.from_numpy(np.asarray(prepare(volume, source.card.preprocessing).data))[None]
    logits = network(data).logits[0]
    inside = logits.argmax(0) == label
    assert 0 < int(inside.sum()) < inside.numel()
    (gradient,) = torch.autograd.grad(logits[label][inside].sum(), held[0])
    weights = gradient.mean((2, 3, 4))[0]
    result: np.ndarray = torch.einsum("c,czyx->zyx", weights, held[0][0].detach()).numpy()
    return result


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_map_is_the_weighed_features_negative_values_cut(level: int, volume: Volume) -> None:
    signs = set()
    size = tuple(-(-n // 2 ** (level - 1)) for n in SIZE)
    for seed in range(3):
        for label in (1, 2):
            source = checkpoint(seed)
            cam = seg_grad_cam(source, volume, label, level, device="cpu")
            raw = by_hand(source, volume, label, level)[tuple(slice(0, n) for n in size)]
            signs |= set(np.unique(np.sign(raw)))
            cut = np.maximum(raw, 0)
            expected = cut / max(cut.max(), 1e-30)
            np.testing.assert_allclose(cam.coefficients, expected[::-1, :, ::-1], atol=1e-4)
            assert cam.level == level - 1
    assert signs >= {-1, 1}


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_map_lies_on_the_grid_of_its_level(level: int, volume: Volume) -> None:
    cam = seg_grad_cam(checkpoint(0), volume, 1, level, device="cpu")
    np.testing.assert_allclose(cam.geometry.spacing, np.array((2, 1, 1)) * 2 ** (level - 1))
    # The image is mirrored along z and x: what reaches beyond it lies before its first voxel.
    z, _, x = (2 ** (level - 1) * m - n for m, n in zip(cam.coefficients.shape, SIZE, strict=True))
    corner = (-0.5 - z, -0.5, -0.5 - x, 1)
    np.testing.assert_allclose(
        cam.geometry.affine @ (-0.5, -0.5, -0.5, 1), volume.geometry.affine @ corner
    )


def test_what_it_takes_grows_with_the_padded_volume() -> None:
    config = checkpoint(0).config
    assert gradcam_bytes(config, (5, 8, 8)) == gradcam_bytes(config, (8, 8, 8))
    assert gradcam_bytes(config, (16, 8, 8)) == 2 * gradcam_bytes(config, (8, 8, 8))
