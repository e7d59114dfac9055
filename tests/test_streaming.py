"""Slab by slab is the whole, for every size, plan and architecture."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_attn_unet import streaming
from napari_attn_unet.errors import MemoryLimitError
from napari_attn_unet.model import AttentionUNet, ModelConfig
from napari_attn_unet.streaming import Plan, choose_plan, estimate_bytes, evaluate, fold

CHANNELS = (4, 6, 8, 8)


def network_with_statistics(config: ModelConfig, seed: int = 0) -> AttentionUNet:
    """A network whose normalisations and biases are far from neutral, as trained ones are."""
    torch.manual_seed(seed)
    network = AttentionUNet(config)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, 0, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight, 1.5, 0.3)
            nn.init.normal_(module.bias, 0.3, 0.5)
    return network.eval()


def largest_difference(config: ModelConfig, size: tuple[int, int, int], plan: Plan) -> float:
    network = network_with_statistics(config)
    image = torch.randn(config.in_channels, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = network(image[None])
    logits = torch.full((config.classes, *size), float("nan"))
    gates = {}
    folded = fold(network, torch.device("cpu"), torch.float32)
    for event in evaluate(folded, image, plan):
        if event.gate is not None:
            gates[event.gate[0]] = event.gate[1]
        if event.logits is not None:
            start, part = event.logits
            logits[:, start : start + part.shape[1]] = part
    assert sorted(gates) == sorted(whole.gates)
    differences = [float((logits - whole.logits[0]).abs().max())]
    differences += [float((gates[k] - whole.gates[k][0, 0]).abs().max()) for k in gates]
    return float("inf") if any(map(math.isnan, differences)) else max(differences)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    size=st.tuples(st.integers(1, 50), st.integers(1, 20), st.integers(1, 20)),
    slabs=st.lists(st.sampled_from([2, 4, 6, 16]), max_size=3),
    levels=st.integers(2, 4),
    upsampling=st.sampled_from(["transposed", "trilinear"]),
    coefficients=st.sampled_from(["sigmoid", "softmax"]),
    deep_supervision=st.booleans(),
    finest_gated=st.booleans(),
    in_channels=st.integers(1, 2),
)
def test_slabs_give_the_whole_volume_result(
    size: tuple[int, int, int],
    slabs: list[int],
    levels: int,
    upsampling: str,
    coefficients: str,
    deep_supervision: bool,
    finest_gated: bool,
    in_channels: int,
) -> None:
    config = ModelConfig(
        in_channels=in_channels,
        classes=3,
        channels=CHANNELS[:levels],
        upsampling=upsampling,
        coefficients=coefficients,
        gated=(finest_gated,) + (True,) * (levels - 2),
        deep_supervision=deep_supervision,
    )
    assert largest_difference(config, size, Plan(tuple(slabs), 0)) < 1e-4


def test_a_halo_cut_by_one_plane_is_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModelConfig(channels=CHANNELS)
    size, plan = (48, 16, 16), Plan((8,), 0)
    assert largest_difference(config, size, plan) < 1e-4
    original = streaming._Evaluation._encode_slab

    def cut(self, encoder, x, start, stop):  # type: ignore[no-untyped-def]
        features = original(self, encoder, x.clone(), start, stop)
        if start > 0:  # what one missing plane of input halo does: zero in place of a neighbour
            blind = x.clone()
            blind[:, :, start - 2] = 0
            features = original(self, encoder, blind, start, stop)
        return features

    monkeypatch.setattr(streaming._Evaluation, "_encode_slab", cut)
    assert largest_difference(config, size, plan) > 1e-4


def test_instance_norm_runs_whole_and_exactly() -> None:
    config = ModelConfig(channels=(4, 8), norm="instance")
    plan = choose_plan(config, (9, 10, 11), 4, 10**9)
    assert plan.slabs == ()
    assert largest_difference(config, (9, 10, 11), plan) < 1e-4


def test_instance_norm_is_refused_rather_than_approximated() -> None:
    config = ModelConfig(channels=(4, 8), norm="instance")
    need = estimate_bytes(config, (64, 64, 64), (), 4)
    with pytest.raises(MemoryLimitError, match="instance normalisation"):
        choose_plan(config, (64, 64, 64), 4, need - 1)


def test_a_lower_limit_gives_thinner_slabs_within_it() -> None:
    config, size = ModelConfig(), (128, 128, 128)
    need = [estimate_bytes(config, size, slabs, 4) for slabs in ((), (16,), (2, 2, 2))]
    assert need == sorted(need, reverse=True)
    for limit in need:
        assert choose_plan(config, size, 4, limit).bytes_needed <= limit
    assert choose_plan(config, size, 4, need[0]).slabs == ()
    with pytest.raises(MemoryLimitError, match="at least"):
        choose_plan(config, size, 4, 10**6)


def test_progress_grows_to_one() -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    for slabs in ((), (8,), (8, 4)):
        done = [e.done for e in evaluate(folded, torch.randn(1, 32, 16, 16), Plan(slabs, 0))]
        assert done == sorted(done)
        assert done[-1] == pytest.approx(1.0)


def test_stepping_leaves_the_callers_gradients_on() -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    for _ in evaluate(folded, torch.randn(1, 16, 16, 16), Plan((8,), 0)):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
