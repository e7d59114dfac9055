"""A prediction's folder can be read without the program that wrote it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny_checkpoint

from napari_attn_unet import io
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.errors import FileError
from napari_attn_unet.prediction import Prediction
from napari_attn_unet.volume import Geometry, Volume

GEOMETRY = Geometry.from_spacing((2, 1, 0.5), (5, 6, 7), "um")


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    data = np.random.default_rng(0).normal(size=(1, 13, 18, 17))
    return Predictor(tiny_checkpoint()).predict(Volume(data, GEOMETRY, "brain"), probabilities=True)


def test_every_map_is_written_where_it_lies(prediction: Prediction, tmp_path: Path) -> None:
    assert prediction.probabilities is not None
    written = io.write_prediction(prediction, tmp_path)
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()}
    (mask,) = io.read(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask.data[0], prediction.mask)
    np.testing.assert_allclose(mask.geometry.affine, GEOMETRY.affine)
    assert mask.geometry.unit == "um"
    for gate in prediction.gates:
        (read,) = io.read(tmp_path / f"gate{gate.level}.nii.gz")
        np.testing.assert_array_equal(read.data[0], gate.coefficients)
        np.testing.assert_allclose(read.geometry.affine, gate.geometry.affine)
    maps = io.read(tmp_path / "probabilities.nii.gz")
    for one, expected in zip(maps, prediction.probabilities, strict=True):
        np.testing.assert_array_equal(one.data[0], expected)


def test_beside_them_stands_what_they_are(prediction: Prediction, tmp_path: Path) -> None:
    io.write_prediction(prediction, tmp_path, gates=False)
    assert not list(tmp_path.glob("gate*"))
    about = io.read_about(tmp_path / "mask.nii.gz")
    assert about is not None
    assert about["provenance"] == json.loads(json.dumps(dict(prediction.provenance)))
    assert about["classes"] == [[name, list(colour)] for name, colour in prediction.classes]
    assert about["unit"] == "um"
    np.testing.assert_allclose(about["affine"], GEOMETRY.affine)


def test_a_series_of_probabilities_is_one_volume_per_class_and_time(
    prediction: Prediction, tmp_path: Path
) -> None:
    assert prediction.probabilities is not None
    two = np.stack([prediction.probabilities, prediction.probabilities[::-1]])
    io.write_prediction(replace(prediction, probabilities=two), tmp_path)
    assert len(io.read(tmp_path / "probabilities.nii.gz")) == 6


def test_what_is_no_prediction_says_nothing(tmp_path: Path) -> None:
    assert io.read_about(tmp_path / "mask.nii.gz") is None
    for text in ("{", "[]", '{"provenance": {}}', '{"classes": []}', "[" * 100_000):
        (tmp_path / "prediction.json").write_text(text)
        assert io.read_about(tmp_path / "mask.nii.gz") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", []),
        ("classes", None),
        ("classes", ["background", "one"]),
        ("classes", [["background", [0, 0]]]),
        ("classes", [["background", ["black", 0, 0]]]),
        ("classes", [["background", [0, 0, 255]]]),
        ("classes", 3),
        ("affine", None),
        ("affine", [[1, 2], [3]]),
        ("affine", np.zeros((4, 4)).tolist()),
        ("affine", "eye"),
        ("provenance", None),
        ("provenance", ["checkpoint"]),
        ("provenance", {"config": 4}),
        ("provenance", {"config": {"channels": None}}),
        ("unit", ["mm"]),
    ],
)
def test_a_prediction_json_that_cannot_be_used_is_said_in_words(
    prediction: Prediction, tmp_path: Path, key: str, value: object
) -> None:
    *_, path = io.write_prediction(prediction, tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(FileError, match=r"prediction\.json cannot be used: .*move prediction"):
        io.read_map(tmp_path / "mask.nii.gz")
    assert io.read_map(tmp_path / "another.nii.gz") is None  # is none of its maps


def test_maps_that_are_not_one_for_each_class_are_refused(
    prediction: Prediction, tmp_path: Path
) -> None:
    assert prediction.probabilities is not None
    two = replace(prediction, probabilities=prediction.probabilities[:2])
    io.write_prediction(two, tmp_path)
    with pytest.raises(FileError, match=r"holds 2 maps, but .* 3 classes"):
        io.read_map(tmp_path / "probabilities.nii.gz")


def test_a_prediction_whose_image_has_no_name_is_called_by_its_folder(
    prediction: Prediction, tmp_path: Path
) -> None:
    io.write_prediction(replace(prediction, provenance={}), tmp_path / "case7")
    stored = io.read_map(tmp_path / "case7" / "mask.nii.gz")
    assert stored is not None
    assert stored.provenance == {"image": "case7"}


def test_a_mask_with_labels_beyond_a_byte_comes_back_exactly(
    prediction: Prediction, tmp_path: Path
) -> None:
    corrected = prediction.mask.astype(np.int64)
    corrected[0] = 300
    io.write_prediction(replace(prediction, mask=corrected), tmp_path)
    stored = io.read_map(tmp_path / "mask.nii.gz")
    assert stored is not None
    np.testing.assert_array_equal(stored.data, corrected)


def test_maps_of_an_earlier_prediction_do_not_pass_for_the_new_one(
    prediction: Prediction, tmp_path: Path
) -> None:
    io.write_prediction(prediction, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    io.write_prediction(replace(prediction, gates=prediction.gates[:1]), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("gate*")) == ["gate1.nii.gz"]
    assert (tmp_path / "notes.txt").exists()
