"""Two checkpoints on one image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from helpers import drive

from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.gates.difference import compare
from napari_attn_unet.network.card import Card
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.volume import Geometry, Volume


def checkpoint(seed: int, names: tuple[str, ...], gates: tuple[bool, ...]) -> Checkpoint:
    torch.manual_seed(seed)
    config = ModelConfig(classes=len(names), channels=(4, 8, 16), gated=gates)
    classes = tuple(ClassInfo.numbered(i, name) for i, name in enumerate(names))
    return Checkpoint(
        Card(f"net {seed}", config.to_dict(), classes), AttentionUNet(config).state_dict()
    )


def test_what_both_have_is_subtracted_and_the_rest_left_out() -> None:
    first = Predictor(checkpoint(1, ("background", "tumour", "cyst"), (True, True)))
    second = Predictor(checkpoint(2, ("background", "vessel", "tumour"), (False, True)))
    data = np.random.default_rng(0).normal(size=(1, 9, 12, 11)).astype(np.float32)
    volume = Volume(data, Geometry.from_spacing((2, 1, 1), unit="mm"), "brain")
    steps = compare(first, second, volume)
    done, difference = drive(steps)
    maps = difference.maps()
    assert list(maps) == ["probability of tumour", "gate 2"]
    a, b = (p.predict(volume, probabilities=True) for p in (first, second))
    assert a.probabilities is not None
    assert b.probabilities is not None
    change, geometry = maps["probability of tumour"]
    np.testing.assert_array_equal(change, b.probabilities[2] - a.probabilities[1])
    assert geometry is difference.first.geometry
    gates, geometry = maps["gate 2"]
    np.testing.assert_array_equal(gates, b.gates[0].coefficients - a.gates[1].coefficients)
    np.testing.assert_allclose(geometry.spacing, (8, 4, 4))
    shares = [progress.done for progress in done]
    assert shares == sorted(shares)
    assert {p.phase.split(" · ")[0] for p in done} == {"net 1", "net 2"}


def test_gates_on_other_grids_are_no_pair() -> None:
    names = ("background", "tumour")
    predictor = Predictor(checkpoint(1, names, (True, True)))
    data = np.random.default_rng(0).normal(size=(1, 9, 12, 11)).astype(np.float32)
    prediction = predictor.predict(Volume(data, Geometry.from_spacing()), probabilities=True)
    moved = [
        replace(gate, geometry=gate.geometry.regridded((1, 1, 1), (0, 0, 1)))
        for gate in prediction.gates
    ]
    from napari_attn_unet.gates.difference import Difference

    other = replace(prediction, gates=tuple(moved))
    assert list(Difference(prediction, other).maps()) == ["probability of tumour"]
