"""A prediction as a folder: maps as volumes, and prediction.json, which says what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_attn_unet.io.volumes import write
from napari_attn_unet.output import replacing
from napari_attn_unet.prediction import Prediction
from napari_attn_unet.volume import Geometry

ABOUT = "prediction.json"


def write_prediction(
    prediction: Prediction, folder: str | Path, *, gates: bool = True
) -> list[Path]:
    """Write mask, gates and probabilities (those that exist) into a folder as NIfTI.

    `mask.nii.gz`, `gate1.nii.gz` (finest) …, `probabilities.nii.gz` (one volume per class along
    the fourth axis); and `prediction.json`, which says what they are, for whoever opens them
    later. Returns the paths written.
    """
    folder = Path(folder)
    outputs: dict[str, tuple[npt.NDArray[Any], Geometry]] = {
        "mask": (prediction.mask, prediction.geometry)
    }
    if gates:
        outputs |= {f"gate{g.level}": (g.coefficients, g.geometry) for g in prediction.gates}
    if prediction.probabilities is not None:
        maps = prediction.probabilities
        maps = maps.reshape(-1, *maps.shape[-3:])
        outputs["probabilities"] = (maps, prediction.geometry)
    written = []
    for name, (array, geometry) in outputs.items():
        written.append(folder / f"{name}.nii.gz")
        write(written[-1], array, geometry, prediction.metadata)
    about = {
        "provenance": dict(prediction.provenance),
        "classes": [[name, list(colour)] for name, colour in prediction.classes],
        "affine": prediction.geometry.affine.tolist(),
        "unit": prediction.geometry.unit,
    }
    written.append(folder / ABOUT)
    with replacing(written[-1]) as temporary:
        temporary.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return written


def read_about(path: str | Path) -> dict[str, Any] | None:
    """Return what `prediction.json` beside an output's file says; None if there is none."""
    beside = Path(path).parent / ABOUT
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and {"provenance", "classes"} <= set(about) else None
