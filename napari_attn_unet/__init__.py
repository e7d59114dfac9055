"""See where a 3D Attention U-Net looks: exact whole-volume inference with every gate's map.

The public names are loaded when first used, so that importing the package costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from napari_attn_unet.engine.intervention import Intervention
    from napari_attn_unet.engine.predictor import Predictor
    from napari_attn_unet.engine.session import Session
    from napari_attn_unet.errors import AttnUNetError
    from napari_attn_unet.gates.knockout import knock_out
    from napari_attn_unet.io import read, read_labels, write, write_prediction
    from napari_attn_unet.network.card import Card
    from napari_attn_unet.network.checkpoint import Checkpoint
    from napari_attn_unet.network.config import ModelConfig
    from napari_attn_unet.network.model import AttentionUNet
    from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction, Progress, finish
    from napari_attn_unet.report.evaluation import evaluate
    from napari_attn_unet.volume import Geometry, Volume

_HOMES = {
    "AttentionUNet": "network.model",
    "AttnUNetError": "errors",
    "Card": "network.card",
    "Checkpoint": "network.checkpoint",
    "ClassInfo": "prediction",
    "GateMap": "prediction",
    "Geometry": "volume",
    "Intervention": "engine.intervention",
    "ModelConfig": "network.config",
    "Prediction": "prediction",
    "Predictor": "engine.predictor",
    "Progress": "prediction",
    "Session": "engine.session",
    "Volume": "volume",
    "evaluate": "report.evaluation",
    "finish": "prediction",
    "knock_out": "gates.knockout",
    "read": "io",
    "read_labels": "io",
    "write": "io",
    "write_prediction": "io",
}
"""Room of each public name; docs/api.md shows them at work."""

__all__ = [
    "AttentionUNet",
    "AttnUNetError",
    "Card",
    "Checkpoint",
    "ClassInfo",
    "GateMap",
    "Geometry",
    "Intervention",
    "ModelConfig",
    "Prediction",
    "Predictor",
    "Progress",
    "Session",
    "Volume",
    "__version__",
    "evaluate",
    "finish",
    "knock_out",
    "read",
    "read_labels",
    "write",
    "write_prediction",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module the first time it is used."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names too, for completion."""
    return sorted({*globals(), *__all__})
