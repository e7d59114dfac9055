"""What the tests of many cases share: three of them, masks of them, and tables read again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from napari_attn_unet import io, phantom
from napari_attn_unet.volume import Geometry

PLACE = Geometry.from_spacing((2, 1, 1), (3, 4, 5), "mm")
CASES = ("case_1", "case_2", "case_3")


def truth_of(dataset: Path, name: str) -> np.ndarray:
    return io.read_labels(dataset / "labelsTr" / f"{name}.nii.gz")[0].astype(np.uint8)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


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


def labelled(folder: Path, name: str, *boxes: int) -> Path:
    """Write labels with a box of each of these values."""
    labels = np.zeros((6, 6, 12), np.uint8)
    for i, value in enumerate(boxes):
        labels[1:4, 1:4, 3 * i + 1 : 3 * i + 3] = value
    io.write(folder / f"{name}.nii.gz", labels, PLACE)
    return folder


def header(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0]
