"""The loss is the formula it names."""

from __future__ import annotations

import pytest
import torch

from napari_attn_unet.training.losses import dice_cross_entropy


def test_the_loss_is_cross_entropy_plus_one_minus_dice_of_the_foreground() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, 6, generator=generator)
    target = torch.randint(0, 3, (2, 4, 5, 6), generator=generator).to(torch.uint8)
    p = logits.softmax(1)
    cross_entropy = 0.0
    for n, z, y, x in torch.cartesian_prod(*map(torch.arange, (2, 4, 5, 6))).tolist():
        cross_entropy -= float(p[n, int(target[n, z, y, x]), z, y, x].log()) / target.numel()
    dice = []
    for k in (1, 2):  # over the whole batch; the background does not count
        truth = (target == k).float()
        overlap, total = (p[:, k] * truth).sum(), p[:, k].sum() + truth.sum()
        dice.append(float((2 * overlap + 1) / (total + 1)))
    expected = cross_entropy + 1 - sum(dice) / 2
    assert float(dice_cross_entropy(logits, target)) == pytest.approx(expected, rel=1e-5)
