"""Slab by slab is the whole, for every size, plan and architecture."""
# Over 350 lines: one rule, held for every kind of network, plan and change.

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from napari_attn_unet.engine import streaming
from napari_attn_unet.engine.intervention import KINDS, Intervention
from napari_attn_unet.engine.kernels import fold
from napari_attn_unet.engine.memory import evaluation_bytes
from napari_attn_unet.engine.plan import Plan
from napari_attn_unet.engine.planning import choose_plan
from napari_attn_unet.engine.request import Keep
from napari_attn_unet.engine.stages import AttentionUNetStages
from napari_attn_unet.engine.streaming import Features, evaluate
from napari_attn_unet.errors import MemoryLimitError
from napari_attn_unet.network.config import ModelConfig, map_size
from napari_attn_unet.network.model import AttentionGate, AttentionUNet, upsample
from napari_attn_unet.volume import Box

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


def forced(weight: torch.Tensor, intervention: Intervention, size: tuple[int, ...]) -> torch.Tensor:
    """What passes (Z, Y, X) instead, written down a second time: not by `Intervention.apply`."""
    w = weight.numpy().copy()
    image = w[: size[0], : size[1], : size[2]]  # a view; the rest is padding
    if intervention.kind == "one":
        w[...] = 1
    elif intervention.kind == "zero":
        w[...] = 0
    elif intervention.kind == "mean":
        w[...] = image.sum(dtype=np.float64) / image.size
    elif intervention.kind == "scaled":
        w = np.minimum(w * np.float32(intervention.factor), max(1, w.max()))
    else:
        order = np.random.default_rng(intervention.seed).permutation(image.size)
        image[...] = image.ravel()[order].reshape(image.shape)
    return torch.from_numpy(w)


def patch(gate: nn.Module, intervention: Intervention, size: tuple[int, ...]) -> None:
    """Make a gate of a whole network pass what an intervention says."""
    assert isinstance(gate, AttentionGate)

    def forward(x: torch.Tensor, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alpha = gate.normalise(gate.scores(gate.theta(x), g))
        voxels = alpha.numel() if gate.coefficients == "softmax" else 1
        weight = forced(alpha[0, 0] * voxels, intervention, size)[None, None]
        return x * upsample(weight, 2), weight / voxels

    gate.forward = forward  # type: ignore[method-assign]


@st.composite
def interventions_on(draw: st.DrawFn, config: ModelConfig) -> dict[int, Intervention]:
    """Draw a change for at least one gate."""
    gated = [level for level, is_gated in enumerate(config.gates, 1) if is_gated]
    kind = st.sampled_from(sorted(KINDS))
    return {
        level: Intervention(draw(kind), draw(st.sampled_from([0.0, 0.5, 2.0])), seed=level)
        for level in draw(st.sets(st.sampled_from(gated), min_size=1))
    }


def largest_difference(
    config: ModelConfig,
    size: tuple[int, int, int],
    plan: Plan,
    look_at: int | None = None,
    region: Box | None = None,
    features: Features | None = None,
    interventions: dict[int, Intervention] | None = None,
) -> float:
    """The largest difference to the whole-volume result in logits and coefficients."""
    network = network_with_statistics(config)
    folded = fold(network, torch.device("cpu"), torch.float32)
    for level, intervention in (interventions or {}).items():
        patch(network.gate[level - 1], intervention, map_size(size, level))
    image = torch.randn(config.in_channels, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = network(image[None])
    expected = torch.full_like(whole.logits[0], float("nan"))
    box = region or (slice(None), slice(None), slice(None))
    expected[(slice(None), *box)] = whole.logits[0][(slice(None), *box)]
    logits = torch.full_like(expected, float("nan"))
    differences = []
    gates = []
    options = {"look_at": look_at, "region": region, "features": features}
    options["interventions"] = interventions
    for event in evaluate(folded, image.numpy(), plan, **options):  # type: ignore[arg-type]
        if event.gate is not None:
            level, alpha = event.gate
            gates.append(level)
            part = whole.gates[level][0, 0]
            if region is not None:
                k = 2**level
                part = part[tuple(slice(r.start // k, -(-r.stop // k)) for r in region)]
            assert alpha.shape == part.shape
            differences.append(float((alpha - part).abs().max()))
        if event.logits is not None:
            place, values = event.logits
            assert logits[(slice(None), *place)].isnan().all(), "computed twice"
            logits[(slice(None), *place)] = values
    assert gates == sorted(whole.gates, reverse=True)
    assert torch.equal(logits.isnan(), expected.isnan())
    differences.append(float((logits - expected).nan_to_num().abs().max()))
    return max(differences)


def keeping(plan: Plan, keep: Keep) -> Plan:
    """A plan as `planning` makes it for a run that keeps features."""
    return replace(plan, recomputed=1 if keep == "gates" else max(1, plan.recomputed))


@st.composite
def problems(
    draw: st.DrawFn, norms: tuple[str, ...] = ("batch",), longest: int = 40
) -> tuple[ModelConfig, tuple[int, int, int], Plan]:
    """Draw a network, a volume's size and a plan."""
    levels = draw(st.integers(2, 5))
    channels = draw(st.permutations([2, 4, 5, 6, 8]))[:levels]
    config = ModelConfig(
        in_channels=draw(st.integers(1, 3)),
        classes=draw(st.integers(2, 4)),
        channels=tuple(channels),
        upsampling=draw(st.sampled_from(["transposed", "trilinear"])),
        coefficients=draw(st.sampled_from(["sigmoid", "softmax"])),
        gated=tuple(draw(st.lists(st.booleans(), min_size=levels - 1, max_size=levels - 1))),
        deep_supervision=draw(st.booleans()),
        norm=draw(st.sampled_from(norms)),
    )
    axis = draw(st.integers(0, 2))
    size = [draw(st.integers(1, 20)) for _ in range(3)]
    size[axis] = draw(st.integers(1, longest))
    plan = Plan(
        axis,
        draw(st.integers(0, levels - 1)),
        draw(st.sampled_from([2, 4, 6, 16])),
    )
    return config, (size[0], size[1], size[2]), plan


@settings(max_examples=80, deadline=None, derandomize=True)
@given(problem=problems(norms=("batch", "batch", "batch", "instance")), data=st.data())
def test_slabs_give_the_whole_volume_result(
    problem: tuple[ModelConfig, tuple[int, int, int], Plan], data: st.DataObject
) -> None:
    config, size, plan = problem
    if config.norm == "instance" and max(-(-n // config.multiple) for n in size) == 1:
        size = (size[0] + config.multiple, *size[1:])  # torch wants two voxels to normalise
    look_at = data.draw(st.integers(0, size[plan.axis] - 1))
    assert largest_difference(config, size, plan, look_at) < 1e-4


@settings(max_examples=40, deadline=None, derandomize=True)
@given(problem=problems(longest=150), data=st.data())
def test_a_region_gives_the_same_region_of_the_whole_result(
    problem: tuple[ModelConfig, tuple[int, int, int], Plan], data: st.DataObject
) -> None:
    config, size, plan = problem
    region = []
    for n in size:
        start = data.draw(st.integers(0, n - 1))
        region.append(slice(start, data.draw(st.integers(start + 1, n))))
    box = (region[0], region[1], region[2])
    assert largest_difference(config, size, plan, region=box) < 1e-4


@settings(max_examples=25, deadline=None, derandomize=True)
@given(problem=problems(longest=60), data=st.data())
def test_kept_features_serve_every_further_region(
    problem: tuple[ModelConfig, tuple[int, int, int], Plan], data: st.DataObject
) -> None:
    config, size, plan = problem
    keep: Keep = data.draw(st.sampled_from(["regions", "gates"]))
    features, plan = Features(keep), keeping(plan, keep)
    for _ in range(3):
        region = []
        for n in size:
            start = data.draw(st.integers(0, n - 1))
            region.append(slice(start, data.draw(st.integers(start + 1, n))))
        box = (region[0], region[1], region[2])
        assert largest_difference(config, size, plan, region=box, features=features) < 1e-4


@settings(max_examples=30, deadline=None, derandomize=True)
@given(problem=problems(norms=("batch", "batch", "batch", "instance")), data=st.data())
def test_a_changed_gate_gives_the_result_of_a_patched_network(
    problem: tuple[ModelConfig, tuple[int, int, int], Plan], data: st.DataObject
) -> None:
    config, size, plan = problem
    assume(any(config.gates))
    if config.norm == "instance" and max(-(-n // config.multiple) for n in size) == 1:
        size = (size[0] + config.multiple, *size[1:])
    look_at = data.draw(st.integers(0, size[plan.axis] - 1))
    first = data.draw(interventions_on(config))
    assert largest_difference(config, size, plan, look_at, interventions=first) < 1e-4
    features, plan = Features("gates"), keeping(plan, "gates")
    assert largest_difference(config, size, plan, look_at, features=features) < 1e-4
    for _ in range(2):
        changes = data.draw(interventions_on(config))
        difference = largest_difference(
            config, size, plan, look_at, features=features, interventions=changes
        )
        assert difference < 1e-4
    assert largest_difference(config, size, plan, look_at, features=features) < 1e-4


@pytest.mark.parametrize(("gate", "decoded"), [(1, {1}), (2, {1, 2}), (3, {1, 2, 3})])
def test_a_changed_gate_runs_the_decoder_from_there(
    gate: int, decoded: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    image = torch.randn(1, 32, 16, 16).numpy()
    features, plan = Features("gates"), keeping(Plan(), "gates")
    list(evaluate(folded, image, plan, features=features))
    encoded, levels = [], []
    encode, decode = AttentionUNetStages.encode, AttentionUNetStages.decode

    def counted(self, level, *rest):  # type: ignore[no-untyped-def]
        levels.append(level)
        return decode(self, level, *rest)

    def counted_too(self, level, *rest):  # type: ignore[no-untyped-def]
        encoded.append(level)
        return encode(self, level, *rest)

    monkeypatch.setattr(AttentionUNetStages, "encode", counted_too)
    monkeypatch.setattr(AttentionUNetStages, "decode", counted)
    change = {gate: Intervention("zero")}
    events = list(evaluate(folded, image, plan, features=features, interventions=change))
    assert set(levels) == decoded
    assert set(encoded) == {1}
    assert events[-1].done == pytest.approx(1.0)


def test_kept_features_save_the_deeper_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    image = torch.randn(1, 64, 16, 16).numpy()
    levels = []
    original = AttentionUNetStages.encode

    def counted(self, level, *rest):  # type: ignore[no-untyped-def]
        levels.append(level)
        return original(self, level, *rest)

    monkeypatch.setattr(AttentionUNetStages, "encode", counted)
    features = Features()
    for start, expected in ((10, {1, 2, 3, 4}), (40, {1})):
        levels.clear()
        region = (slice(start, start + 1), slice(0, 16), slice(0, 16))
        events = list(evaluate(folded, image, Plan(0, 1), region=region, features=features))
        assert set(levels) == expected
        assert [e.gate[0] for e in events if e.gate] == [3, 2, 1]
        assert events[-1].done == pytest.approx(1.0)


@pytest.mark.parametrize("what", ["encode", "decode"])
def test_a_halo_cut_by_one_plane_is_not_exact(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModelConfig(channels=CHANNELS)
    size, plan = (48, 16, 16), Plan(0, 1, 8)
    assert largest_difference(config, size, plan) < 1e-4
    original = AttentionUNetStages._block
    blinded = []

    def cut(self, block, x, missing, out):  # type: ignore[no-untyped-def]
        # What one missing plane of halo does: a zero in place of a neighbour.
        if missing[0] == 0 and block in list(getattr(self._network, what[:3] + "oder")):
            x = x.clone()
            x[:, :, 0] = 0
            blinded.append(block)
        original(self, block, x, missing, out)

    monkeypatch.setattr(AttentionUNetStages, "_block", cut)
    assert largest_difference(config, size, plan) > 1e-4
    assert blinded


def test_the_plane_looked_at_comes_first_and_the_rest_outwards() -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    image = torch.randn(1, 16, 48, 16).numpy()
    steps = evaluate(folded, image, Plan(1, 0, 8), look_at=30)
    events = [event for event in steps if event.logits is not None]
    planes = [event.logits[0][1] for event in events if event.logits]
    assert planes[0] == slice(24, 32)
    distances = [max(p.start - 30, 30 - p.stop + 1, 0) for p in planes]
    assert distances == sorted(distances)
    assert events[0].done < 0.6


def test_the_next_planes_follow_the_one_sent() -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    steps = evaluate(folded, torch.randn(1, 64, 16, 16).numpy(), Plan(0, 0, 8), look_at=0)
    event = next(e for e in steps if e.logits is not None)
    event = steps.send(60)
    while event.logits is None:
        event = next(steps)
    assert event.logits[0][0] == slice(56, 64)


def test_a_region_costs_less_than_the_whole() -> None:
    network = network_with_statistics(ModelConfig(channels=(2, 2, 2)))
    folded = fold(network, torch.device("cpu"), torch.float32)
    region = (slice(100, 104), slice(0, 16), slice(0, 16))
    sizes = []
    for box in (None, region):
        evaluation = streaming._Evaluation(folded, torch.zeros(1, 200, 16, 16).numpy(), Plan(), box)
        sizes.append(evaluation.work.total)
    assert sizes[1] < 0.3 * sizes[0]


def test_instance_norm_is_refused_rather_than_approximated() -> None:
    config = ModelConfig(channels=(4, 8), norm="instance")
    need = evaluation_bytes(config, (64, 64, 64), Plan(), 4)
    with pytest.raises(MemoryLimitError, match="instance normalisation"):
        choose_plan(config, (64, 64, 64), 4, need - 1)


def test_progress_grows_to_one() -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    for recomputed in range(3):
        plan = Plan(0, recomputed, 8)
        done = [e.done for e in evaluate(folded, torch.randn(1, 32, 16, 16).numpy(), plan)]
        assert done == sorted(done)
        assert done[-1] == pytest.approx(1.0)
        assert 1 - done[-2] == pytest.approx(done[-2] - done[-3])  # a slab as the one before


def test_with_kept_features_progress_grows_to_one() -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    image, features = torch.randn(1, 32, 16, 16).numpy(), Features("gates")
    list(evaluate(folded, image, Plan(0, 1, 8), features=features))
    for gate in (1, 2, 3):
        change = {gate: Intervention("zero")}
        steps = evaluate(folded, image, Plan(0, 1, 8), features=features, interventions=change)
        done = [event.done for event in steps]
        assert done == sorted(done)
        assert 1 - done[-2] == pytest.approx(done[-2] - done[-3])  # a slab as the one before


def test_a_run_with_changed_gates_fills_no_features() -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    features = Features("gates")
    change = {1: Intervention("zero")}
    image = torch.randn(1, 16, 16, 16).numpy()
    list(evaluate(folded, image, Plan(0, 1, 8), features=features, interventions=change))
    assert not features.is_filled
    assert not features.alpha


def test_stepping_leaves_the_callers_gradients_on() -> None:
    network = network_with_statistics(ModelConfig(channels=CHANNELS))
    folded = fold(network, torch.device("cpu"), torch.float32)
    for _ in evaluate(folded, torch.randn(1, 16, 16, 16).numpy(), Plan()):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
