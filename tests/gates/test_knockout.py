"""A knock-out says what forcing a gate did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers import drive, tiny_checkpoint

from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.errors import ConfigError, MemoryLimitError
from napari_attn_unet.gates import knockout
from napari_attn_unet.gates.gradcam import seg_grad_cam
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.prediction import ClassInfo, Prediction
from napari_attn_unet.scores.metrics import dice
from napari_attn_unet.volume import Geometry, Volume


def checkpoint() -> Checkpoint:
    """A network whose classes all occur and whose gates matter."""
    source = tiny_checkpoint()
    state = dict(source.state)
    state["head.weight"] = 30 * state["head.weight"]
    state["head.bias"] = torch.zeros(3)
    network = AttentionUNet(source.config)
    network.load_state_dict(state)
    image = torch.randn(1, 1, 24, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        state["head.bias"] = -network.eval()(image).logits.mean(dim=(0, 2, 3, 4))
    return Checkpoint(source.card, state)


@pytest.fixture
def volume() -> Volume:
    data = np.random.default_rng(0).normal(size=(1, 21, 18, 17)).astype(np.float32)
    return Volume(data, Geometry.from_spacing((2, 1, 1), (5, 6, 7), "mm"))


def last(steps: Any) -> Any:
    return drive(steps)[1]


def test_an_effect_is_the_difference_of_two_runs(volume: Volume) -> None:
    predictor = Predictor(checkpoint())
    change = {1: Intervention("zero")}
    progress, effects = drive(knockout.steps(predictor.session(volume, keep="gates"), [change]))
    assert progress[-1].done == pytest.approx(1)
    effect = effects[0]
    base = Predictor(checkpoint()).predict(volume, probabilities=True)
    changed = last(Predictor(checkpoint()).steps(volume, probabilities=True, interventions=change))
    np.testing.assert_allclose(
        effect.delta(1), changed.probabilities[1] - base.probabilities[1], atol=1e-5
    )
    assert np.abs(effect.delta(1)).max() > 0.05
    np.testing.assert_array_equal(effect.changed_voxels != 0, base.mask != changed.mask)
    truth = np.where(base.mask == 2, 1, base.mask)
    row = effect.rows(truth)[0]
    assert row.gate == "gate 1"
    assert row.intervention == "zero"
    assert row.voxels_before == (base.mask == 1).sum()
    assert row.mm3_after == pytest.approx(2 * (changed.mask == 1).sum())
    assert row.truth_dice_after == pytest.approx(dice(changed.mask, truth, 1))
    assert row.dice_with_before == pytest.approx(dice(changed.mask, base.mask, 1))


def test_a_second_knock_out_needs_no_second_base(volume: Volume) -> None:
    session = Predictor(checkpoint()).session(volume, keep="gates")
    first = drive(knockout.steps(session, [{1: Intervention("zero")}]))
    base = first[1][0].base
    second = drive(knockout.steps(session, [{2: Intervention("one")}], base=base))
    assert "as it is" not in " ".join(p.phase for p in second[0])
    assert second[1][0].base is base


def test_the_table_tries_everything_on_every_gate(volume: Volume) -> None:
    rows = last(knockout.table(Predictor(checkpoint()).session(volume, keep="gates")))
    tried = {(r.gate, r.intervention) for r in rows}
    kinds = ("one", "mean", "zero", "shuffled", "scaled × 0.5")
    assert tried == {(f"gate {k}", kind) for k in (1, 2) for kind in kinds}
    assert len(rows) == 2 * 5 * 2  # two classes


def test_a_knock_out_needs_a_gate(volume: Volume) -> None:
    with pytest.raises(ConfigError, match="at least one gate"):
        knockout.knock_out(Predictor(checkpoint()), volume, [{}])


def test_random_weights_are_others_and_repeatable() -> None:
    source = checkpoint()
    a, b = knockout.randomised(source, 1), knockout.randomised(source, 1)
    key = "head.weight"
    assert torch.equal(a.state[key], b.state[key])
    assert not torch.equal(a.state[key], source.state[key])
    assert a.config == source.config


def test_grad_cam_is_the_weighed_sum_of_features(volume: Volume) -> None:
    """At the finest stage, followed by the 1x1x1 head alone, it can be written down."""
    source = checkpoint()
    cam = seg_grad_cam(source, volume, label=1, level=1)
    network = source.network()
    features = []
    network.decoder[0].register_forward_hook(lambda *a: features.append(a[-1]))
    from napari_attn_unet.engine.preprocessing import prepare

    data = np.array(prepare(volume, source.card.preprocessing, 1).data)
    with torch.no_grad():
        logits = network(torch.from_numpy(data)[None]).logits[0]
    inside = logits.argmax(0) == 1
    padded = features[0][0]
    # d(sum of logits 1 inside)/d(feature c) is head.weight[1, c] inside and 0 elsewhere
    share = float(inside.sum()) / padded[0].numel()
    weights = network.head.weight[1, :, 0, 0, 0] * share
    expected = (weights[:, None, None, None] * padded).sum(0).clamp(min=0).detach()
    expected = expected[:21, :18, :17] / expected[:21, :18, :17].max()
    np.testing.assert_allclose(cam.coefficients, expected.numpy(), atol=1e-5)
    assert cam.coefficients.shape == volume.shape


def test_grad_cam_refuses_what_it_cannot_do(volume: Volume) -> None:
    with pytest.raises(ConfigError, match="class from 1 to 2"):
        seg_grad_cam(checkpoint(), volume, label=3, level=1)
    with pytest.raises(MemoryLimitError, match="all at once"):
        seg_grad_cam(checkpoint(), volume, label=1, level=1, memory_limit=1000)


def test_changed_voxels_tell_which_label_they_have_now() -> None:
    before = np.array([[[0, 1, 2, 1, 0]]], np.uint8)
    after = np.array([[[0, 0, 1, 1, 2]]], np.uint8)
    classes = tuple(ClassInfo.numbered(i, name) for i, name in enumerate("abc"))
    base, changed = (Prediction(m, Geometry.from_spacing(), classes) for m in (before, after))
    effect = knockout.Effect({1: Intervention("zero")}, base, changed)
    assert effect.changed_voxels.tolist() == [[[0, 1, 2, 0, 3]]]
    assert effect.changed_voxels.dtype == np.uint8
