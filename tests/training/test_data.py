"""A case's label lies on its image, on the network's grid and on its own."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_attn_unet import io
from napari_attn_unet.errors import DatasetError
from napari_attn_unet.io import open_dataset
from napari_attn_unet.io.datasets import Dataset
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.training import data
from napari_attn_unet.training.data import Case, load_cases
from napari_attn_unet.volume import Geometry, Volume

SHAPE = (10, 14, 18)
SPEC = PreprocessingSpec()
PERMUTED = np.array([[0, 0, -1.0, 17], [2, 0, 0, -3], [0, -1, 0, 13], [0, 0, 0, 1]])


def truth() -> np.ndarray:
    """Two boxes, alike along no axis."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:5, 2:6, 3:14] = 1
    labels[5:8, 2:12, 3:7] = 2
    return labels


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    geometry = Geometry.from_spacing((2, 1, 1), unit="mm")
    io.write(tmp_path / "imagesTr/a.nii.gz", 10.0 * truth(), geometry)
    io.write(tmp_path / "labelsTr/a.nii.gz", truth(), geometry)
    entries = [{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}]
    about = {"labels": {"0": "background", "1": "one", "2": "two"}, "training": entries}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    return open_dataset(tmp_path)


def load(dataset: Dataset, spec: PreprocessingSpec = SPEC) -> Case:
    (case,) = load_cases(dataset.cases, dataset, spec)
    return case


def values_by_label(image: np.ndarray, label: np.ndarray) -> list[np.ndarray]:
    return [np.unique(image[label == k].round(4)) for k in range(3)]


def test_a_label_lies_on_its_image(dataset: Dataset) -> None:
    case = load(dataset)
    assert [len(v) for v in values_by_label(case.image[0], case.label)] == [1, 1, 1]
    np.testing.assert_array_equal(case.truth, truth())
    assert case.extent_mm == (20, 14, 18)


@pytest.mark.parametrize("turned", ["image", "label"])
def test_a_label_stored_along_other_axes_lies_on_its_image(turned: str, dataset: Dataset) -> None:
    path = getattr(dataset.cases[0], turned)
    file = nibabel.load(path)
    other = nibabel.as_closest_canonical(file).as_reoriented([[2, -1], [1, 1], [0, -1]])
    nibabel.save(other, path)
    case = load(dataset)
    assert [len(v) for v in values_by_label(case.image[0], case.label)] == [1, 1, 1]


def test_a_label_comes_along_where_the_image_is_turned_for_the_network(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume need not come canonical from where it is read."""
    read, read_labels = io.read, io.read_labels

    def turned(path: Path, *channels: int) -> list[Volume]:
        return [Volume(v.data, Geometry(PERMUTED, "mm"), v.name) for v in read(path, *channels)]

    def turned_labels(path: Path) -> tuple[np.ndarray, Geometry]:
        return read_labels(path)[0], Geometry(PERMUTED, "mm")

    monkeypatch.setattr(data.io, "read", turned)
    monkeypatch.setattr(data.io, "read_labels", turned_labels)
    case = load(dataset)
    assert case.image.shape[1:] == case.label.shape == (18, 10, 14)
    assert [len(v) for v in values_by_label(case.image[0], case.label)] == [1, 1, 1]
    np.testing.assert_array_equal(case.truth, truth())


def test_a_label_comes_along_where_the_image_is_resampled(dataset: Dataset) -> None:
    case = load(dataset, PreprocessingSpec(spacing=(1, 1, 1), intensity="none"))
    assert case.image.shape[1:] == case.label.shape == (20, 14, 18)
    np.testing.assert_array_equal(case.label, truth().repeat(2, axis=0))
    inner = case.label == 1
    assert abs(float(np.median(case.image[0][inner])) - 10) < 0.1


@pytest.mark.parametrize("away", [(30, 0, 0), (8, 0, 0), (2, 0, 0)])
def test_a_label_that_lost_its_place_is_refused(
    dataset: Dataset, away: tuple[float, float, float]
) -> None:
    """Of its image's size, but elsewhere: outside, half outside, and one voxel off."""
    moved = Geometry.from_spacing((2, 1, 1), away, "mm")
    io.write(dataset.cases[0].label, truth(), moved)
    with pytest.raises(DatasetError, match=r"^a: "):
        load(dataset)


def test_a_label_on_a_larger_or_finer_grid_is_brought_over_and_said(dataset: Dataset) -> None:
    geometry = Geometry.from_spacing((2, 1, 1), unit="mm")
    larger = np.pad(truth(), 3)
    io.write(dataset.cases[0].label, larger, geometry.regridded((1, 1, 1), (-3, -3, -3)))
    case = load(dataset)
    np.testing.assert_array_equal(case.truth, truth())
    assert "another grid (16, 20, 24)" in case.note
    fine = truth().repeat(2, 0)
    io.write(dataset.cases[0].label, fine, geometry.regridded((0.5, 1, 1), (0, 0, 0)))
    np.testing.assert_array_equal(load(dataset).truth, truth())
    io.write(dataset.cases[0].label, truth(), geometry)
    assert load(dataset).note == ""


def test_a_label_of_another_size_or_with_a_value_that_has_no_name_is_refused(
    dataset: Dataset,
) -> None:
    path, geometry = dataset.cases[0].label, Geometry.from_spacing((2, 1, 1), unit="mm")
    io.write(path, truth()[1:], geometry)
    with pytest.raises(DatasetError, match=r"a: the image is \(10, 14, 18\), but its label"):
        load(dataset)
    io.write(path, truth() * 3, geometry)
    with pytest.raises(DatasetError, match=r"labels are \[0, 3, 6\].*names 3"):
        load(dataset)
