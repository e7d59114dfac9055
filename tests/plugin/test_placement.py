"""Where layers lie, in whatever units their axes are."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from helpers import tiny_checkpoint
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_attn_unet import io
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.plugin.contributions import get_reader, write_image, write_labels
from napari_attn_unet.plugin.layers import from_prediction, from_stored, show
from napari_attn_unet.plugin.placement import (
    Placement,
    geometry_of,
    placement_of,
    places,
    shown_geometry,
    time_step,
    transforms,
)
from napari_attn_unet.prediction import Prediction
from napari_attn_unet.volume import Geometry, Volume

DATA = np.zeros((4, 5, 6), np.float32)


def opened(path: Path) -> Image:
    read = get_reader(str(path))
    assert read is not None
    ((data, options, _),) = read(str(path))
    return Image(data, **options)


def saved(layer: Image, path: Path) -> Path:
    data, options, _ = layer.as_layer_data_tuple()
    write_image(str(path), data, options)
    return path


@pytest.mark.parametrize(
    ("units", "scale", "unit", "spacing"),
    [
        (("um", "nm", "nm"), (0.2, 100, 100), "nm", (200, 100, 100)),
        (("mm", "um", "mm"), (1, 500, 0.5), "um", (1000, 500, 500)),
        (("m", "cm", "mm"), (0.01, 1, 10), "mm", (10, 10, 10)),
        (("angstrom", "nm", "nm"), (10, 1, 1), "angstrom", (10, 10, 10)),
        (("inch",) * 3, (2, 1, 1), "mm", (50.8, 25.4, 25.4)),
        (("dm", "mm", "mm"), (2, 1, 1), "mm", (200, 1, 1)),
        (("fm", "nm", "nm"), (1e6, 1, 1), "mm", (1e-6, 1e-6, 1e-6)),
        (("pixel", "mm", "mm"), (2, 1, 1), "pixel", (2, 1, 1)),
        (("s", "um", "um"), (2, 1, 1), "pixel", (2, 1, 1)),
        (("pixel",) * 3, (2, 1, 1), "pixel", (2, 1, 1)),
    ],
)
def test_axes_in_different_units_are_measured_in_the_smallest(
    units: tuple[str, ...],
    scale: tuple[float, ...],
    unit: str,
    spacing: tuple[float, ...],
    tmp_path: Path,
) -> None:
    layer = Image(DATA, scale=scale, units=units, translate=(1, 2, 3))
    for geometry in (geometry_of(layer), shown_geometry(layer)):
        assert geometry.unit == unit
        assert geometry.spacing == pytest.approx(spacing)
    if unit != "pixel":
        (back,) = io.read(saved(layer, tmp_path / "a.nii.gz"))
        assert back.geometry.spacing_mm == pytest.approx(geometry_of(layer).spacing_mm)


def test_a_turned_layer_s_world_axes_have_the_units() -> None:
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])  # data's z is the world's y
    layer = Image(DATA, scale=(2, 3, 4), rotate=quarter, units=("um", "nm", "nm"))
    assert geometry_of(layer).spacing == pytest.approx((2, 3000, 4))


def test_a_unit_that_a_user_gives_an_open_file_is_believed(tmp_path: Path) -> None:
    turned = np.array([[0.6, -0.8, 0, 5], [0.8, 0.6, 0, 6], [0, 0, 2, 7], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(np.random.default_rng(0).random((6, 5, 4)), turned)
    nibabel.save(image, tmp_path / "a.nii.gz")  # no unit: mm is assumed
    layer = opened(tmp_path / "a.nii.gz")
    assert geometry_of(layer).assumed
    assert shown_geometry(layer).assumed
    layer.units = ("um",) * 3
    assert (geometry_of(layer).unit, geometry_of(layer).assumed) == ("um", False)
    assert not shown_geometry(layer).assumed
    header = nibabel.load(saved(layer, tmp_path / "b.nii.gz")).header
    assert header.get_xyzt_units()[0] == "micron"
    np.testing.assert_allclose(header.get_best_affine(), turned, atol=1e-5)


def test_a_series_opened_and_saved_keeps_its_time(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.random.default_rng(0).random((6, 5, 4, 3)), np.eye(4))
    image.header.set_zooms((1, 1, 1, 2.2))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "a.nii.gz")
    layer = opened(tmp_path / "a.nii.gz")
    header = nibabel.load(saved(layer, tmp_path / "b.nii.gz")).header
    assert header.get_zooms()[3] == pytest.approx(2.2)
    assert header.get_xyzt_units() == ("mm", "sec")


def test_what_is_laid_over_one_time_point_lies_there_in_any_units() -> None:
    layer = Image(np.zeros((3, 4, 5, 6)), scale=(2, 0.2, 100, 90), units=("s", "um", "nm", "nm"))
    over = Labels(np.zeros((4, 5, 6), np.uint8), **transforms(layer, 3))
    assert over.units == layer.units[1:]
    np.testing.assert_allclose(over.data_to_world((1, 2, 3)), layer.data_to_world((0, 1, 2, 3))[1:])


def test_a_layer_that_is_updated_takes_its_image_s_units() -> None:
    viewer = ViewerModel()
    image = Image(DATA, scale=(2, 1, 1), units=("mm",) * 3)
    metadata = {"metadata": {"napari-attn-unet": {"image": "a", "date": "1"}}}

    def shown() -> Image:
        options = {"name": "gate 1 · a", "rgb": False, **metadata, **transforms(image)}
        return show(viewer, [(DATA, options, "image")], keep_old=False)[0]

    first = shown()
    image.units = ("um",) * 3
    assert shown() is first
    assert [str(unit) for unit in first.units] == ["micrometer"] * 3
    assert placement_of(first).geometry.unit == "um"


def test_a_layer_that_was_moved_and_cropped_is_saved_where_it_lies(tmp_path: Path) -> None:
    turned = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, 7], [0, 0, 3.0, 11], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), turned)
    nibabel.save(image, tmp_path / "a.nii")
    layer, cropped = opened(tmp_path / "a.nii"), opened(tmp_path / "a.nii")
    cropped.data = cropped.data[1:, 1:]
    cropped.translate = layer.data_to_world((1, 1, 0))
    whole = layer.metadata["nifti"].geometry.affine
    np.testing.assert_array_equal(geometry_of(layer).affine, whole)
    place = geometry_of(cropped)
    np.testing.assert_allclose(place.affine @ (0, 0, 0, 1), whole @ (1, 1, 0, 1), atol=1e-9)
    np.testing.assert_allclose(place.affine[:3, :3], whole[:3, :3], atol=1e-9)


def test_time_between_volumes_is_the_layer_s_scale_in_seconds() -> None:
    series = np.zeros((3, 4, 5, 6))
    layer = Image(series, scale=(500, 1, 1, 1), units=("ms", "mm", "mm", "mm"))
    assert time_step(layer) == pytest.approx(0.5)
    assert time_step(Image(series)) is None
    assert time_step(Image(series[0])) is None


def prediction(unit: str) -> tuple[Prediction, Placement]:
    """A prediction of a volume of 200 × 100 × 50 in a unit, and where its image is shown."""
    data = np.random.default_rng(0).normal(size=(1, 12, 14, 16)).astype(np.float32)
    place = Geometry.from_spacing((200, 100, 50), (10, 20, 30), unit)
    image = Image(data[0], scale=place.spacing, translate=place.origin, units=(unit,) * 3)
    return Predictor(tiny_checkpoint()).predict(Volume(data, place, "cells")), placement_of(image)


@pytest.mark.parametrize("unit", ["nm", "angstrom", "cm", "um", "mm"])
def test_a_saved_prediction_opens_in_its_size_whatever_the_unit(unit: str, tmp_path: Path) -> None:
    made, _ = prediction(unit)
    io.write_prediction(made, tmp_path)
    shown = {"mask": made.geometry} | {f"gate{g.level}": g.geometry for g in made.gates}
    for name, place in shown.items():
        stored = io.read_map(tmp_path / f"{name}.nii.gz")
        assert stored is not None
        ((data, options, kind),) = from_stored(stored)
        layer = Layer.create(data, options, kind)
        for got in (shown_geometry(layer), geometry_of(layer)):
            assert got.spacing_mm == pytest.approx(place.spacing_mm, rel=1e-6)
            there = got.in_unit_of(place)
            np.testing.assert_allclose(there.affine, place.affine, rtol=1e-5, atol=1e-3)
        write = write_image if kind == "image" else write_labels
        write(str(tmp_path / "again.nii.gz"), *layer.as_layer_data_tuple()[:2])
        (again,) = io.read(tmp_path / "again.nii.gz")
        assert again.geometry.spacing_mm == pytest.approx(place.spacing_mm, rel=1e-6)


def test_an_output_that_was_moved_turned_or_cropped_is_saved_where_it_lies() -> None:
    made, placement = prediction("mm")
    mask = [Layer.create(*data) for data in from_prediction(made, placement)][-1]
    np.testing.assert_array_equal(geometry_of(mask).affine, made.geometry.affine)
    mask.translate = np.add(mask.translate, (0, 5, 0))
    assert geometry_of(mask).origin == pytest.approx((10, 25, 30))
    mask.data = mask.data[1:, 2:, 2:]
    mask.translate = mask.data_to_world((1, 2, 2))
    assert geometry_of(mask).origin == pytest.approx((210, 225, 130))
    mask.rotate = 10
    np.testing.assert_allclose(geometry_of(mask).affine, shown_geometry(mask).affine, atol=1e-9)


def test_a_layer_in_another_unit_lies_where_its_file_does(tmp_path: Path) -> None:
    turned = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, 7], [0, 0, 3.0, 11], [0, 0, 0, 1]])
    turned[:3, :3] @= np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), turned)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii")
    layer = opened(tmp_path / "a.nii")
    place = geometry_of(layer)
    layer.scale, layer.translate = layer.scale * 1000, layer.translate * 1000
    layer.units = ("um",) * 3
    assert geometry_of(layer).is_same(place)


def test_files_meet_where_they_say_though_their_directions_are_not_shown(tmp_path: Path) -> None:
    turn = np.diag([1.5, 1.5, 1.5, 1.0])
    turn[:2, :2] = 1.5 * np.array([[0.8, -0.6], [0.6, 0.8]])
    for name, affine in (("turned", turn), ("straight", np.eye(4))):
        image = nibabel.Nifti1Image(np.zeros((6, 5, 4), np.uint8), affine)
        nibabel.save(image, tmp_path / f"{name}.nii")
    one, other = opened(tmp_path / "turned.nii"), opened(tmp_path / "straight.nii")
    here, there = places(one, other)
    np.testing.assert_allclose(here.affine, one.metadata["nifti"].geometry.affine)
    assert there.is_same(other.metadata["nifti"].geometry)
    drawn = Labels(np.zeros((4, 5, 6), np.uint8))
    assert places(drawn, one)[1].is_same(shown_geometry(one))
