"""What a figure shows of a slice is the image's own, turned as it is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_attn_unet import io
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.prediction import ClassInfo, GateMap
from napari_attn_unet.report import picture
from napari_attn_unet.report.orientation import is_known, is_placed
from napari_attn_unet.report.slices import Slices, Style, inside_and_outside, loops
from napari_attn_unet.volume import Geometry

CLASSES = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two")))
PLACE = Geometry.from_spacing((1, 1, 1), unit="mm")


def inspected(
    image: np.ndarray, alpha: np.ndarray | None = None, mask: np.ndarray | None = None
) -> Inspection:
    place = Geometry.from_spacing((1, 1, 1), unit="mm")
    gates = [] if alpha is None else [GateMap(alpha.astype(np.float32), place.coarsened(2), 1)]
    return Inspection(image, place, gates, mask, None, [c.name for c in CLASSES])


def test_a_shut_gate_leaves_the_image_s_grey_exact_and_an_open_one_is_solid() -> None:
    image = np.random.default_rng(0).normal(size=(4, 8, 8)).astype(np.float32)
    alpha = np.zeros((2, 4, 4))
    alpha[:, :, 2:] = 1
    slices = Slices(inspected(image, alpha), 0, Style(classes=CLASSES, opacity=1.0))
    bare, gated = slices.pixels(1), slices.pixels(1, 1)
    np.testing.assert_array_equal(gated[:, :4], bare[:, :4])
    hue = np.round(np.multiply(picture.gate_hue(CLASSES), 255))
    assert (np.abs(gated[:, 4:] - hue) <= 1).all()
    assert (bare == bare[..., :1]).all()  # grey


def test_what_a_map_does_not_reach_is_the_image_alone() -> None:
    image = np.random.default_rng(0).normal(size=(4, 8, 8)).astype(np.float32)
    about = inspected(image)
    place = about.geometry.regridded((2, 2, 2), (0, 2, 2))
    gate = GateMap(np.ones((2, 2, 2), np.float32), place, 1)
    about = Inspection(image, about.geometry, [gate], classes=about.classes)
    slices = Slices(about, 0, Style(classes=CLASSES))
    differs = (slices.pixels(0, 1) != slices.pixels(0)).any(axis=-1)
    assert differs[2:6, 2:6].all()
    assert differs.sum() == 16


def test_means_are_of_the_voxels_that_the_map_reaches() -> None:
    labels = np.array([[0, 1, 1], [2, 2, 0]])
    values = np.array([[0.1, 0.5, np.nan], [0.8, 1.0, 0.3]])
    inside, outside = inside_and_outside(values, labels) or (0, 0)
    assert inside == pytest.approx((0.5 + 0.8 + 1.0) / 3)
    assert outside == pytest.approx((0.1 + 0.3) / 2)
    inside, outside = inside_and_outside(values, labels, 1) or (0, 0)
    assert inside == pytest.approx(0.5)
    assert outside == pytest.approx((0.1 + 0.8 + 1.0 + 0.3) / 4)


def test_there_is_no_mean_where_one_side_has_no_voxel() -> None:
    values, labels = np.array([[0.1, np.nan]]), np.array([[0, 1]])
    assert inside_and_outside(values, labels) is None  # the map does not reach it
    assert inside_and_outside(values, labels, 3) is None
    assert inside_and_outside(np.ones((1, 2)), np.ones((1, 2), int)) is None


def test_means_are_those_of_the_curves_along_any_axis() -> None:
    rng = np.random.default_rng(0)
    mask = (rng.uniform(size=(6, 8, 10)) > 0.7).astype(np.uint8)
    about = inspected(mask.astype(np.float32), rng.uniform(size=(3, 4, 5)), mask)
    for axis in range(3):
        slices, curves = Slices(about, axis, Style(patient=PLACE)), about.profile(axis)
        for index in range(slices.count):
            expected = curves.inside[1][index], curves.outside[1][index]
            assert slices.means(index, 1) == pytest.approx(expected)


def test_loops_are_closed_lines_along_the_voxels_edges() -> None:
    labels = np.random.default_rng(1).integers(0, 2, (12, 15))  # with corners that touch
    pieces = picture.outlines(labels)[1]
    found = loops(pieces)
    for loop in found:
        np.testing.assert_array_equal(loop[0], loop[-1])
        assert ((loop - 0.5) % 1 == 0).all()
        steps = np.diff(loop, axis=0)
        assert ((steps == 0).sum(axis=1) == 1).all()  # along a row or a column
        assert ((steps[1:] == 0) != (steps[:-1] == 0)).all()  # and turning at each corner
    length = sum(np.abs(np.diff(loop, axis=0)).sum() for loop in found)
    assert length == np.abs(np.diff(pieces, axis=1)).sum()


def test_what_is_not_in_the_style_is_numbered_and_no_class_has_the_gates_hue() -> None:
    mask = np.zeros((2, 4, 4), np.uint8)
    mask[0] = 5
    about = Inspection(mask, Geometry.from_spacing(), [], mask)
    slices = Slices(about, 0, Style())
    assert slices.colour(5) == ClassInfo.numbered(5, "").colour
    assert slices.hue not in [info.colour for info in slices.classes]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("orientation", ["radiological", "neurological"])
def test_left_is_left_however_a_file_is_stored(
    tmp_path: Path, *, mirrored: bool, orientation: str
) -> None:
    nibabel = pytest.importorskip("nibabel")
    array = np.zeros((9, 8, 7), np.float32)  # x, y, z as nibabel has them
    affine = np.diag([-1.0 if mirrored else 1.0, 1, 1, 1])
    array[7 if mirrored else 1, 6, 5] = 1  # to the patient's left, front and top
    nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / "a.nii.gz")
    (volume,) = io.read(tmp_path / "a.nii.gz")
    about = Inspection(np.asarray(volume.data[0]), volume.geometry, [])
    style = Style(limits=(0, 1), convention=orientation, patient=volume.geometry)
    assert is_known(volume.metadata)
    (z, _, _), *_ = np.argwhere(about.image)
    slices = Slices(about, 0, style)
    (row, column), *_ = np.argwhere(slices.pixels(int(z))[..., 0])
    left = orientation == "neurological"
    assert (column < 4) == left
    assert row < 4  # the front is above
    assert slices.sides["left"] == ("L" if left else "R")
    assert slices.sides["top"] == "A"


def test_a_file_that_says_no_place_has_slices_without_one(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    for name, affine in (("placed", np.eye(4)), ("nowhere", None)):
        image = nibabel.Nifti1Image(np.zeros((5, 6, 7), np.float32), affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, tmp_path / f"{name}.nii")
        (volume,) = io.read(tmp_path / f"{name}.nii")
        about = Inspection(np.asarray(volume.data[0]), volume.geometry, [])
        style = Style(placed=is_placed(volume.metadata))
        told = Slices(about, 0, style).position(2)
        assert told == ("z 2 · 2 mm" if name == "placed" else "z 2")
    assert is_placed({})  # no such file: where the viewer has it


def test_sides_that_are_not_known_are_not_lettered_and_nothing_is_turned() -> None:
    image = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    for style in (Style(), Style(convention="as stored", patient=PLACE)):
        slices = Slices(inspected(image), 0, style)
        expected = picture.grey(image[1], slices.limits)
        np.testing.assert_array_equal(slices.pixels(1)[..., 0], expected)
        assert bool(slices.sides["top"]) == (style.patient is not None)


def test_outlines_are_turned_with_their_image() -> None:
    labels = np.zeros((3, 6, 9), np.uint8)
    labels[1, 1, 2] = 1
    place = Geometry.from_spacing((1, 1, 1), unit="mm")
    about = Inspection(labels.astype(np.float32), place, [], labels)
    slices = Slices(about, 0, Style(limits=(0, 1), patient=PLACE))
    ((row, column),) = np.argwhere(slices.pixels(1)[..., 0])
    ((_, (outline,)),) = slices.outlines(1)
    assert outline.min(axis=0).tolist() == [column - 0.5, row - 0.5]
    assert outline.max(axis=0).tolist() == [column + 0.5, row + 0.5]
