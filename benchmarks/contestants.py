"""The network, and every way of evaluating it that is compared."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from napari_attn_unet.engine.kernels import fold
from napari_attn_unet.engine.plan import Plan
from napari_attn_unet.engine.streaming import evaluate
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet

CPU = torch.device("cpu")
Size = tuple[int, int, int]


def network(base: int = 32) -> AttentionUNet:
    """Return the bundled architecture with weights and statistics as a trained one has them."""
    torch.manual_seed(0)
    config = ModelConfig(classes=3, channels=tuple(base * 2**k for k in range(4)))
    built = AttentionUNet(config)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm3d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.3)
    return built.eval().requires_grad_(requires_grad=False)


def flop_per_voxel(net: AttentionUNet) -> float:
    """Return the floating-point operations of the network's convolutions, per input voxel."""
    total = 0.0

    def count(module: nn.Module, _: Any, out: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)
        if isinstance(module, nn.ConvTranspose3d):  # kernel and stride are both two
            total += 2 * out[0, 0].numel() * weight.shape[0] * weight.shape[1]
        else:
            total += 2 * out[0, 0].numel() * weight.numel()

    hooks = [
        module.register_forward_hook(count)
        for module in net.modules()
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d)
    ]
    net(torch.zeros(1, 1, 32, 32, 32))
    for hook in hooks:
        hook.remove()
    return total / 32**3


def image(size: Size) -> Tensor:
    """Return a random volume (1, 1, Z, Y, X), z-scored."""
    return torch.randn((1, 1, *size), generator=torch.Generator().manual_seed(0))


class Logits(nn.Module):
    """A network whose first output alone is returned, as window mergers want it."""

    def __init__(self, net: AttentionUNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.net(x).logits
        return logits


def plain(net: nn.Module, x: Tensor) -> None:
    """Run the whole pass as a script does that knows of `torch.no_grad` only."""
    with torch.no_grad():
        net(x)


def tuned(folded: nn.Module, x: Tensor, dtype: torch.dtype = torch.float32) -> None:
    """Run the whole pass with everything that eager torch offers."""
    with torch.inference_mode():
        folded(x.to(dtype).contiguous(memory_format=torch.channels_last_3d))


def ours(folded: AttentionUNet, x: Tensor, plan: Plan) -> None:
    """Run this project's evaluation; the logits of each slab become labels, as in a run."""
    array = x[0].numpy()
    for event in evaluate(folded, array, plan):
        if event.logits is not None:
            event.logits[1].argmax(dim=0).to(torch.uint8)


def folded(net: AttentionUNet, precision: str = "f32") -> AttentionUNet:
    """Return the network as this project evaluates it."""
    return fold(net, CPU, {"f32": torch.float32, "bf16": torch.bfloat16}[precision])


def sliding(net: nn.Module, x: Tensor, roi: int, overlap: float, *, is_tuned: bool) -> None:
    """Run MONAI's sliding window."""
    from monai.inferers.utils import sliding_window_inference  # noqa: PLC0415  (3 s to import)

    mode = "gaussian" if overlap == 0.5 else "constant"  # noqa: PLR2004
    if is_tuned:
        x = x.contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        sliding_window_inference(x, (roi,) * 3, 1, net, overlap=overlap, mode=mode)


def monai_attention_unet() -> nn.Module:
    """Return MONAI's own Attention U-Net of the same channels."""
    from monai.networks.nets.attentionunet import AttentionUnet  # noqa: PLC0415

    torch.manual_seed(0)
    net: nn.Module = AttentionUnet(3, 1, 3, (32, 64, 128, 256), (2, 2, 2)).eval()
    return net


def openvino(net: AttentionUNet, size: Size, precision: str) -> Any:
    """Return the network compiled by OpenVINO: a callable of the image."""
    import openvino as ov  # noqa: PLC0415

    model = ov.convert_model(Logits(net), example_input=image((32, 32, 32)), input=[1, 1, *size])
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})


def peak_gflops(dtype: torch.dtype) -> float:
    """Return the best rate of torch's 3x3x3 convolution in channels-last order."""
    import time  # noqa: PLC0415

    best = 0.0
    for channels, edge in ((32, 96), (64, 64), (128, 48), (256, 32)):
        x = torch.randn(1, channels, edge, edge, edge).to(dtype)
        x = x.contiguous(memory_format=torch.channels_last_3d)
        conv = nn.Conv3d(channels, channels, 3, padding=1, dtype=dtype)
        conv = conv.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        work = 2 * 27 * channels**2 * edge**3
        with torch.inference_mode():
            for _ in range(6):
                start = time.perf_counter()
                conv(x)
                best = max(best, work / (time.perf_counter() - start))
    return best / 1e9
