"""What the tests of several rooms call: a tiny network, and a generator driven to its end."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch

from napari_attn_unet.network.card import Card, PreprocessingSpec
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.prediction import ClassInfo

TINY = ModelConfig(classes=3, channels=(4, 8, 16))


def tiny_checkpoint(spec: PreprocessingSpec | None = None, **card: Any) -> Checkpoint:
    """Make a checkpoint of three levels and three classes with random weights."""
    torch.manual_seed(0)
    classes = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two")))
    about = Card("tiny", TINY.to_dict(), classes, preprocessing=spec or PreprocessingSpec(), **card)
    return Checkpoint(about, AttentionUNet(TINY).state_dict())


def drive(steps: Generator[Any, Any, Any]) -> tuple[list[Any], Any]:
    """Run a generator to its end; return what it yields, and what it returns."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as stop:
            return yielded, stop.value
