"""See where a 3D Attention U-Net looks: exact whole-volume inference with every gate's map.

The public names are loaded when first used, so that importing the package costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from napari_attn_unet.engine.predictor import Predictor
    from napari_attn_unet.network.card import Card
    from napari_attn_unet.network.checkpoint import Checkpoint
    from napari_attn_unet.network.config import ModelConfig
    from napari_attn_unet.network.model import AttentionUNet
    from napari_attn_unet.prediction import GateMap, Prediction, Progress
    from napari_attn_unet.report.evaluation import evaluate
    from napari_attn_unet.volume import Geometry, Volume

_HOMES = {
    "AttentionUNet": "network.model",
    "Card": "network.card",
    "Checkpoint": "network.checkpoint",
    "GateMap": "prediction",
    "Geometry": "volume",
    "ModelConfig": "network.config",
    "Prediction": "prediction",
    "Predictor": "engine.predictor",
    "Progress": "prediction",
    "Volume": "volume",
    "evaluate": "report.evaluation",
}

__all__ = [
    "AttentionUNet",
    "Card",
    "Checkpoint",
    "GateMap",
    "Geometry",
    "ModelConfig",
    "Prediction",
    "Predictor",
    "Progress",
    "Volume",
    "__version__",
    "evaluate",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module the first time it is used."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
