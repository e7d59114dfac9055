"""Both forms of a header's place, its time and its units go through as they were."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_attn_unet import io
from napari_attn_unet.errors import FileError
from napari_attn_unet.volume import Geometry

SHAPE = (8, 10, 6)
PLACE = np.array([[0.0, -2, 0, 5], [1.5, 0, 0, -6], [0, 0, 3, 7], [0, 0, 0, 1]])
ELSEWHERE = np.diag((1.5, 2.0, 3.0, 1.0))
FORMS = ("srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d", "sform_code")
FORMS += ("qform_code", "qoffset_x", "qoffset_y", "qoffset_z", "pixdim", "xyzt_units", "toffset")


def save(path: Path, codes: tuple[int, int] = (1, 1), kind: Any = None, **fields: Any) -> Path:
    """A file whose sform and qform place it differently; `fields` are written last."""
    image = (kind or nibabel.Nifti1Image)(np.zeros(SHAPE, np.int16), None)
    image.header.set_sform(PLACE, codes[0])
    image.header.set_qform(ELSEWHERE, codes[1])
    for key, value in fields.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def outputs(path: Path) -> tuple[Any, Any, Any]:
    """Headers of a file's mask, of the gate of half its size, and of a crop."""
    volume = io.read(path)[0]
    place = volume.geometry
    grids = {
        "mask": (place, volume.shape),
        "gate": (place.coarsened(2), tuple(-(-n // 2) for n in volume.shape)),
        "crop": (place.regridded((1, 1, 1), (1, 2, 3)), tuple(n - 4 for n in volume.shape)),
    }
    found = []
    for name, (geometry, shape) in grids.items():
        into = path.parent / f"{name}.nii.gz"
        io.write(into, np.zeros(shape, np.uint8), geometry, volume.metadata)
        found.append(nibabel.load(into).header)
    return found[0], found[1], found[2]


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (4, 0), (0, 3), (0, 0)])
def test_on_the_image_s_grid_every_field_of_place_and_time_is_as_it_was(
    codes: tuple[int, int], tmp_path: Path
) -> None:
    path = save(tmp_path / "a.nii", codes, toffset=1.5, xyzt_units=2 | 16)
    before = nibabel.load(path).header
    mask, _, _ = outputs(path)
    for key in FORMS:
        np.testing.assert_array_equal(mask[key], before[key], err_msg=key)


@pytest.mark.parametrize("codes", [(1, 1), (4, 2)])
def test_a_crop_and_a_coarser_grid_move_each_form_by_itself(
    codes: tuple[int, int], tmp_path: Path
) -> None:
    path = save(tmp_path / "a.nii", codes)
    _, gate, crop = outputs(path)
    for header in (gate, crop):
        assert (int(header["sform_code"]), int(header["qform_code"])) == codes
    half = np.diag((2.0, 2, 2, 1))
    half[:3, 3] = 0.5
    for form, place in (("sform", PLACE), ("qform", ELSEWHERE)):
        got = getattr(gate, f"get_{form}")()
        np.testing.assert_allclose(got[:3, :3], (place @ half)[:3, :3], atol=1e-5)
        np.testing.assert_allclose(got, place @ half, atol=1e-5)
    local = np.linalg.inv(PLACE) @ crop.get_sform()
    np.testing.assert_allclose(ELSEWHERE @ local, crop.get_qform(), atol=1e-4)


@pytest.mark.parametrize("codes", [(0, 0), (-1, 0)])
def test_without_a_code_a_crop_lies_where_each_reader_puts_the_image(
    codes: tuple[int, int], tmp_path: Path
) -> None:
    image = nibabel.Nifti1Image(np.zeros(SHAPE, np.int16), None)
    image.header["pixdim"][1:4] = 1.5, 2, 3
    image.header["sform_code"], image.header["qform_code"] = codes
    nibabel.save(image, tmp_path / "a.nii")
    centred = nibabel.load(tmp_path / "a.nii").header.get_base_affine()
    itk_s = np.diag((-1.5, -2, 3, 1))  # ITK begins at 0 and counts along L, P, S
    mask, gate, crop = outputs(tmp_path / "a.nii")
    assert max(int(mask["sform_code"]), int(mask["qform_code"])) == 0
    np.testing.assert_allclose(mask.get_best_affine(), centred)
    half = np.diag((2.0, 2, 2, 1))
    half[:3, 3] = 0.5
    cut = np.eye(4)
    cut[:3, 3] = 1, 2, 1  # of x, which the array has the other way: 8 - 4 - 3
    for header, local in ((gate, half), (crop, cut)):
        # by which ITK takes the qform and nibabel the sform
        assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 1)
        np.testing.assert_allclose(header.get_best_affine(), centred @ local, atol=1e-5)
        np.testing.assert_allclose(header.get_qform(), itk_s @ local, atol=1e-5)


def test_a_sheared_form_stays_sheared_and_its_quaternion_is_a_rotation(tmp_path: Path) -> None:
    sheared = PLACE.copy()
    sheared[0, 0] = 0.3
    path = save(tmp_path / "a.nii")
    image = nibabel.load(path)
    image.header.set_sform(sheared, 1)
    image = nibabel.Nifti1Image(np.zeros(SHAPE, np.int16), None, image.header)
    nibabel.save(image, tmp_path / "b.nii")
    mask, gate, _ = outputs(tmp_path / "b.nii")
    np.testing.assert_allclose(mask.get_sform(), sheared, atol=1e-6)
    np.testing.assert_allclose(gate.get_sform()[:3, :3], 2 * sheared[:3, :3], atol=1e-5)
    np.testing.assert_allclose(gate.get_qform()[:3, :3], 2 * ELSEWHERE[:3, :3], atol=1e-5)


@pytest.mark.parametrize("broken", [0.0, np.nan, 1.0])
def test_a_form_without_volume_gives_way_to_the_other(broken: float, tmp_path: Path) -> None:
    row = [broken] * 4
    path = save(tmp_path / "a.nii", srow_x=row, srow_y=row, srow_z=row)
    assert io.read(path)[0].geometry.origin == pytest.approx((0, 0, 0))
    mask, gate, _ = outputs(path)
    assert int(mask["sform_code"]) == int(gate["sform_code"]) == 0
    np.testing.assert_allclose(mask.get_best_affine(), ELSEWHERE, atol=1e-6)
    np.testing.assert_allclose(gate.get_best_affine()[:3, 3], (0.75, 1, 1.5), atol=1e-6)


def test_a_quaternion_that_is_none_gives_way_to_the_sform(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", quatern_b=3.0)
    mask, gate, _ = outputs(path)
    assert int(mask["qform_code"]) == int(gate["qform_code"]) == 0
    np.testing.assert_allclose(mask.get_best_affine(), PLACE, atol=1e-6)


def test_no_form_that_can_be_used_is_refused_by_name(tmp_path: Path) -> None:
    none = [0.0] * 4
    zero = {"srow_x": none, "srow_y": none, "srow_z": none}
    path = save(tmp_path / "a.nii", quatern_b=np.nan, **zero)
    with pytest.raises(
        FileError, match=r"a\.nii .* sform \(code 1\) and its qform \(code 1\) have"
    ):
        io.read(path)
    path = save(tmp_path / "b.nii", (0, 1), quatern_b=3.0)
    with pytest.raises(FileError, match=r"b\.nii .* qform \(code 1\) has"):
        io.read(path)


def test_a_step_of_0_is_1_once_its_axis_is_there(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", pixdim=[1, 1.5, 2, 3, 0, 0, 0, 0])
    volume = io.read(path)[0]
    io.write(tmp_path / "p.nii", np.zeros((2, *volume.shape)), volume.geometry, volume.metadata)
    assert nibabel.load(tmp_path / "p.nii").header["pixdim"][4] == 1


@pytest.mark.parametrize(("time", "name"), [(8, "sec"), (16, "msec"), (24, "usec"), (32, "hz")])
def test_the_step_and_unit_of_time_are_in_every_output(
    time: int, name: str, tmp_path: Path
) -> None:
    image = nibabel.Nifti1Image(np.zeros((*SHAPE, 3), np.int16), PLACE)
    image.header["pixdim"][4], image.header["xyzt_units"] = 2.2, 3 | time
    image.header["toffset"] = 0.5
    nibabel.save(image, tmp_path / "bold.nii")
    volume = io.read(tmp_path / "bold.nii")[0]
    assert volume.geometry.unit == "um"
    for geometry in (volume.geometry, volume.geometry.coarsened(2)):
        for shape in (volume.shape, (3, *volume.shape)):
            io.write(tmp_path / "o.nii", np.zeros(shape, np.uint8), geometry, volume.metadata)
            header = nibabel.load(tmp_path / "o.nii").header
            assert header["pixdim"][4] == pytest.approx(2.2), name
            assert (int(header["xyzt_units"]), float(header["toffset"])) == (3 | time, 0.5)


@pytest.mark.parametrize("code", [5, 6, 7, 2 | 56, 2 | 40, 2 | 48])
def test_units_that_no_standard_knows_are_no_trouble(code: int, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", xyzt_units=code)
    geometry = io.read(path)[0].geometry
    assert (geometry.unit, geometry.assumed) == ("mm", code & 7 != 2)
    assert int(outputs(path)[0]["xyzt_units"]) == code


def test_a_map_s_slices_are_not_the_image_s(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", slice_end=5, slice_code=1, slice_duration=0.1)
    mask, _, crop = outputs(path)
    assert int(mask["slice_end"]) == 5
    assert (int(crop["slice_end"]), int(crop["slice_code"])) == (0, 0)


def test_what_a_nifti_2_or_a_big_endian_file_says_is_in_the_outputs(tmp_path: Path) -> None:
    two = save(tmp_path / "two.nii", (4, 2), nibabel.Nifti2Image, xyzt_units=3 | 8, toffset=2)
    mask, gate, _ = outputs(two)
    assert (int(mask["sform_code"]), int(mask["qform_code"])) == (4, 2)
    np.testing.assert_allclose(mask.get_sform(), PLACE)
    np.testing.assert_allclose(mask.get_qform(), ELSEWHERE, atol=1e-6)
    assert mask.get_xyzt_units() == gate.get_xyzt_units() == ("micron", "sec")
    header = nibabel.load(save(tmp_path / "one.nii", (4, 2))).header.as_byteswapped(">")
    nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE, ">i2"), None, header), tmp_path / "big.nii")
    assert struct.unpack(">i", (tmp_path / "big.nii").read_bytes()[:4]) == (348,)
    mask, _, _ = outputs(tmp_path / "big.nii")
    np.testing.assert_allclose(mask.get_sform(), PLACE)
    np.testing.assert_allclose(mask.get_qform(), ELSEWHERE, atol=1e-6)


def test_an_image_given_another_unit_is_written_in_that(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", xyzt_units=2 | 8)
    volume = io.read(path)[0]
    for unit, zoom in (("um", 1.5), ("angstrom", 1.5e-7), ("pixel", 1.5)):
        geometry = Geometry(volume.geometry.affine, unit)
        io.write(tmp_path / "o.nii", np.zeros(volume.shape, np.uint8), geometry, volume.metadata)
        header = nibabel.load(tmp_path / "o.nii").header
        assert header["pixdim"][1] == pytest.approx(zoom)
        assert int(header["xyzt_units"]) == 8 | {"um": 3, "angstrom": 2, "pixel": 0}[unit]
        again = io.read(tmp_path / "o.nii")[0].geometry
        if unit != "pixel":
            assert again.spacing_mm == pytest.approx(geometry.spacing_mm)


def test_half_of_a_pair_is_refused_in_words(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(np.zeros(SHAPE, np.int16), PLACE), tmp_path / "a.img")
    for name in ("a.img", "a.hdr"):
        with pytest.raises(FileError, match="one of a pair"):
            io.read(tmp_path / name)


@pytest.mark.parametrize("kind", ["complex", "colours"])
def test_what_is_no_number_a_voxel_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    array = colours if kind == "colours" else np.zeros(SHAPE, np.complex64)
    nibabel.save(nibabel.Nifti1Image(array, PLACE), tmp_path / "a.nii")
    with pytest.raises(FileError, match="one real number per voxel"):
        io.read(tmp_path / "a.nii")


@pytest.mark.parametrize("codes", [(0, 1), (0, 0)])
def test_voxels_without_a_size_are_not_taken_for_those_of_size_1(
    codes: tuple[int, int], tmp_path: Path
) -> None:
    path = save(tmp_path / "a.nii", codes)
    raw = bytearray(path.read_bytes())
    raw[80:84] = bytes(4)  # pixdim[1]
    path.write_bytes(raw)
    with pytest.raises(FileError, match="does not say where its voxels lie"):
        io.read(path)


@pytest.mark.parametrize("unit", ["second", "ms", "pixel"])
def test_a_series_from_no_file_keeps_the_time_between_its_volumes(
    unit: str, tmp_path: Path
) -> None:
    place = Geometry.from_spacing(unit="mm")
    seconds = {"second": 2.5, "ms": 0.0025, "pixel": None}[unit]
    series = np.zeros((3, 4, 5, 6), np.uint8)
    io.write(tmp_path / "a.nii", series, place, {io.TIME_STEP: seconds})
    header = nibabel.load(tmp_path / "a.nii").header
    assert header["pixdim"][4] == pytest.approx(seconds or 1)
    assert header.get_xyzt_units() == ("mm", "sec" if seconds else "unknown")
