"""What a run takes: counted exactly, and measured in a process of its own, against the estimate."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, drive, tiny_checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.kernels import fold
from napari_attn_unet.engine.memory import (
    evaluated_size,
    evaluation_bytes,
    features_bytes,
    in_words,
    maps_bytes,
    preparation_bytes,
    result_bytes,
)
from napari_attn_unet.engine.plan import Plan, grids
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.engine.preprocessing import prepare
from napari_attn_unet.engine.request import Request
from napari_attn_unet.engine.streaming import Features, evaluate
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.volume import Geometry, Volume

linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="Linux tells a process's peak"
)

PREPARE = """
import json, sys
from pathlib import Path
import numpy as np, psutil, torch
from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.planning import plan_run
from napari_attn_unet.engine.request import Request
from napari_attn_unet.network.card import Card, PreprocessingSpec
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.volume import Geometry, Volume

config = ModelConfig(classes=3, channels=(16, 32, 64, 128))
classes = tuple(ClassInfo.numbered(i, n) for i, n in enumerate("abc"))
checkpoint = Checkpoint(Card("x", config.to_dict(), classes), AttentionUNet(config).state_dict())
rss = lambda: psutil.Process().memory_info().rss
"""

PEAK = """
limit, precision, spacing, wanted = json.loads(sys.argv[1])
card = Card("x", config.to_dict(), classes, PreprocessingSpec(spacing=spacing))
predictor = Predictor(Checkpoint(card, checkpoint.state), "cpu", precision, int(limit))
place = Geometry.from_spacing((1, 1, 1), unit="mm")
predictor.predict(Volume(np.random.default_rng(0).normal(size=(1, 32, 32, 32)), place))
data = np.random.default_rng(0).normal(size=(1, 144, 160, 176)).astype(np.float32)
volume = Volume(data, place)
if "region" in wanted:
    wanted["region"] = tuple(slice(*part) for part in wanted["region"])
request, frame = Request(**wanted), Frame.of(volume, card.preprocessing)
before = rss()
Path("/proc/self/clear_refs").write_text("5")
prediction = predictor.predict(volume, **wanted)
status = Path("/proc/self/status").read_text().splitlines()
peak = int(next(x for x in status if x.startswith("VmHWM")).split()[1]) * 1024 - before
estimate = plan_run(config, frame, request, predictor.budget())[0].bytes_needed
print(json.dumps({"peak": peak, "estimate": estimate}))
"""

LEAK = """
predictor = Predictor(checkpoint, "cpu")
volume = Volume(np.random.default_rng(0).normal(size=(1, 32, 40, 32)))
after = []
for _ in range(50):
    predictor.predict(volume, probabilities=True)
    steps = predictor.steps(volume)  # and a cancelled one
    while next(steps).gate is None:
        pass
    steps.close()
    after.append(rss())
print(json.dumps(after))
"""


def alone(script: str, *arguments: object) -> object:
    command = [sys.executable, "-c", PREPARE + script, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


@linux
@pytest.mark.parametrize(
    ("limit", "precision", "spacing", "wanted"),
    [
        (3e9, "f32", None, {}),
        (0.7e9, "f32", None, {}),
        (0.4e9, "f32", None, {}),
        (0.5e9, "bf16", None, {}),
        (0.5e9, "f32", None, {"probabilities": True}),
        (0.4e9, "f32", None, {"region": [[40, 60], [0, 160], [0, 176]]}),
        (0.5e9, "f32", [1.5, 1.5, 1.5], {}),
        (0.5e9, "f32", [1.5, 1.5, 1.5], {"probabilities": True}),
        (0.3e9, "f32", [4.0, 4.0, 4.0], {}),
    ],
)
def test_a_run_stays_within_its_limit_and_near_the_estimate(
    limit: float, precision: str, spacing: list[float] | None, wanted: dict[str, object]
) -> None:
    measured = alone(PEAK, json.dumps([limit, precision, spacing, wanted]))
    assert isinstance(measured, dict)
    assert measured["estimate"] <= limit
    assert measured["peak"] <= limit
    assert 0.75 < measured["peak"] / measured["estimate"] <= 1.0


@linux
def test_fifty_runs_leave_the_memory_where_it_was() -> None:
    after = alone(LEAK)
    assert isinstance(after, list)
    assert max(after[25:]) < 1.05 * max(after[:5])


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Draw a network that is local."""
    levels = draw(st.integers(2, 5))
    return ModelConfig(
        in_channels=draw(st.integers(1, 2)),
        classes=draw(st.integers(2, 4)),
        channels=tuple(draw(st.permutations([2, 3, 4, 5, 6]))[:levels]),
        coefficients=draw(st.sampled_from(["sigmoid", "softmax"])),
        gated=tuple(draw(st.lists(st.booleans(), min_size=levels - 1, max_size=levels - 1))),
        deep_supervision=draw(st.booleans()),
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    config=configs(),
    size=st.tuples(*[st.integers(1, 24)] * 3),
    keep=st.sampled_from(["regions", "gates"]),
    precision=st.sampled_from([torch.float32, torch.bfloat16]),
    axis=st.integers(0, 2),
)
def test_kept_features_take_exactly_what_is_told(
    config: ModelConfig, size: tuple[int, int, int], keep: Any, precision: torch.dtype, axis: int
) -> None:
    folded = fold(AttentionUNet(config), torch.device("cpu"), precision)
    features = Features(keep)
    image = np.zeros((config.in_channels, *size), np.float32)
    for _ in evaluate(folded, image, Plan(axis, 1, 8), features=features):
        pass
    assert features.is_filled
    kept = [value for value in vars(features).values() if isinstance(value, dict)]
    tensors = {id(t): t for part in kept for t in part.values()}.values()
    held = sum(t.numel() * t.itemsize for t in tensors)
    assert held == features_bytes(config, size, precision.itemsize, keep)


@pytest.mark.parametrize("probabilities", [True, False])
@pytest.mark.parametrize("region", [None, (slice(4, 9), slice(0, 18), slice(8, 9))])
def test_a_result_takes_exactly_what_is_told(region: Any, probabilities: bool) -> None:
    volume = Volume(np.random.default_rng(0).normal(size=(1, 21, 18, 17)))
    prediction = Predictor(tiny_checkpoint()).predict(
        volume, region=region, probabilities=probabilities
    )
    held = prediction.mask.nbytes + sum(gate.coefficients.nbytes for gate in prediction.gates)
    if prediction.probabilities is not None:
        held += prediction.probabilities.nbytes
    frame = Frame.of(volume, PreprocessingSpec())
    assert held == result_bytes(TINY, frame, Request(probabilities, region=region))
    z, y, x = prediction.mask.shape
    assert held == maps_bytes(TINY, (z, y, x), probabilities=probabilities)


def test_probabilities_on_disk_take_no_memory() -> None:
    frame = Frame.of(Volume(np.zeros((1, 21, 18, 17))), PreprocessingSpec())
    on_disk = Request(probabilities=True, store=Path("maps.zarr"))
    assert result_bytes(TINY, frame, on_disk) == result_bytes(TINY, frame, Request())
    in_memory = result_bytes(TINY, frame, Request(probabilities=True))
    assert in_memory - result_bytes(TINY, frame, Request()) == 4 * 3 * 21 * 18 * 17


def test_a_resampled_volume_is_held_on_both_grids() -> None:
    config = ModelConfig(in_channels=3, classes=4, channels=(4, 8, 16))
    volume = Volume(np.zeros((3, 20, 20, 20)), Geometry.from_spacing((2, 1, 1), unit="mm"))
    frame = Frame.of(volume, PreprocessingSpec(spacing=(1, 1, 1)))
    there, here = math.prod(frame.shape), 20**3
    image, maps, gates = 4 * 3 * there, 4 * 4 * (there + here), 4 * (there // 8 + there // 64)
    told = result_bytes(config, frame, Request())
    assert image + maps + here + gates <= told < 1.1 * (image + maps + here + gates)


@pytest.mark.parametrize("spacing", [4.0, 1.5, 0.75])
def test_resampling_takes_what_is_told(spacing: float) -> None:
    data = np.random.default_rng(0).normal(size=(1, 160, 168, 176)).astype(np.float32)
    volume = Volume(data, Geometry.from_spacing((1, 1, 1), unit="mm"))
    spec = PreprocessingSpec(spacing=(spacing, spacing, spacing))
    prepare(volume.cropped((0, 0, 0), (8, 8, 8)), spec)  # imports what resampling needs
    tracemalloc.start()
    prepare(volume, spec)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    told = preparation_bytes(TINY, Frame.of(volume, spec))
    assert 0.7 * told < peak <= 1.05 * told


def test_a_changed_gate_needs_its_whole_map_whatever_the_region() -> None:
    frame = Frame.of(Volume(np.zeros((1, 400, 16, 16))), PreprocessingSpec())
    region = (slice(0, 8), slice(0, 16), slice(0, 16))
    changes = {1: Intervention("mean")}
    assert evaluated_size(TINY, frame, Request()) == frame.shape
    assert evaluated_size(TINY, frame, Request(region=region))[0] < 100
    request = Request(region=region, interventions=changes)
    assert evaluated_size(TINY, frame, request) == frame.shape


def test_a_plan_for_a_changed_gate_of_a_region_is_for_the_whole_volume() -> None:
    volume = Volume(np.random.default_rng(0).normal(size=(1, 200, 16, 16)))
    region = (slice(0, 8), slice(0, 16), slice(0, 16))
    predictor = Predictor(tiny_checkpoint())
    whole = drive(predictor.steps(volume, interventions={1: Intervention("mean")}))[1]
    part = drive(predictor.steps(volume, region=region, interventions={1: Intervention("mean")}))[1]
    np.testing.assert_array_equal(part.mask, whole.mask[region])


@pytest.mark.parametrize("recomputed", [0, 1, 2])
def test_deep_supervision_holds_every_stages_class_maps(recomputed: int) -> None:
    """With so many classes, their maps are nearly all there is: what a class more takes."""
    size, plan = (64, 64, 64), Plan(0, recomputed, 8)
    many, more = (
        ModelConfig(classes=n, channels=(2, 2, 2, 2), deep_supervision=True) for n in (200, 201)
    )
    voxels = {level: math.prod(grid) for level, grid in grids(many, size).items()}
    maps = 4 * (voxels[2] + voxels[3])  # to the end; the finest stage's, slab by slab
    slab = (8 + 2 * 2) * 64 * 64
    stages = 4 * slab * 2 * 3  # of each of three stages, and joined
    logits = 3 * 4 * slab
    told = [evaluation_bytes(config, size, plan, 4) for config in (many, more)]
    assert told[1] - told[0] == maps + stages + logits


@pytest.mark.parametrize(
    ("size", "words"),
    [(999, "999 B"), (1500, "2 kB"), (2_147_483_648, "2.1 GB"), (5e6, "5 MB"), (3e12, "3000.0 GB")],
)
def test_bytes_are_told_in_units_of_a_thousand(size: float, words: str) -> None:
    assert in_words(size) == words
