"""Three labelled cases, and masks of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from many import CASES, PLACE, truth_of

from napari_attn_unet import io, phantom


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three labelled cases in Decathlon layout."""
    folder = tmp_path / "data"
    training = []
    for seed, name in enumerate(CASES):
        volume, truth = phantom.make((16, 20, 18), seed)
        io.write(folder / "imagesTr" / f"{name}.nii.gz", volume.data[0], PLACE)
        io.write(folder / "labelsTr" / f"{name}.nii.gz", truth, PLACE)
        entry = {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
        training.append(entry)
    labels = {"0": "background", "1": "front lobe", "2": "back lobe"}
    about = {"labels": labels, "modality": {"0": "MRI"}, "training": training}
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def masks(dataset: Path, tmp_path: Path) -> Path:
    """The truths, moved by 0, 1 and 2 voxels."""
    folder = tmp_path / "masks"
    for shift, name in enumerate(CASES):
        mask = np.roll(truth_of(dataset, name), shift, axis=2)
        path = folder / name / "mask.nii.gz" if shift else folder / f"{name}.nii.gz"
        io.write(path, mask, PLACE)
    return folder
