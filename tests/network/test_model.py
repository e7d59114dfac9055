"""The network is the corrected Attention U-Net."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napari_attn_unet.errors import ConfigError
from napari_attn_unet.network.config import ModelConfig, map_size
from napari_attn_unet.network.model import AttentionGate, AttentionUNet

SMALL = (4, 6, 8, 8)


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_default_has_its_known_number_of_parameters() -> None:
    network = AttentionUNet()
    assert parameters(network) == 5_905_413
    assert [parameters(gate) for gate in network.gate] == [14_593, 57_857, 230_401]


@pytest.mark.parametrize("size", [(36, 50, 35), (1, 1, 1), (9, 16, 23)])
@pytest.mark.parametrize("upsampling", ["transposed", "trilinear"])
@pytest.mark.parametrize("deep", [True, False])
def test_any_size_works(size: tuple[int, int, int], upsampling: str, deep: bool) -> None:
    config = ModelConfig(classes=3, channels=SMALL, upsampling=upsampling, deep_supervision=deep)
    output = AttentionUNet(config).eval()(torch.randn(1, 1, *size))
    assert output.logits.shape == (1, 3, *size)
    assert list(output.gates) == [1, 2, 3]
    for level, gate in output.gates.items():
        assert gate.shape == (1, 1, *map_size(size, level))
        assert 0 <= float(gate.min()) <= float(gate.max()) <= 1


def test_an_output_depends_on_58_voxels_to_each_side() -> None:
    torch.manual_seed(0)
    network = AttentionUNet(ModelConfig(channels=(2, 2, 2, 2))).double().eval()
    with torch.no_grad():  # positive weights keep every ReLU open, so that nothing hides the reach
        for parameter in network.parameters():
            parameter.abs_().mul_(0.3)
    reach = 0
    for place in range(128, 136):
        image = torch.randn(1, 1, 256, 8, 8, dtype=torch.float64, requires_grad=True)
        network(image).logits[0, 1, place].sum().backward()
        touched = torch.nonzero(image.grad[0, 0].abs().sum(dim=(1, 2))).flatten()
        reach = max(reach, place - int(touched.min()), int(touched.max()) - place)
    assert reach <= network.config.reach == 58
    assert reach > 50


def test_a_gate_is_the_papers_equation_by_hand() -> None:
    torch.manual_seed(0)
    gate = AttentionGate(2, 3, "sigmoid", "batch").eval()
    x, g = torch.randn(1, 2, 2, 2, 2), torch.randn(1, 3, 1, 1, 1)
    weighed, alpha = gate(x, g)
    w = {key: value.detach().numpy().astype(np.float64) for key, value in gate.state_dict().items()}
    signal = w["signal.0.weight"][:, :, 0, 0, 0] @ g.numpy()[0, :, 0, 0, 0] + w["signal.0.bias"]
    signal = np.maximum(signal / np.sqrt(1 + 1e-5), 0)
    theta = (w["theta.weight"] * x.numpy()).sum(axis=(1, 2, 3, 4))
    phi = w["phi.weight"][:, :, 0, 0, 0] @ signal + w["phi.bias"]
    psi = w["psi.weight"][0, :, 0, 0, 0] @ np.maximum(theta + phi, 0) + w["psi.bias"][0]
    expected = 1 / (1 + np.exp(-psi))
    assert float(alpha) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(weighed.detach().numpy(), x.numpy() * expected, rtol=1e-5)


def test_softmax_coefficients_sum_to_one() -> None:
    network = AttentionUNet(ModelConfig(channels=SMALL, coefficients="softmax")).eval()
    for gate in network(torch.randn(2, 1, 16, 16, 16)).gates.values():
        torch.testing.assert_close(gate.sum(dim=(1, 2, 3, 4)), torch.ones(2))


def test_a_uniform_softmax_map_passes_everything() -> None:
    gate = AttentionGate(2, 3, "softmax", "batch").eval()
    x, g = torch.randn(1, 2, 4, 4, 4), torch.zeros(1, 3, 2, 2, 2)
    torch.nn.init.zeros_(gate.theta.weight)
    weighed, alpha = gate(x, g)
    torch.testing.assert_close(alpha, torch.full((1, 1, 2, 2, 2), 1 / 8))
    torch.testing.assert_close(weighed, x)


def test_a_volume_is_padded_at_its_far_ends_only() -> None:
    torch.manual_seed(0)
    network = AttentionUNet(ModelConfig(channels=SMALL)).eval()
    x = torch.randn(1, 1, 13, 16, 21)
    padded = torch.zeros(1, 1, 16, 16, 24)
    padded[:, :, :13, :, :21] = x
    with torch.no_grad():
        small, large = network(x), network(padded)
    torch.testing.assert_close(small.logits, large.logits[:, :, :13, :, :21])
    for level, gate in small.gates.items():
        z, y, x_ = map_size((13, 16, 21), level)
        torch.testing.assert_close(gate, large.gates[level][:, :, :z, :y, :x_])


def test_gates_start_near_pass_through() -> None:
    torch.manual_seed(0)
    gates = AttentionUNet().eval()(torch.randn(1, 1, 16, 16, 16)).gates
    assert all(float(gate.mean()) > 0.75 for gate in gates.values())


def test_without_gates_it_is_a_plain_unet() -> None:
    plain = AttentionUNet(ModelConfig(gated=(False, False, False)))
    assert plain(torch.randn(1, 1, 16, 16, 16)).gates == {}
    assert parameters(plain) == 5_905_413 - 14_593 - 57_857 - 230_401


def test_config_survives_json() -> None:
    config = ModelConfig(2, 4, (4, 8, 16), "trilinear", "softmax", (False, True), True, "instance")
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": 1},
        {"in_channels": 0},
        {"channels": (4,)},
        {"gated": (True,)},
        {"upsampling": "nearest"},
        {"norm": "group"},
        {"flavour": "mint"},
    ],
)
def test_a_wrong_config_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ModelConfig.from_dict(wrong)
