"""Labelled datasets small enough to train on in a test."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_attn_unet import io
from napari_attn_unet.training.config import TrainingConfig
from napari_attn_unet.volume import Geometry

CONFIG = TrainingConfig(
    epochs=2, batch_size=2, patch=(16, 14, 16), base=4, levels=2, validate_every=1
)
OPTIONS = (
    *("--epochs", "2", "--batch-size", "2", "--patch", "16", "14", "16", "--base", "4"),
    *("--levels", "2", "--validate-every", "1"),
)

Paint = Callable[[int, np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def blobs(
    folder: Path,
    classes: Sequence[str] = ("background", "blob"),
    paint: Paint = lambda _, truth: truth,
    cases: int = 5,
) -> Path:
    """Write noisy boxes; `paint` may change a case's truth, its image is painted after it."""
    rng, entries = np.random.default_rng(0), []
    for i in range(cases):
        truth = np.zeros((16, 14, 18), np.uint8)
        z, y, x = rng.integers(2, 8, 3)
        truth[z : z + 6, y : y + 6, x : x + 6] = 1
        if len(classes) > 2:
            truth[z : z + 3, y : y + 6, x : x + 6] = 2
        truth = paint(i, truth)
        image = ((truth > 0) + 0.2 * rng.normal(size=truth.shape)).astype(np.float32)
        entry = {"image": f"imagesTr/c{i}.nii.gz", "label": f"labelsTr/c{i}.nii.gz"}
        geometry = Geometry.from_spacing(unit="mm")
        io.write(folder / entry["image"], image, geometry)
        io.write(folder / entry["label"], truth, geometry)
        entries.append(entry)
    labels = {str(k): name for k, name in enumerate(classes)}
    about = {"name": "Blobs", "labels": labels, "training": entries}
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder
