"""What the tests of many cases share: their names, their place, and tables read again."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from napari_attn_unet import io
from napari_attn_unet.volume import Geometry

PLACE = Geometry.from_spacing((2, 1, 1), (3, 4, 5), "mm")
CASES = ("case_1", "case_2", "case_3")


def truth_of(dataset: Path, name: str) -> np.ndarray:
    return io.read_labels(dataset / "labelsTr" / f"{name}.nii.gz")[0].astype(np.uint8)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
