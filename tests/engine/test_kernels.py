"""Fused and turned kernels give what torch's own give."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from napari_attn_unet.engine import kernels
from napari_attn_unet.engine.kernels import Workspace, conv_relu, fold, turn, upsample_into
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet, Up, upsample

CPU = torch.device("cpu")


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("inputs", [1, 3, 16])
def test_a_convolution_is_written_into_part_of_a_buffer(
    inputs: int, pad: int, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fused:
        monkeypatch.setattr(kernels, "_fused_convolution_works", lambda _: False)
    torch.manual_seed(0)
    conv = nn.Conv3d(inputs, 8, 3).requires_grad_(requires_grad=False)
    x = torch.randn(1, inputs, 9, 6, 7).contiguous(memory_format=torch.channels_last_3d)
    whole = Workspace(CPU, torch.float32).take("out", 8, (9 + 2 * pad, 6, 7))
    whole.fill_(7.0)
    out = whole[:, :, 1 : 8 + 2 * pad]
    conv_relu(conv, x, pad, out)
    expected = F.conv3d(x, conv.weight, conv.bias, padding=(pad, 1, 1)).relu()
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    assert (whole[:, :, 0] == 7).all()
    assert (whole[:, :, 8 + 2 * pad :] == 7).all()


def test_a_build_without_the_fused_convolution_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise AttributeError

    def wrong(*arguments: torch.Tensor) -> None:
        arguments[-1].fill_(1.0)

    for broken in (gone, wrong):
        monkeypatch.setattr(kernels, "_fused", broken)
        assert not kernels._fused_convolution_works.__wrapped__(torch.float32)


@pytest.mark.parametrize("kind", ["transposed", "trilinear"])
@pytest.mark.parametrize(("first", "planes"), [(0, 12), (0, 4), (4, 6), (8, 4)])
def test_some_planes_of_an_upsampling_are_those_of_the_whole(
    kind: str, first: int, planes: int
) -> None:
    torch.manual_seed(0)
    up = Up(6, 4, kind).requires_grad_(requires_grad=False)  # type: ignore[arg-type]
    deeper = torch.randn(1, 6, 6, 3, 5).contiguous(memory_format=torch.channels_last_3d)
    workspace = Workspace(CPU, torch.float32)
    out = workspace.take("joined", 10, (planes, 6, 10))[:, 6:]
    upsample_into(up, deeper, first, out, workspace.take("tmp", 4, (planes, 6, 10)))
    expected = up(deeper)[:, :, first : first + planes]
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)


def test_a_turned_network_is_the_network_on_a_turned_volume() -> None:
    torch.manual_seed(0)
    network = AttentionUNet(ModelConfig(channels=(3, 4, 5))).eval()
    folded = fold(network, CPU, torch.float32)
    x = torch.randn(1, 1, 8, 12, 16)
    with torch.no_grad():
        expected = network(x)
        for axis in range(3):
            output = turn(folded, axis)(x.movedim(2 + axis, 2))
            torch.testing.assert_close(
                output.logits.movedim(2, 2 + axis), expected.logits, rtol=1e-4, atol=1e-4
            )


def test_a_buffer_is_used_again_and_grows() -> None:
    workspace = Workspace(CPU, torch.float32)
    first = workspace.take("a", 2, (3, 4, 5))
    assert first.is_contiguous(memory_format=torch.channels_last_3d)
    assert workspace.take("a", 1, (3, 4, 5)).data_ptr() == first.data_ptr()
    assert workspace.take("b", 1, (3, 4, 5)).data_ptr() != first.data_ptr()
    assert workspace.take("a", 8, (3, 4, 5)).shape == (1, 8, 3, 4, 5)


def test_planes_of_an_upsampled_map_are_those_of_the_whole() -> None:
    x = torch.randn(1, 2, 5, 3, 4)
    whole = upsample(x, 4)
    for first, last in ((0, 20), (0, 3), (7, 9), (13, 20)):
        part = kernels.upsample_planes(x, 4, first, last)
        torch.testing.assert_close(part, whole[:, :, first:last])
