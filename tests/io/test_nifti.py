"""Geometry goes through files exactly."""

from __future__ import annotations

import gzip
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_attn_unet import io, output
from napari_attn_unet.errors import FileError
from napari_attn_unet.volume import Geometry

SHAPE = (5, 6, 7)
TURN = np.array([[0.9, -0.2, 0.1], [0.25, 1.1, -0.1], [-0.05, 0.15, 2.0]])  # oblique and sheared


def affines() -> list[np.ndarray]:
    found = []
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = TURN @ (np.eye(3)[:, list(order)] * signs)
            affine[:3, 3] = (11.5, -7.25, 3)
            found.append(affine)
    return found


@pytest.mark.parametrize("affine", affines())
def test_an_output_lies_on_the_very_grid_of_its_input(affine: np.ndarray, tmp_path: Path) -> None:
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "in.nii.gz")
    written = nibabel.load(tmp_path / "in.nii.gz")
    (volume,) = io.read(tmp_path / "in.nii.gz")
    assert (np.diag(volume.geometry.affine)[:3] > 0).all()
    io.write(tmp_path / "out.nii.gz", volume.data[0], volume.geometry, volume.metadata)
    back = nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(back.affine, written.affine)
    np.testing.assert_array_equal(np.asarray(back.dataobj), voxels)
    # The world position of a coarser map's first corner is that of the image's.
    coarse = np.zeros((4, 3, 3), np.float32)
    geometry = volume.geometry.coarsened(2)
    corner = volume.geometry.affine @ (-0.5, -0.5, -0.5, 1)
    np.testing.assert_allclose(geometry.affine @ (-0.5, -0.5, -0.5, 1), corner, atol=1e-9)
    io.write(tmp_path / "gate.nii.gz", coarse, geometry, volume.metadata)
    (gate,) = io.read(tmp_path / "gate.nii.gz")
    np.testing.assert_allclose(gate.geometry.affine, geometry.affine, atol=1e-5)


def test_what_is_no_volume_file_is_refused_in_words(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones(SHAPE), np.eye(4)), tmp_path / "whole.nii.gz")
    whole = (tmp_path / "whole.nii.gz").read_bytes()
    (tmp_path / "half.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii").write_text("hello")
    (tmp_path / "scan.nrrd").write_text("NRRD")
    for name in ("half.nii.gz", "text.nii", "scan.nrrd", "missing.nii"):
        with pytest.raises(FileError, match=name.split(".")[0]):
            io.read(tmp_path / name)


def test_a_fourth_axis_is_time_unless_the_network_takes_such_channels(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((*SHAPE, 2)), np.eye(4)), tmp_path / "x.nii")
    assert [v.channels for v in io.read(tmp_path / "x.nii")] == [1, 1]
    assert [v.channels for v in io.read(tmp_path / "x.nii", channels=2)] == [2]


def test_labels_are_told_by_name_or_few_values() -> None:
    many = np.arange(1000, dtype=np.int16)
    assert io.looks_like_labels(many, "case_seg")
    assert io.looks_like_labels(many % 3, "scan")
    assert not io.looks_like_labels(many, "scan")
    assert not io.looks_like_labels((many % 3).astype(np.float32), "mask")


def test_a_folder_a_2d_image_and_a_wrong_ending_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a folder"):
        io.read(tmp_path)
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 6), np.float32), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(FileError, match="2D image"):
        io.read(tmp_path / "a.nii")
    (tmp_path / "b.nii").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    with pytest.raises(FileError, match=r"compressed file must end in \.nii\.gz"):
        io.read(tmp_path / "b.nii")


def test_an_output_folder_that_is_a_file_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(FileError, match="cannot be an output folder"):
        output.make_folder(tmp_path / "taken")
    with pytest.raises(FileError, match="cannot be written"):
        io.write(
            tmp_path / "taken" / "a.nii.gz",
            np.zeros((3, 3, 3), np.uint8),
            Geometry.from_spacing((1, 1, 1), unit="mm"),
        )
