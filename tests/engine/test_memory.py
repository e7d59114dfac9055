"""What a run takes, measured in a process of its own, against what was estimated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="Linux tells a process's peak"
)

PREPARE = """
import json, sys
from pathlib import Path
import numpy as np, psutil, torch
from napari_attn_unet.network.card import Card
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.volume import Volume

config = ModelConfig(classes=3, channels=(16, 32, 64, 128))
classes = tuple(ClassInfo.numbered(i, n) for i, n in enumerate("abc"))
checkpoint = Checkpoint(Card("x", config.to_dict(), classes), AttentionUNet(config).state_dict())
rss = lambda: psutil.Process().memory_info().rss
"""

PEAK = """
size, limit, precision = (144, 160, 176), int(float(sys.argv[1])), sys.argv[2]
predictor = Predictor(checkpoint, "cpu", precision, limit)
predictor.predict(Volume(np.random.default_rng(0).normal(size=(1, 32, 32, 32))))
volume = Volume(np.random.default_rng(0).normal(size=(1, *size)).astype(np.float32))
before = rss()
Path("/proc/self/clear_refs").write_text("5")
prediction = predictor.predict(volume)
status = Path("/proc/self/status").read_text().splitlines()
peak = int(next(x for x in status if x.startswith("VmHWM")).split()[1]) * 1024 - before
kept = prediction.mask.nbytes + sum(g.coefficients.nbytes for g in prediction.gates)
print(json.dumps({"peak": peak, "estimate": predictor.plan(size).bytes_needed + kept}))
"""

LEAK = """
predictor = Predictor(checkpoint, "cpu")
volume = Volume(np.random.default_rng(0).normal(size=(1, 48, 56, 40)))
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


@pytest.mark.parametrize(
    ("limit", "precision"), [(3e9, "f32"), (0.7e9, "f32"), (0.4e9, "f32"), (0.5e9, "bf16")]
)
def test_a_run_stays_within_its_limit_and_near_the_estimate(limit: float, precision: str) -> None:
    measured = alone(PEAK, limit, precision)
    assert isinstance(measured, dict)
    assert measured["peak"] <= limit
    assert 0.75 < measured["peak"] / measured["estimate"] <= 1.0


def test_fifty_runs_leave_the_memory_where_it_was() -> None:
    after = alone(LEAK)
    assert isinstance(after, list)
    assert max(after[25:]) < 1.05 * max(after[:5])
