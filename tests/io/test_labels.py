"""Labels are whole numbers from 0, kept exactly; what is called labels is taken as such."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from napari_attn_unet import io
from napari_attn_unet.errors import ShapeError
from napari_attn_unet.volume import Geometry

GEOMETRY = Geometry.from_spacing((2, 1, 1), (3, 4, 5), "mm")
MANY = np.arange(120).reshape(4, 5, 6)
NOISE = np.random.default_rng(0).normal(100, 10, (24, 26, 28))


def objects() -> np.ndarray:
    """117 numbered objects that touch."""
    return (
        (np.arange(117, dtype=np.uint8) + 1)
        .reshape(13, 9)
        .repeat(3, 0)
        .repeat(3, 1)[np.newaxis]
        .repeat(4, 0)
    )


def scaled(path: Path, labels: np.ndarray, kind: type) -> None:
    """Write labels as nibabel does for integers that it scales: 1 comes back as 0.9999…."""
    image = nibabel.Nifti1Image(labels.astype(np.float64), np.eye(4))
    image.set_data_dtype(kind)
    nibabel.save(image, path)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, np.int64, np.uint32])
def test_labels_of_any_type_are_read_as_whole_numbers(kind: type, tmp_path: Path) -> None:
    io.write(tmp_path / "a.nii.gz", MANY.astype(kind), GEOMETRY)
    labels, geometry = io.read_labels(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(labels, MANY)
    assert labels.dtype == np.int32
    np.testing.assert_allclose(geometry.affine, GEOMETRY.affine)


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.uint8])
def test_labels_that_scaling_has_moved_a_little_are_those_they_were(
    kind: type, tmp_path: Path
) -> None:
    labels = (MANY % 7).astype(np.uint8)
    scaled(tmp_path / "a.nii", labels, kind)
    stored = nibabel.load(tmp_path / "a.nii").get_fdata()
    assert not np.array_equal(stored, labels.astype(float))
    np.testing.assert_array_equal(io.read_labels(tmp_path / "a.nii")[0], labels.T)


@pytest.mark.parametrize(
    ("kind", "largest"),
    [
        (np.uint64, 2**64 - 1),
        (np.uint64, 720575940630243184),
        (np.int64, 2**62 + 1),
        (np.uint32, 2**32 - 1),
        (np.float64, 2.0**53 - 1),
        (np.float32, 2.0**24 - 1),
    ],
)
def test_ids_of_any_size_are_exact(kind: type, largest: float, tmp_path: Path) -> None:
    values = np.zeros((3, 4, 5), kind)
    values[1] = largest
    values[2] = largest - 1
    io.write(tmp_path / "a.nii", values, GEOMETRY)
    labels, _ = io.read_labels(tmp_path / "a.nii")
    assert set(labels.ravel().tolist()) == {0, int(largest), int(largest) - 1}


def test_ids_that_their_type_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    for kind, least in ((np.float32, 2.0**24), (np.float64, 2.0**53)):
        io.write(tmp_path / "a.nii", np.full((3, 4, 5), least, kind), GEOMETRY)
        with pytest.raises(ShapeError, match=f"{least:.0f}.*Save them as integers"):
            io.read_labels(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (MANY - 1, "such as -1"),
        ((MANY - 1).astype(np.int16), "such as -1"),
        (MANY + 0.5, "such as 0.5, 1.5, 2.5"),
        (np.where(MANY == 7, np.nan, MANY), "1 voxels have other values, such as nan"),
        (np.where(MANY == 7, np.inf, MANY), "such as inf"),
        (MANY / 119, "Of probabilities, save the most probable class"),
        (np.stack([MANY, MANY]), "it has 2 along its fourth axis.*one-hot"),
    ],
)
def test_what_holds_no_labels_is_refused_by_its_values(
    values: np.ndarray, said: str, tmp_path: Path
) -> None:
    kind = values.dtype if values.dtype == np.int16 else np.float32
    io.write(tmp_path / "seg.nii.gz", values.astype(kind), GEOMETRY)
    with pytest.raises(ShapeError, match="(?s)whole numbers from 0.*" + said):
        io.read_labels(tmp_path / "seg.nii.gz")


def test_what_is_given_as_labels_needs_no_name_that_says_so(tmp_path: Path) -> None:
    io.write(tmp_path / "scans" / "a.nii.gz", NOISE.astype(np.int16), GEOMETRY)
    labels, _ = io.read_labels(tmp_path / "scans" / "a.nii.gz")
    np.testing.assert_array_equal(labels, NOISE.astype(np.int16))


def test_integers_are_not_copied() -> None:
    array = MANY.astype(np.uint64)
    assert io.whole_numbers(array, "a") is array
    yes = MANY > 3
    assert np.shares_memory(io.whole_numbers(yes, "a"), yes)


def test_complex_numbers_are_no_labels() -> None:
    with pytest.raises(ShapeError, match="complex64"):
        io.whole_numbers(MANY.astype(np.complex64), "a")


@pytest.mark.parametrize(
    "labels",
    [
        (MANY % 32).astype(np.int16),
        np.zeros((4, 5, 6), np.uint8),
        np.eye(27, dtype=np.uint16).reshape(3, 9, 27) * 5,  # points
        objects(),
        objects().astype(np.int64) * 1000,  # with gaps
        np.stack([objects(), objects()]),
        (MANY > 60),
        (objects() % 3).astype(np.float64),
        ndimage.label(ndimage.gaussian_filter(NOISE, 1) > 103)[0],
    ],
)
def test_where_nobody_says_even_or_few_whole_numbers_are_labels(labels: np.ndarray) -> None:
    assert io.looks_like_labels(labels)


@pytest.mark.parametrize(
    "image",
    [
        NOISE.astype(np.int16),
        np.where(ndimage.gaussian_filter(NOISE, 4) > 100, NOISE, 0).astype(np.int16),  # stripped
        ndimage.gaussian_filter(NOISE, 2).astype(np.float32),
        (ndimage.gaussian_filter(NOISE, 2) * 8).astype(np.uint16),
        NOISE.round().astype(np.float32),
        (NOISE % 3).round().astype(np.float32),  # few, but not even
        np.zeros((4, 5, 6), np.float32),
        np.full((4, 5, 6), np.nan),
        -(MANY % 3),
        MANY.astype(np.complex64),
    ],
)
def test_where_nobody_says_intensities_are_an_image(image: np.ndarray) -> None:
    assert not io.looks_like_labels(image)
