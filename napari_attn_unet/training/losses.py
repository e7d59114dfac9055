"""Dice + cross-entropy, the loss of nnU-Net (Isensee et al. 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from torch import Tensor


def dice_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return cross-entropy plus one minus the soft Dice of the foreground classes.

    logits (N, K, Z, Y, X), target (N, Z, Y, X) integers -> scalar. Dice is taken over the whole
    batch (Milletari et al. 2016, with the sum of probabilities in the denominator), so that a
    class missing from one patch does not dominate.
    """
    logits = logits.float()
    target = target.long()
    cross_entropy = F.cross_entropy(logits, target)
    probabilities = torch.softmax(logits, dim=1)[:, 1:]
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1)[:, 1:].to(probabilities.dtype)
    over = (0, 2, 3, 4)
    overlap = (probabilities * truth).sum(over)
    total = probabilities.sum(over) + truth.sum(over)
    dice = (2 * overlap + 1.0) / (total + 1.0)
    return cross_entropy + 1.0 - dice.mean()
