"""What the manifest names beside the widgets: reader, writers, sample data."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from napari_attn_unet import io
from napari_attn_unet.errors import FileError
from napari_attn_unet.plugin.layers import LayerData, colormap, from_stored
from napari_attn_unet.plugin.placement import geometry_of
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.volume import Volume

_CASE = "hippocampus_011"
_KINDS = ("imagesTr", "labelsTr")
_ARCHIVE = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar"
_ARCHIVE_HASH = "md5:9d24dba78a72977dbd1d2e110310f31b"


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return the reader of NIfTI files, or None for anything else."""
    paths = [path] if isinstance(path, str) else path
    if all(map(io.is_volume_file, paths)):
        return _read
    return None


def _read(path: str | list[str]) -> list[LayerData]:
    paths = [path] if isinstance(path, str) else path
    found: list[LayerData] = []
    for p in paths:
        stored = io.read_map(p)
        found += [_volume_layer(io.read(p))] if stored is None else from_stored(stored)
    return found


def _volume_layer(volumes: list[Volume], **options: Any) -> LayerData:
    """Return volumes (the time points of a file) as one layer, labels where they look like it."""
    first = volumes[0]
    series = len(volumes) > 1
    data = np.stack([v.data[0] for v in volumes]) if series else np.asarray(first.data[0])
    labels = io.looks_like_labels(data, first.name)
    lead = (1.0,) if series else ()
    about: dict[str, Any] = {
        "name": first.name,
        "scale": (*lead, *first.geometry.spacing),
        "translate": (*(0.0 for _ in lead), *first.geometry.origin),
        "units": (*("pixel" for _ in lead), *(first.geometry.unit,) * 3),
        "axis_labels": (*("t" for _ in lead), "z", "y", "x"),
        "metadata": dict(first.metadata),
    }
    if labels:
        data = data.astype(np.uint8 if data.dtype == np.bool_ else data.dtype)
    else:
        about["rgb"] = False
    return data, about | options, "labels" if labels else "image"


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Labels layer as NIfTI, on the grid of the file that it came from."""
    return _write(path, data, attributes)


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an Image layer as NIfTI, on the grid of the file that it came from."""
    return _write(path, data, attributes)


def _write(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    from napari.layers import Layer  # noqa: PLC0415  (known once something is to be written)

    array = np.asarray(data[0] if isinstance(data, list | tuple) else data)
    if array.ndim not in (3, 4):
        msg = f"NIfTI files are written from volumes of 3 or 4 axes, but this has {array.ndim}."
        raise FileError(msg)
    options = {
        key: attributes[key]
        for key in ("scale", "translate", "rotate", "shear", "affine", "units", "metadata")
        if key in attributes
    }
    layer = Layer.create(array, options | {"rgb": False}, "image")
    io.write(path, array, geometry_of(layer), layer.metadata)
    return [path]


def sample_phantom() -> list[LayerData]:
    """Return a synthetic volume and its truth."""
    from napari_attn_unet import phantom  # noqa: PLC0415  (scipy: 0.3 s that the reader need not pay)

    volume, truth = phantom.make()
    image = _volume_layer([volume])
    about = {
        **{k: v for k, v in image[1].items() if k != "rgb"},
        "name": "Phantom · truth",
        "colormap": colormap([*map(ClassInfo.numbered, range(3), phantom.CLASSES)]),
        "visible": False,
    }
    return [image, (truth, about, "labels")]


def sample_mni152() -> list[LayerData]:
    """Return the hippocampal region of the ICBM 152 template."""
    folder = Path(str(resources.files("napari_attn_unet") / "samples"))
    volumes = io.read(folder / "hippocampus_mni152.nii.gz")
    return [_volume_layer(volumes, name="Hippocampus MRI", colormap="gray")]


def sample_hippocampus() -> list[LayerData]:
    """Return a case of the Medical Segmentation Decathlon's Task04 and its truth.

    Taken from the folder that ATTN_UNET_HIPPOCAMPUS names, if set; else downloaded once (27 MB).

    Raises
    ------
    FileError
        If it cannot be downloaded.
    """
    folder = os.environ.get("ATTN_UNET_HIPPOCAMPUS") or _download()
    image, label = (io.read(Path(folder) / kind / f"{_CASE}.nii.gz") for kind in _KINDS)
    classes = ("background", "anterior", "posterior")
    colours = [*map(ClassInfo.numbered, range(3), classes)]
    data, about, kind = _volume_layer(label, name=f"{_CASE} · truth", visible=False)
    return [_volume_layer(image), (data, about | {"colormap": colormap(colours)}, kind)]


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
