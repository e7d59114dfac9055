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
from napari_attn_unet.volume import Geometry, Volume

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
    with pytest.raises(FileError, match="is a file, and a folder is needed"):
        output.make_folder(tmp_path / "taken")
    with pytest.raises(FileError, match="cannot be written"):
        io.write(
            tmp_path / "taken" / "a.nii.gz",
            np.zeros((3, 3, 3), np.uint8),
            Geometry.from_spacing((1, 1, 1), unit="mm"),
        )


@pytest.mark.parametrize(
    ("unit", "on_file", "in_file"),
    [
        ("mm", "mm", 1.0),
        ("um", "micron", 1.0),
        ("m", "meter", 1.0),
        ("cm", "mm", 10.0),
        ("nm", "mm", 1e-6),
    ],
)
def test_a_voxel_has_its_size_in_whatever_unit_is_written(
    unit: str, on_file: str, in_file: float, tmp_path: Path
) -> None:
    geometry = Geometry.from_spacing((3, 2, 4), (1, 0, 0), unit)
    io.write(tmp_path / "a.nii", np.zeros(SHAPE, np.uint8), geometry)
    header = nibabel.load(tmp_path / "a.nii").header
    assert header.get_xyzt_units()[0] == on_file
    assert header.get_zooms() == pytest.approx((4 * in_file, 2 * in_file, 3 * in_file))
    (back,) = io.read(tmp_path / "a.nii")
    assert geometry.spacing_mm is not None
    assert back.geometry.spacing_mm == pytest.approx(geometry.spacing_mm)


def test_a_file_without_a_unit_is_in_mm(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros(SHAPE, np.uint8), np.diag((2, 3, 4, 1)))
    image.header.set_xyzt_units("unknown")
    nibabel.save(image, tmp_path / "a.nii")
    assert io.read(tmp_path / "a.nii")[0].geometry.spacing_mm == pytest.approx((4, 3, 2))


def source_with(tmp_path: Path, **fields: object) -> Volume:
    """A volume from a file with a header of its own."""
    image = nibabel.Nifti1Image(
        np.arange(210, dtype=np.int16).reshape(SHAPE), np.diag((2, 3, 4, 1))
    )
    for key, value in fields.items():
        image.header[key] = value
    if "scl_slope" in fields:
        image.header.set_slope_inter(fields["scl_slope"], fields.get("scl_inter", 0))
    nibabel.save(image, tmp_path / "source.nii")
    return io.read(tmp_path / "source.nii")[0]


def test_what_an_image_s_values_meant_says_nothing_of_a_mask(tmp_path: Path) -> None:
    volume = source_with(tmp_path, cal_min=100, cal_max=900, scl_slope=0.5, scl_inter=7)
    assert volume.data.max() == pytest.approx(209 * 0.5 + 7)
    mask = (np.arange(210).reshape(volume.shape) % 3).astype(np.uint8)
    io.write(tmp_path / "mask.nii", mask, volume.geometry, volume.metadata)
    header = nibabel.load(tmp_path / "mask.nii").header
    assert (float(header["cal_min"]), float(header["cal_max"])) == (0, 0)
    assert header.get_slope_inter() in ((1, 0), (None, None))
    np.testing.assert_array_equal(io.read(tmp_path / "mask.nii")[0].data[0], mask)


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1), (2, 1)])
def test_a_coarser_map_of_a_file_lies_where_it_does_whatever_its_codes(
    codes: tuple[int, int], tmp_path: Path
) -> None:
    image = nibabel.Nifti1Image(np.zeros((5, 8, 9), np.uint8), np.diag((2.0, 3, 4, 1)))
    affine = np.diag((2.0, 3, 4, 1))
    affine[:3, 3] = (5, -6, 7)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    nibabel.save(image, tmp_path / "in.nii")
    (volume,) = io.read(tmp_path / "in.nii")
    coarse = volume.geometry.coarsened(2)
    io.write(tmp_path / "gate.nii", np.zeros((5, 4, 3), np.float32), coarse, volume.metadata)
    (gate,) = io.read(tmp_path / "gate.nii")
    np.testing.assert_allclose(gate.geometry.affine, coarse.affine, atol=1e-5)
    io.write(tmp_path / "mask.nii", np.zeros((9, 8, 5), np.uint8), volume.geometry, volume.metadata)
    header = nibabel.load(tmp_path / "mask.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == codes


@pytest.mark.parametrize(
    "kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", ">i2"]
)
def test_numbers_are_written_in_their_own_type(kind: str, tmp_path: Path) -> None:
    limits = np.finfo(kind) if "f" in kind else np.iinfo(kind)
    array = np.array([limits.min, limits.max, 0, 1, 100, 7], kind).reshape(1, 2, 3)
    io.write(tmp_path / "a.nii", array, Geometry.from_spacing(unit="mm"))
    assert nibabel.load(tmp_path / "a.nii").get_data_dtype().newbyteorder("=") == kind.strip(">")
    np.testing.assert_array_equal(io.read(tmp_path / "a.nii")[0].data[0], array)


def test_types_that_nifti_lacks_keep_their_values(tmp_path: Path) -> None:
    values = np.arange(210).reshape(SHAPE)
    for array, on_disk in ((values.astype(np.float16), np.float32), (values > 50, np.uint8)):
        io.write(tmp_path / "a.nii", array, Geometry.from_spacing(unit="mm"))
        assert nibabel.load(tmp_path / "a.nii").get_data_dtype() == on_disk
        np.testing.assert_array_equal(io.read(tmp_path / "a.nii")[0].data[0], array)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(SHAPE, np.complex64), "complex64.*magnitude and phase"),
        (np.zeros((5, 6)), "this has 2: \\(5, 6\\)"),
        (np.zeros((2, 2, *SHAPE)), "this has 5"),
        (np.zeros((1, 1, 40_000), bool), "at most 32,767"),
    ],
)
def test_what_nifti_has_no_place_for_is_refused(
    array: np.ndarray, said: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=said):
        io.write(tmp_path / "a.nii", array, Geometry.from_spacing(unit="mm"))
    assert not list(tmp_path.iterdir())


def test_a_file_of_labels_says_so_and_its_image_s_does_not(tmp_path: Path) -> None:
    values = np.arange(210, dtype=np.int16).reshape(SHAPE)
    io.write(tmp_path / "a.nii", values, Geometry.from_spacing(unit="mm"), labels=True)
    (labels,) = io.read(tmp_path / "a.nii")
    assert io.says_labels(labels)
    assert nibabel.load(tmp_path / "a.nii").header.get_intent()[0] == "label"
    io.write(tmp_path / "b.nii", values, labels.geometry, labels.metadata)
    (image,) = io.read(tmp_path / "b.nii")
    assert not io.says_labels(image)
    assert not io.says_labels(Volume(values[np.newaxis]))


def test_the_byte_order_of_a_file_is_none_of_the_arrays(tmp_path: Path) -> None:
    big = nibabel.Nifti1Header(endianness=">")
    values = np.arange(210, dtype=">i2").reshape(SHAPE)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4), big), tmp_path / "a.nii")
    (volume,) = io.read(tmp_path / "a.nii")
    assert volume.data.dtype.isnative
    np.testing.assert_array_equal(volume.data[0].T, values)
