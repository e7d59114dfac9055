"""What the manifest names: reader, writers, sample data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pooch
import pytest
from napari import Viewer
from napari.layers import Image, Labels

from napari_attn_unet import io, phantom
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.errors import FileError
from napari_attn_unet.plugin import contributions
from napari_attn_unet.plugin.results import results
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


def test_label_files_open_as_labels(tmp_path: Path) -> None:
    io.write(tmp_path / "case_seg.nii.gz", *_labels())
    ((_, _, kind),) = contributions._read(str(tmp_path / "case_seg.nii.gz"))
    assert kind == "labels"


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


def test_offline_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        msg = "no route"
        raise ConnectionError(msg)

    monkeypatch.delenv("ATTN_UNET_HIPPOCAMPUS", raising=False)
    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(FileError, match="no route"):
        contributions.sample_hippocampus()
