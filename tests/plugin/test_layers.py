"""Outputs lie on the voxels that they speak of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import product
from pathlib import Path

import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer
from placed import oblique

from napari_attn_unet import io
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.errors import RunError, ShapeError
from napari_attn_unet.plugin import contributions, layers
from napari_attn_unet.plugin.results import results
from napari_attn_unet.prediction import Prediction

SHAPE = (21, 18, 15)
PLACES = {
    "scaled": {"scale": (2, 1, 0.5), "translate": (3, 4, 5), "units": ("mm",) * 3},
    "series": {"scale": (9, 2, 1, 0.5), "translate": (0, 3, 4, 5), "units": ("s", *("mm",) * 3)},
}


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def outputs(image: Image, checkpoint: Path) -> dict[str, Layer]:
    volumes, placement = layers.to_volumes(image)
    prediction = Predictor(checkpoint).predict(volumes, probabilities=True)
    made = [Layer.create(*x) for x in layers.from_prediction(prediction, placement)]
    return {layer.name: layer for layer in made}


def test_gate_map_layer_lies_on_the_voxels_it_weighs(
    data: np.ndarray, tiny_checkpoint_path: Path
) -> None:
    image = oblique(data)
    made = outputs(image, tiny_checkpoint_path)
    # The image is mirrored along z, so the network sees it flipped and pads before voxel 0.
    for name, factor in (("gate 1 · brain", 2), ("gate 2 · brain", 4)):
        gate = made[name]
        overhang = gate.data.shape[0] * factor - SHAPE[0]
        for cell in product((0, 2, gate.data.shape[0] - 1), (0, 1), (0, 1)):
            for corner in product((-0.5, 0.5), repeat=3):
                on_image = (np.array(cell) + corner + 0.5) * factor - 0.5
                on_image[0] -= overhang
                np.testing.assert_allclose(
                    gate.data_to_world(np.array(cell) + corner),
                    image.data_to_world(on_image),
                    atol=1e-9,
                )


def test_mask_and_probabilities_lie_on_the_image(
    data: np.ndarray, tiny_checkpoint_path: Path
) -> None:
    image = oblique(data)
    for name, layer in outputs(image, tiny_checkpoint_path).items():
        assert layer.units == image.units
        assert layer.axis_labels == image.axis_labels
        if "gate" not in name:
            for corner in product((0, 20), (0, 17), (0, 14)):
                np.testing.assert_allclose(
                    layer.data_to_world(corner), image.data_to_world(corner), atol=1e-9
                )


def test_volumes_in_mm_count_the_layers_voxel_size(
    data: np.ndarray, tiny_checkpoint_path: Path
) -> None:
    path = tiny_checkpoint_path
    mask = outputs(Image(data, name="b", scale=(2, 0.5, 0.5), units=("mm",) * 3), path)
    table = mask["mask · b"].features
    np.testing.assert_allclose(table["mm3"], table["voxels"] * 0.5, rtol=1e-5)
    cells = outputs(Image(data, name="c", scale=(2, 0.5, 0.5), units=("um",) * 3), path)
    table = cells["mask · c"].features
    np.testing.assert_allclose(table["mm3"], table["voxels"] * 0.5e-9, rtol=1e-5)


def test_a_time_series_runs_per_time_point(data: np.ndarray, tiny_checkpoint_path: Path) -> None:
    series = Image(np.stack([data, data[::-1]]), name="t", scale=(9, 2, 1, 1))
    made = outputs(series, tiny_checkpoint_path)
    alone = outputs(Image(data[::-1], name="t", scale=(2, 1, 1)), tiny_checkpoint_path)
    assert made["mask · t"].data.shape == (2, *SHAPE)
    np.testing.assert_array_equal(made["mask · t"].data[1], alone["mask · t"].data)
    np.testing.assert_allclose(made["gate 1 · t"].scale, (9, 4, 2, 2))


def test_dask_and_multiscale_layers_give_the_result_of_their_full_array(
    data: np.ndarray, tiny_checkpoint_path: Path
) -> None:
    expected = outputs(Image(data, name="x"), tiny_checkpoint_path)["mask · x"].data
    lazy = Image(dask.array.from_array(data, chunks=8), name="x")
    pyramid = Image([data, data[::2, ::2, ::2]], name="x", multiscale=True)
    for image in (lazy, pyramid):
        made = outputs(image, tiny_checkpoint_path)["mask · x"].data
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    ("image", "word"),
    [
        (Image(np.zeros((5, 6)), name="flat"), "2D"),
        (Image(np.zeros((5, 6, 7, 3)), name="colours", rgb=True), "colour"),
        (Image(np.zeros((2, 3, 4, 5, 6)), name="many"), "axes"),
    ],
)
def test_what_is_no_volume_is_refused_in_words(image: Image, word: str) -> None:
    with pytest.raises(ShapeError, match=word):
        layers.to_volumes(image)


def made(place: str, data: np.ndarray, checkpoint: Path) -> tuple[ViewerModel, Prediction]:
    """A viewer with an image and its result, and the prediction that it was made of."""
    viewer = ViewerModel()
    if place == "oblique":
        image = viewer.add_layer(oblique(data))
    else:
        data = np.stack([data, data[::-1] * 2]) if place == "series" else data
        image = viewer.add_image(data, name="brain", rgb=False, **PLACES[place])
    volumes, placement = layers.to_volumes(image)
    prediction = Predictor(checkpoint).predict(volumes, probabilities=True)
    layers.show(viewer, layers.from_prediction(prediction, placement), keep_old=False)
    return viewer, prediction


def shown(viewer: ViewerModel) -> Prediction:
    (result,) = results(viewer)
    return layers.to_prediction(result)


def assert_same(one: Prediction, other: Prediction) -> None:
    np.testing.assert_array_equal(one.mask, other.mask)
    assert one.classes == other.classes
    assert one.provenance == other.provenance
    pairs = [(one, other), *zip(one.gates, other.gates, strict=True)]
    for a, b in pairs:
        np.testing.assert_allclose(a.geometry.affine, b.geometry.affine, atol=1e-5)
        assert a.geometry.unit == b.geometry.unit
    for gate, same in zip(one.gates, other.gates, strict=True):
        assert gate.level == same.level
        np.testing.assert_array_equal(gate.coefficients, same.coefficients)
    # The background's is what the others leave.
    np.testing.assert_array_equal(
        one.probabilities[..., 1:, :, :, :], other.probabilities[..., 1:, :, :, :]
    )
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


@pytest.mark.parametrize("place", ["scaled", "oblique", "series"])
def test_a_prediction_comes_back_from_its_layers(
    data: np.ndarray, tiny_checkpoint_path: Path, place: str
) -> None:
    viewer, prediction = made(place, data, tiny_checkpoint_path)
    assert_same(shown(viewer), prediction)


@pytest.mark.parametrize("place", ["scaled", "series"])
def test_a_prediction_comes_back_from_its_layers_files(
    data: np.ndarray, tiny_checkpoint_path: Path, tmp_path: Path, place: str
) -> None:
    viewer, prediction = made(place, data, tiny_checkpoint_path)
    *maps, _ = map(str, io.write_prediction(shown(viewer), tmp_path / "out"))
    again = ViewerModel()
    reader = contributions.get_reader(maps)
    for layer in reader(maps):
        again.add_layer(Layer.create(*layer))
    assert_same(shown(again), prediction)
    for layer in again.layers:  # where the image lies, as our reader shows it
        old = viewer.layers[layer.name]
        corner = [0] * layer.ndim
        np.testing.assert_allclose(
            layer.data_to_world(corner)[-3:], old.data_to_world(corner)[-3:], atol=1e-5
        )
        assert layer.axis_labels[-3:] == ("z", "y", "x")
    if place == "series":
        assert again.layers[0].axis_labels[0] == "t"


def test_a_result_without_its_mask_says_so(data: np.ndarray, tiny_checkpoint_path: Path) -> None:
    viewer, _ = made("scaled", data, tiny_checkpoint_path)
    viewer.layers.remove("mask · brain")
    with pytest.raises(RunError, match="the result's mask"):
        shown(viewer)


def test_what_is_gone_of_a_result_is_left_out(data: np.ndarray, tiny_checkpoint_path: Path) -> None:
    viewer, _ = made("scaled", data, tiny_checkpoint_path)
    viewer.layers.remove("gate 2 · brain")
    viewer.layers.remove("probability of two · brain")
    left = shown(viewer)
    assert [gate.level for gate in left.gates] == [1]
    assert left.probabilities is None


def again(
    viewer: ViewerModel, prediction: Prediction, *, corrected: Collection[Layer] = (), **about: str
) -> None:
    """Show a prediction as a run of another date, or of another checkpoint."""
    provenance = {**prediction.provenance, "date": "2031", **about}
    image = viewer.layers["brain"]
    _, placement = layers.to_volumes(image)
    data = layers.from_prediction(replace(prediction, provenance=provenance), placement)
    layers.show(viewer, data, keep_old=False, corrected=corrected)


def test_another_checkpoint_s_result_has_layers_of_its_own(
    data: np.ndarray, tiny_checkpoint_path: Path
) -> None:
    viewer, prediction = made("scaled", data, tiny_checkpoint_path)
    first, copies = list(viewer.layers), [np.array(la.data) for la in viewer.layers]
    other = replace(prediction, mask=1 - prediction.mask.clip(0, 1), probabilities=None)
    again(viewer, other, checkpoint="second", checkpoint_sha256="2")
    assert [layer.name for layer in viewer.layers[len(first) :]] == [
        "gate 2 · brain (second)",
        "gate 1 · brain (second)",
        "mask · brain (second)",
    ]
    for layer, copy in zip(first, copies, strict=True):
        np.testing.assert_array_equal(layer.data, copy)
    assert not any(layer.visible for layer in first[1:])  # of the former result
    old, new = results(viewer)
    assert set(old.probabilities) == {"one", "two"}
    assert not new.probabilities
    # A second run of it is updated in place, and so is one of the first.
    before = list(viewer.layers)
    again(viewer, prediction, checkpoint="second", checkpoint_sha256="2")
    np.testing.assert_array_equal(viewer.layers["mask · brain (second)"].data, prediction.mask)
    again(viewer, replace(other, probabilities=prediction.probabilities))
    np.testing.assert_array_equal(viewer.layers["mask · brain"].data, other.mask)
    assert [layer for layer in viewer.layers if layer in before] == before


def test_what_is_left_of_an_updated_run_is_hidden(
    data: np.ndarray, tiny_checkpoint_path: Path
) -> None:
    viewer, prediction = made("scaled", data, tiny_checkpoint_path)
    left = viewer.layers["probability of one · brain"]
    left.visible = True
    again(viewer, replace(prediction, probabilities=None))
    assert not left.visible
    assert viewer.layers["mask · brain"].visible


def test_a_corrected_mask_is_told_and_kept(data: np.ndarray, tiny_checkpoint_path: Path) -> None:
    viewer, prediction = made("scaled", data, tiny_checkpoint_path)
    predicted = prediction.mask.copy()  # the layer shares the prediction's array
    mask = viewer.layers["mask · brain"]
    assert not layers.is_corrected(mask)
    mask.data_setitem((np.array([1]),) * 3, (int(mask.data[1, 1, 1]) + 1) % 3)
    mine = np.array(mask.data)
    assert layers.is_corrected(mask)
    again(viewer, replace(prediction, mask=predicted), corrected=[mask])
    np.testing.assert_array_equal(mask.data, mine)
    new = viewer.layers["mask · brain [1]"]
    np.testing.assert_array_equal(new.data, predicted)
    again(viewer, replace(prediction, mask=predicted), corrected=[mask])
    assert "mask · brain [2]" not in viewer.layers  # the new one is updated


def test_a_preview_is_not_counted(data: np.ndarray, tiny_checkpoint_path: Path) -> None:
    image = Image(data, name="b", units=("mm",) * 3)
    volumes, placement = layers.to_volumes(image)
    prediction = Predictor(tiny_checkpoint_path).predict(volumes)
    *_, (_, options, _) = layers.from_prediction(prediction, placement, counted=False)
    assert set(options["features"]) == {"index", "class"}
    *_, (_, options, _) = layers.from_prediction(prediction, placement)
    assert (
        options["features"]["voxels"] == np.bincount(prediction.mask.ravel(), minlength=3).tolist()
    )


def test_what_goes_together_goes_in_one_batch() -> None:
    viewer = ViewerModel()
    added = [viewer.add_image(np.zeros((2, 3, 4)), name=name) for name in "abcd"]
    batches: list[int] = []
    viewer.layers.events.end_batch.connect(lambda: batches.append(len(viewer.layers)))
    viewer.layers.remove(added[0])
    layers.remove(viewer, [added[0], None, added[1], added[2]])  # one is gone, one never was
    assert [layer.name for layer in viewer.layers] == ["d"]
    assert batches == [1]
    layers.remove(viewer, [])
    assert batches == [1]
