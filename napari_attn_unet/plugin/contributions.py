"""What the manifest names beside the widgets: reader, writers, sample data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet import io
from napari_attn_unet.errors import AttnUNetError, FileError, ShapeError
from napari_attn_unet.output import file_name, folder_for, not_there_yet
from napari_attn_unet.plugin.layers import (
    OUTPUT,
    LayerData,
    colormap,
    from_stored,
    to_prediction,
)
from napari_attn_unet.plugin.placement import geometry_of, time_step
from napari_attn_unet.plugin.results import results_among
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.volume import Volume

if TYPE_CHECKING:
    from napari.layers import Layer

FOR_CHECKPOINT = "attn-unet checkpoint"
"""Key in a sample's metadata of the bundled checkpoint that it is for."""
_PLUGIN = "napari-attn-unet"
_AS_LABELS: ContextVar[bool] = ContextVar("_AS_LABELS", default=False)
"""Whether somebody has said that the file which is being opened holds labels."""
_CASE = "hippocampus_011"
_KINDS = ("imagesTr", "labelsTr")
_ARCHIVE = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar"
_ARCHIVE_HASH = "md5:9d24dba78a72977dbd1d2e110310f31b"


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return the reader of NIfTI files and of folders of predictions, or None for anything else."""
    paths = [path] if isinstance(path, str) else path
    if all(io.is_volume_file(p) or _volumes_in(p) for p in paths):
        return _read
    return None


def _volumes_in(path: str | Path) -> list[Path]:
    """Return the volume files of a folder and of the predictions' folders in it; the last first."""
    folder = Path(path)
    if not folder.is_dir():
        return []
    inside = [p for p in folder.iterdir() if io.is_volume_file(p) and p.is_file()]
    inside += [
        p for sub in folder.iterdir() if (sub / io.ABOUT).is_file() for p in _volumes_in(sub)
    ]
    return sorted((p for p in inside if not p.name.startswith(".")), reverse=True)


def _read(path: str | list[str]) -> list[LayerData]:
    paths = [path] if isinstance(path, str) else path
    found: list[LayerData] = []
    for p in paths:
        inside = [layer for file in _volumes_in(p) for layer in _read_file(file)]
        inside.sort(key=lambda layer: (OUTPUT in layer[1]["metadata"], layer[2] == "labels"))
        found += inside or _read_file(p)
    return found


def _read_file(path: str | Path) -> list[LayerData]:
    said = _AS_LABELS.get()
    stored = io.read_map(path)
    if stored is not None and (stored.kind == "mask" or not said):
        return from_stored(stored)
    return [_labels_layer(io.read_label_volumes(path)) if said else _volume_layer(io.read(path))]


def open_labels(viewer: Any, path: str | Path) -> Layer:
    """Open a file that somebody says holds labels: as labels, or not at all.

    Raises
    ------
    FileError
        If the file cannot be read.
    ShapeError
        If its values are no labels.
    """
    said = _AS_LABELS.set(True)
    try:
        (layer,) = viewer.open(str(path), plugin=_PLUGIN)
    finally:
        _AS_LABELS.reset(said)
    found: Layer = layer
    return found


def _volume_layer(volumes: list[Volume], **options: Any) -> LayerData:
    """Return a file's time points as a layer: labels if it says so, or else looks like it."""
    if io.says_labels(volumes[0]) or io.looks_like_labels(_stacked(volumes)):
        name = volumes[0].name
        with suppress(ShapeError):  # whatever its header says, it is an image
            whole = [replace(v, data=io.whole_numbers(np.asarray(v.data), name)) for v in volumes]
            return _labels_layer(whole, **options)
    return _stacked(volumes), {**_about(volumes), "rgb": False, **options}, "image"


def _labels_layer(volumes: list[Volume], **options: Any) -> LayerData:
    return _stacked(volumes), {**_about(volumes), **options}, "labels"


def _stacked(volumes: list[Volume]) -> npt.NDArray[Any]:
    """Return (Z, Y, X), or (T, Z, Y, X) of several time points."""
    data = [np.asarray(volume.data[0]) for volume in volumes]
    return data[0] if len(data) == 1 else np.stack(data)


def _about(volumes: list[Volume]) -> dict[str, Any]:
    """Return what a layer of volumes is called, and where it lies."""
    first = volumes[0]
    lead = int(len(volumes) > 1)
    return {
        "name": first.name,
        "scale": (*(1.0,) * lead, *first.geometry.spacing),
        "translate": (*(0.0,) * lead, *first.geometry.origin),
        "units": (*("pixel",) * lead, *(first.geometry.unit,) * 3),
        "axis_labels": (*("t",) * lead, "z", "y", "x"),
        "metadata": dict(first.metadata),
    }


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Labels layer as NIfTI, on the grid of the file that it came from."""
    return [_write(_with_ending(path), _layer(data, attributes, "labels"))]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an Image layer as NIfTI, on the grid of the file that it came from."""
    return [_write(_with_ending(path), _layer(data, attributes, "image"))]


def write_layers(path: str, layers: list[LayerData]) -> list[str]:
    """Write layers into a folder: results as `io.write_prediction`, each other one by its name.

    One result lies in the folder itself, so that the folder opens as what it was; of several, and
    where the folder holds another's already, each has a folder of its own. Nothing that is there
    is overwritten.

    Raises
    ------
    FileError
        If a layer cannot be written; then none is.
    """
    folder = Path(path).with_name(io.stem(path))
    created = [_layer(*layer) for layer in layers]  # or refused, before anything is written
    found = [result for result in results_among(created) if result.mask is not None]
    written: list[str] = []
    for result in found:
        case = str(result.provenance.get("image"))
        into = folder if len(found) == 1 else not_there_yet(folder / file_name(result.name))
        into = folder_for(into, case, io.FILES)
        prediction = to_prediction(result)
        written += map(str, io.write_prediction(prediction, into))
        parts = [result.mask, *result.gates.values()]
        if prediction.probabilities is not None:
            parts += result.probabilities.values()
        created = [layer for layer in created if layer not in parts]
    for layer in created:
        name = file_name(layer.name)
        if io.is_map_name(name):  # beside a prediction.json it would be taken for that one's
            name += " layer"
        written.append(_write(not_there_yet(folder / f"{name}.nii.gz"), layer))
    return written


def _with_ending(path: str) -> Path:
    """Return a name with an ending of ours; one that has none gets it.

    Raises
    ------
    FileError
        If a file of the name with its ending is there, about which nobody was asked.
    """
    if io.is_volume_file(path):
        return Path(path)
    named = Path(f"{path}.nii.gz")
    if named.exists():
        msg = f"{named} is there already. Give the name with its ending to replace it, or another."
        raise FileError(msg)
    return named


def _layer(data: Any, attributes: Mapping[str, Any], kind: str) -> Layer:
    """Return what a writer is given as the layer that it was.

    Raises
    ------
    FileError
        If NIfTI has no place for it.
    """
    from napari.layers import Layer  # noqa: PLC0415  (known once something is to be written)

    name = str(attributes.get("name"))
    if kind not in ("image", "labels"):
        msg = (
            f"{name!r} is a {kind.capitalize()} layer, but NIfTI holds volumes: select the images "
            "and labels, and use File → Save Selected Layers."
        )
        raise FileError(msg)
    if attributes.get("rgb"):
        msg = (
            f"{name!r} is a colour image (RGB), but NIfTI files are written from one number per "
            "voxel: right-click the layer, 'Split RGB', and save its channels."
        )
        raise FileError(msg)
    full = data[0] if attributes.get("multiscale") else data
    io.check(f"{name}.nii.gz", np.shape(full), full.dtype)
    plain = {"rgb": False} if kind == "image" else {}
    about = {key: value for key, value in attributes.items() if key != "data"}
    return Layer.create(full, {**plain, **about, "multiscale": False}, kind)


def _write(path: Path, layer: Layer) -> str:
    from napari.layers import Labels  # noqa: PLC0415

    is_labels = isinstance(layer, Labels)
    try:
        array = np.asarray(layer.data)
        metadata = {**layer.metadata, io.TIME_STEP: time_step(layer)}
        io.write(path, array, geometry_of(layer), metadata, labels=is_labels)
    except FileError:
        raise
    except AttnUNetError as error:  # napari takes a ValueError for "no writer"
        raise FileError(str(error)) from error
    return str(path)


def sample_phantom() -> list[LayerData]:
    """Return a synthetic volume and its truth."""
    from napari_attn_unet import phantom  # noqa: PLC0415  (scipy: 0.3 s that the reader need not pay)

    volume, truth = phantom.make()
    image = _for("phantom", _volume_layer([volume]))
    about = {
        **{k: v for k, v in image[1].items() if k != "rgb"},
        "name": "truth · Phantom",
        "colormap": colormap([*map(ClassInfo.numbered, range(3), phantom.CLASSES)]),
        "visible": False,
    }
    return [image, (truth, about, "labels")]


def sample_mni152() -> list[LayerData]:
    """Return the hippocampal region of the ICBM 152 template."""
    folder = Path(str(resources.files("napari_attn_unet") / "samples"))
    volumes = io.read(folder / "hippocampus_mni152.nii.gz")
    image = _volume_layer(volumes, name="Hippocampus MRI", colormap="gray")
    return [_for("hippocampus", image)]


def sample_hippocampus() -> list[LayerData]:
    """Return a case of the Medical Segmentation Decathlon's Task04 and its truth.

    Taken from the folder that ATTN_UNET_HIPPOCAMPUS names, if set; else downloaded once (27 MB).

    Raises
    ------
    FileError
        If it cannot be downloaded.
    """
    folder = os.environ.get("ATTN_UNET_HIPPOCAMPUS") or _download()
    images, labels = (Path(folder) / kind / f"{_CASE}.nii.gz" for kind in _KINDS)
    classes = ("background", "anterior", "posterior")
    colours = [*map(ClassInfo.numbered, range(3), classes)]
    truth = _labels_layer(
        io.read_label_volumes(labels),
        name=f"truth · {_CASE}",
        visible=False,
        colormap=colormap(colours),
    )
    return [_for("hippocampus", _volume_layer(io.read(images))), truth]


def _for(checkpoint: str, layer: LayerData) -> LayerData:
    """Return a sample that names the checkpoint it is for."""
    data, about, kind = layer
    return data, {**about, "metadata": {**about["metadata"], FOR_CHECKPOINT: checkpoint}}, kind


def _download() -> Path:
    import pooch  # noqa: PLC0415  (used for this sample alone)

    members = [f"Task04_Hippocampus/{kind}/{_CASE}.nii.gz" for kind in _KINDS]
    try:
        paths = pooch.retrieve(
            _ARCHIVE,
            _ARCHIVE_HASH,
            path=pooch.os_cache("napari-attn-unet"),
            processor=pooch.Untar(members=members),
        )
    except (OSError, ValueError) as error:
        msg = (
            f"The sample could not be downloaded ({error}). Check the connection and try again, "
            "set ATTN_UNET_HIPPOCAMPUS to a folder with the Decathlon's Task04, or open the "
            "sample 'Hippocampus MRI (MNI152)', which needs no download."
        )
        raise FileError(msg) from error
    return Path(paths[0]).parents[1]
