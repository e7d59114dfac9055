"""Labels are whole numbers from 0, and look it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_attn_unet import io
from napari_attn_unet.errors import ShapeError
from napari_attn_unet.volume import Geometry

GEOMETRY = Geometry.from_spacing((2, 1, 1), (3, 4, 5), "mm")
MANY = np.arange(120).reshape(4, 5, 6)


def test_labels_stored_as_numbers_with_a_point_are_read_as_whole_ones(tmp_path: Path) -> None:
    io.write(tmp_path / "seg.nii.gz", MANY.astype(np.float32), GEOMETRY)
    labels, geometry = io.read_labels(tmp_path / "seg.nii.gz")
    np.testing.assert_array_equal(labels, MANY)
    assert labels.dtype == np.int32
    np.testing.assert_allclose(geometry.affine, GEOMETRY.affine)


@pytest.mark.parametrize("values", [MANY - 1, MANY + 0.5, np.stack([MANY, MANY])])
def test_what_holds_no_labels_is_refused(values: np.ndarray, tmp_path: Path) -> None:
    io.write(tmp_path / "seg.nii.gz", values.astype(np.float32), GEOMETRY)
    with pytest.raises(ShapeError, match="whole numbers from 0"):
        io.read_labels(tmp_path / "seg.nii.gz")


def test_an_image_is_refused_unless_its_name_or_folder_says_labels(tmp_path: Path) -> None:
    io.write(tmp_path / "scans" / "a.nii.gz", MANY.astype(np.int16), GEOMETRY)
    with pytest.raises(ShapeError, match="looks like an image: it has 120"):
        io.read_labels(tmp_path / "scans" / "a.nii.gz")
    io.write(tmp_path / "labelsTr" / "a.nii.gz", MANY.astype(np.int16), GEOMETRY)
    assert io.read_labels(tmp_path / "labelsTr" / "a.nii.gz")[0].max() == 119
    io.write(tmp_path / "scans" / "b.nii.gz", (MANY % 32).astype(np.int16), GEOMETRY)
    assert io.read_labels(tmp_path / "scans" / "b.nii.gz")[0].max() == 31
