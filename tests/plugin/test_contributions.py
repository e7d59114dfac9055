"""What the manifest names: reader, writers, sample data."""
# Over 350 lines: what is saved and what is opened, held to each other.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pooch
import pytest
from conftest import brain, show_result
from napari import Viewer
from napari.layers import Image, Labels, Layer
from napari.plugins._npe2 import file_extensions_string_for_layers

from napari_attn_unet import io, phantom
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.errors import FileError, ShapeError
from napari_attn_unet.plugin import contributions
from napari_attn_unet.plugin.results import results
from napari_attn_unet.prediction import Prediction
from napari_attn_unet.volume import Geometry, Volume

PLUGIN = "napari-attn-unet"


@pytest.fixture
def oblique_file(tmp_path: Path) -> Path:
    affine = np.array([[-0.9, 0.2, 0, 10], [0.25, 1.1, 0.1, -5], [0, 0.1, -2.0, 7], [0, 0, 0, 1]])
    voxels = np.random.default_rng(0).integers(0, 900, (5, 6, 7)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_a_file_opened_and_saved_keeps_its_grid(
    make_napari_viewer: Callable[[], Viewer], oblique_file: Path, tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    (layer,) = viewer.open(oblique_file, plugin=PLUGIN)
    assert isinstance(layer, Image)
    assert (np.asarray(layer.scale) > 0).all()
    assert [str(u) for u in layer.units] == ["millimeter"] * 3
    viewer.add_labels(
        np.asarray(layer.data > 500).astype(np.uint8),
        name="mask",
        scale=layer.scale,
        translate=layer.translate,
        units=layer.units,
        metadata=layer.metadata,
    )
    source = nibabel.load(oblique_file)
    for saved in (layer, viewer.layers["mask"]):
        path = tmp_path / f"{saved.name}_saved.nii.gz"
        assert saved.save(str(path), plugin=PLUGIN) == [str(path)]
        back = nibabel.load(path)
        np.testing.assert_array_equal(back.affine, source.affine)
        np.testing.assert_array_equal(io.read(path)[0].data[0], saved.data)


NOISE = np.random.default_rng(0).normal(100, 20, (8, 9, 10))


def kind_of(path: Path) -> str:
    ((_, _, kind),) = contributions._read(str(path))
    return kind


def test_label_files_open_as_labels(tmp_path: Path) -> None:
    truth, geometry = _labels()
    io.write(tmp_path / "case.nii.gz", truth, geometry)
    assert kind_of(tmp_path / "case.nii.gz") == "labels"
    io.write(tmp_path / "float.nii.gz", truth.astype(np.float64), geometry)
    ((data, _, kind),) = contributions._read(str(tmp_path / "float.nii.gz"))
    assert kind == "labels"
    assert data.dtype == np.int32
    np.testing.assert_array_equal(data, truth)


@pytest.mark.parametrize(
    "name", ["antibody_label_488", "sub-01_T1w_masked", "larva_segment3", "labelsTr/scan", "seg"]
)
def test_no_name_makes_intensities_labels(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.nii.gz"
    io.write(path, NOISE.astype(np.int16), Geometry.from_spacing(unit="mm"))
    assert kind_of(path) == "image"


def test_a_file_that_says_labels_holds_labels_if_it_can(tmp_path: Path) -> None:
    place = Geometry.from_spacing(unit="mm")
    io.write(tmp_path / "a.nii.gz", NOISE.astype(np.uint16), place, labels=True)
    assert kind_of(tmp_path / "a.nii.gz") == "labels"
    io.write(tmp_path / "b.nii.gz", NOISE, place, labels=True)
    assert kind_of(tmp_path / "b.nii.gz") == "image"


def _labels() -> tuple[np.ndarray, object]:
    volume, truth = phantom.make((16, 16, 16))
    return truth, volume.geometry


def test_the_reader_leaves_other_formats_alone() -> None:
    assert contributions.get_reader("scan.tif") is None
    assert contributions.get_reader(["a.nii", "b.NII.GZ"]) is not None


@pytest.mark.parametrize(("key", "kinds"), [("mni152", [Image]), ("phantom", [Image, Labels])])
def test_samples_open(
    make_napari_viewer: Callable[[], Viewer], key: str, kinds: list[type]
) -> None:
    viewer = make_napari_viewer()
    viewer.open_sample(PLUGIN, key)
    assert [type(layer) for layer in viewer.layers] == kinds


def test_the_decathlon_case_comes_from_the_folder_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, geometry = _labels()
    for kind, data in (("imagesTr", truth * 1.5), ("labelsTr", truth)):
        io.write(tmp_path / kind / f"{contributions._CASE}.nii.gz", data, geometry)
    monkeypatch.setenv("ATTN_UNET_HIPPOCAMPUS", str(tmp_path))
    image, label = contributions.sample_hippocampus()
    assert (image[2], label[2]) == ("image", "labels")
    np.testing.assert_array_equal(label[0], truth)


@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_saved_maps_open_as_what_they_are(
    tmp_path: Path, make_napari_viewer: Callable[[], Viewer], turn: float
) -> None:
    affine = np.diag([2.0, 1.0, 1.5, 1.0])
    affine[:3, 3] = 5, -3, 2
    rotation = np.eye(4)
    rotation[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    volume = Volume(
        np.random.default_rng(0).normal(size=(1, 9, 14, 11)).astype(np.float32),
        Geometry(rotation @ affine, "mm"),
        "brain",
    )
    io.write(tmp_path / "brain.nii.gz", volume.data[0], volume.geometry)
    read = io.read(tmp_path / "brain.nii.gz")[0]
    prediction = Predictor("phantom").predict(read)
    io.write_prediction(prediction, tmp_path / "out")
    viewer = make_napari_viewer()
    paths = [tmp_path / "brain.nii.gz", *(tmp_path / "out").glob("*.nii.gz")]
    viewer.open([str(p) for p in paths], plugin=PLUGIN)
    (result,) = results(viewer)
    assert list(result.gates) == [1, 2, 3]
    assert result.mask is not None
    assert next(iter(result.mask.features["class"])) == "background"
    image = viewer.layers["brain"]
    np.testing.assert_allclose(result.mask.extent.world, image.extent.world, atol=1e-4)
    for level, gate in result.gates.items():
        np.testing.assert_array_equal(gate.data, prediction.gates[level - 1].coefficients)
        corner = gate.data_to_world((-0.5,) * 3)
        np.testing.assert_allclose(corner, image.data_to_world((-0.5,) * 3), atol=1e-4)


PLACE = {"scale": (2, 1, 0.5), "translate": (3, 4, 5), "units": ("mm",) * 3}


def save(layer: Layer, path: Path) -> Path:
    """Save a layer as napari does when a writer was chosen in its dialog."""
    write = contributions.write_labels if isinstance(layer, Labels) else contributions.write_image
    (written,) = write(str(path), *layer.as_layer_data_tuple()[:2])
    return Path(written)


@pytest.mark.parametrize(
    "data",
    [
        np.full((3, 4, 5), 720575940630243184, np.uint64),
        np.full((3, 4, 5), -(2**62) - 1, np.int64),
        np.full((3, 4, 5), 2**32 - 1, np.uint32),
        np.full((3, 4, 5), 7, np.int8),
        np.full((3, 4, 5), np.pi),
        np.full((3, 4, 5), np.nan, np.float32),
        np.zeros((2, 3, 4, 5), np.int16),
    ],
)
def test_a_layer_is_saved_in_its_type_on_its_grid(data: np.ndarray, tmp_path: Path) -> None:
    lead = data.ndim - 3
    place = {
        k: ((*({"scale": 1, "translate": 0, "units": "s"}[k],) * lead, *v))
        for k, v in PLACE.items()
    }
    kind = Labels if data.dtype.kind in "iu" and data.min() >= 0 and lead == 0 else Image
    path = save(kind(data, name="x", **place), tmp_path / "x.nii.gz")
    back = nibabel.load(path)
    assert back.get_data_dtype() == data.dtype
    np.testing.assert_array_equal(np.asarray(back.dataobj).T, data)
    volume = io.read(path)[0]
    np.testing.assert_allclose(volume.geometry.spacing, (2, 1, 0.5))
    np.testing.assert_allclose(volume.geometry.origin, (3, 4, 5))


@pytest.mark.parametrize("kind", [Image, Labels])
def test_a_multiscale_layer_is_saved_at_full_resolution(kind: type, tmp_path: Path) -> None:
    full = np.arange(16 * 18 * 20, dtype=np.int32).reshape(16, 18, 20)
    layer = kind([full, full[::2, ::2, ::2]], multiscale=True, name="x", **PLACE)
    back = io.read(save(layer, tmp_path / "x.nii.gz"))[0]
    np.testing.assert_array_equal(back.data[0], full)
    np.testing.assert_allclose(back.geometry.spacing, (2, 1, 0.5))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Image(np.zeros((4, 5, 6, 3), np.uint8), rgb=True, name="stack"), "colour image"),
        (Image(np.zeros((4, 5, 3), np.uint8), rgb=True, name="picture"), "colour image"),
        (Image([np.zeros((8, 9, 4)), np.zeros((4, 5, 4))], rgb=True, name="big"), "colour image"),
        (Image(np.zeros((5, 6)), name="flat"), "this has 2"),
        (Labels(np.zeros((5, 6), int), name="flat"), "this has 2"),
        (Image(np.zeros((2, 2, 4, 5, 6)), name="many"), "this has 5"),
    ],
)
def test_what_nifti_cannot_hold_is_refused_in_words(
    layer: Layer, said: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=f"{layer.name}.*{said}"):
        save(layer, tmp_path / "x.nii.gz")
    assert not list(tmp_path.iterdir())


def test_complex_numbers_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"wave.*complex64"):
        contributions.write_image(
            str(tmp_path / "x.nii"), np.zeros((4, 5, 6), np.complex64), {"name": "wave"}
        )


def test_a_name_without_an_ending_gets_one_and_takes_no_file_s_place(tmp_path: Path) -> None:
    layer = Image(NOISE, name="x")
    assert save(layer, tmp_path / "scan v1.2").name == "scan v1.2.nii.gz"
    assert save(layer, tmp_path / "SCAN.NII").name == "SCAN.NII"
    with pytest.raises(FileError, match="is there already"):
        save(layer, tmp_path / "scan v1.2")
    assert save(layer, tmp_path / "scan v1.2.nii.gz").exists()  # about that one napari has asked


def test_napari_s_dialog_saves_with_each_of_our_filters(
    make_napari_viewer: Callable[[], Viewer], tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(NOISE, name="brain", **PLACE)
    for several in (False, True):
        if several:
            viewer.add_labels((NOISE > 110).astype(np.uint8), name="a/b", **PLACE)
        viewer.layers.selection = {viewer.layers[0]}
        text, writers = file_extensions_string_for_layers(
            list(viewer.layers.selection) if not several else viewer.layers
        )
        ours = [w for w in writers if w.plugin_name == PLUGIN]
        assert (
            [w.display_name for w in ours] == ["NIfTI folder"]
            if several
            else [
                "NIfTI",
                "NIfTI folder",
            ]
        )
        assert text.split(";;")[0] != "Attention U-Net NIfTI folder (*.*)"  # napari's own first
        for i, writer in enumerate(ours):
            for name in ("out", "out.nii.gz"):
                path = tmp_path / f"{several}{i}{len(name)}" / name
                saved = viewer.layers.save(str(path), selected=not several, _writer=writer)
                assert saved
                assert all(Path(p).is_file() for p in saved)


def test_save_all_opens_again_as_what_it_was(
    make_napari_viewer: Callable[[], Viewer], tmp_path: Path, tiny_prediction: Prediction
) -> None:
    viewer = make_napari_viewer()
    image = brain()
    viewer.add_image(image, name="brain", scale=(2, 1, 1), units=("mm",) * 3)
    show_result(viewer, tiny_prediction)
    ids = np.where(NOISE > 100, 2**53 + 1, 0)
    viewer.add_labels(ids, name="mask", scale=(2, 1, 1), units=("mm",) * 3)  # no result's
    paths = viewer.layers.save(str(tmp_path / "all"), plugin=PLUGIN)
    assert {Path(p).name for p in paths} == {
        "brain.nii.gz",
        "gate1.nii.gz",
        "gate2.nii.gz",
        "mask.nii.gz",
        "prediction.json",
        "mask layer.nii.gz",
    }
    again = make_napari_viewer()
    again.open(tmp_path / "all", plugin=PLUGIN)
    assert [type(la) for la in again.layers] == [Image, Labels, Image, Image, Labels]
    (result,) = results(again)
    assert result.mask is again.layers[-1]
    np.testing.assert_array_equal(result.mask.data, tiny_prediction.mask)
    assert list(result.gates) == [1, 2]
    np.testing.assert_array_equal(again.layers["brain"].data, image)
    np.testing.assert_array_equal(again.layers["mask layer"].data, ids)
    # A second time into the same folder: nothing is overwritten.
    before = {p: p.read_bytes() for p in (tmp_path / "all").rglob("*") if p.is_file()}
    second = [Path(p) for p in viewer.layers.save(str(tmp_path / "all"), plugin=PLUGIN)]
    assert not set(second) & set(before)
    assert all(p.read_bytes() == content for p, content in before.items())
    assert tmp_path / "all" / "brain (2).nii.gz" in second
    assert tmp_path / "all" / "brain" / "prediction.json" in second


def test_several_results_have_a_folder_each(
    make_napari_viewer: Callable[[], Viewer], tmp_path: Path, tiny_prediction: Prediction
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(brain(), name="brain", scale=(2, 1, 1), units=("mm",) * 3)
    show_result(viewer, tiny_prediction)
    other = {"checkpoint": "second", "checkpoint_sha256": "2", "date": "2030"}
    about = {**tiny_prediction.provenance, **other, "checkpoint_file": "second.safetensors"}
    show_result(viewer, replace(tiny_prediction, provenance=about))
    viewer.layers.save(str(tmp_path / "all"), plugin=PLUGIN)
    assert {p.parent.name for p in tmp_path.rglob("prediction.json")} == {
        "brain · tiny",
        "brain · second",
    }
    again = make_napari_viewer()
    again.open(tmp_path / "all", plugin=PLUGIN)
    assert [r.name for r in results(again)] == [r.name for r in results(viewer)]


def test_a_layer_that_is_no_volume_is_refused_before_anything_is_written(
    make_napari_viewer: Callable[[], Viewer], tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(NOISE, name="brain")
    viewer.add_shapes(np.zeros((4, 3)), name="box")
    with pytest.raises(FileError, match=r"'box' is a Shapes layer.*Save Selected"):
        viewer.layers.save(str(tmp_path / "all"), plugin=PLUGIN)
    assert not list(tmp_path.iterdir())


def test_what_is_said_to_be_labels_opens_as_labels_or_not_at_all(
    make_napari_viewer: Callable[[], Viewer], tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    place = Geometry.from_spacing(unit="mm")
    io.write(tmp_path / "a.nii.gz", NOISE.round(), place)
    layer = contributions.open_labels(viewer, tmp_path / "a.nii.gz")
    assert isinstance(layer, Labels)
    assert layer.source.path == str(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(layer.data, NOISE.round())
    io.write(tmp_path / "b.nii.gz", NOISE, place)
    with pytest.raises(ShapeError, match=r"b\.nii\.gz holds no labels"):
        contributions.open_labels(viewer, tmp_path / "b.nii.gz")
    assert list(viewer.layers) == [layer]
    assert kind_of(tmp_path / "b.nii.gz") == "image"  # nobody says so any more


def test_offline_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        msg = "no route"
        raise ConnectionError(msg)

    monkeypatch.delenv("ATTN_UNET_HIPPOCAMPUS", raising=False)
    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(FileError, match="no route"):
        contributions.sample_hippocampus()
