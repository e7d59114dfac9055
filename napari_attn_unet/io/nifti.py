"""Volumes, masks and maps from and to NIfTI-1 files, geometry exact in both directions.

On reading, axes are flipped and permuted (losslessly) onto the nearest world axes and transposed
to (Z, Y, X). The header, the exact affine and that change are kept in `metadata["nifti"]`. On
writing, all of it is inverted, so that an output lies on the very grid of its input file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import FileError, ShapeError
from napari_attn_unet.volume import (
    MILLIMETRES,
    FloatArray,
    Geometry,
    Orientation,
    Volume,
    unit_symbol,
)

if TYPE_CHECKING:
    from napari_attn_unet.prediction import Prediction

SUFFIXES = (".nii", ".nii.gz")
ABOUT = "prediction.json"
_SPATIAL_AXES = 3
_SERIES_AXES = 4
_REVERSED = np.eye(4)[[2, 1, 0, 3]]  # (x, y, z, 1) <-> (z, y, x, 1)
_LABEL_NAME = re.compile(r"label|seg|mask|truth|(^|[_.-])gt([_.-]|$)|annot|parc", re.IGNORECASE)
_FEW_VALUES = 32


@dataclass(frozen=True, slots=True, eq=False)
class NiftiSource:
    """What a NIfTI file knew and a (Z, Y, X) array cannot hold.

    Attributes
    ----------
    header
        The file's header, 348 bytes.
    affine
        The file's exact affine, (x, y, z, 1) in file order to RAS+ mm.
    orientation
        Change of axes from the file (transposed to z, y, x) to the array.
    geometry
        Geometry of the array.
    """

    header: bytes
    affine: FloatArray
    orientation: Orientation
    geometry: Geometry


def stem(path: str | Path) -> str:
    """Return a volume file's name without its ending: "a/b.nii.gz" -> "b"."""
    return re.sub(r"\.nii(\.gz)?$", "", Path(path).name, flags=re.IGNORECASE)


def read(path: str | Path, channels: int = 1) -> list[Volume]:
    """Read a NIfTI file as one volume per time point.

    Parameters
    ----------
    path
        A `.nii` or `.nii.gz` file of 3 or 4 axes.
    channels
        Channels that the network takes: a fourth axis of that size, if more than 1, is read as
        channels; any other fourth axis is time.

    Raises
    ------
    FileError
        If the file is missing, damaged, of another format, or holds colours or more axes.
    """
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    path = Path(path)
    _require_readable(path)
    try:
        image: Any = nibabel.load(path)
        array = np.asanyarray(image.dataobj)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        msg = (
            f"{path.name} cannot be read as NIfTI: {error}. The file is damaged, incomplete or "
            "something else by a wrong name (a compressed file must end in .nii.gz, another in "
            ".nii); copy or export it again."
        )
        raise FileError(msg) from error
    except Exception as error:
        # zlib.error and others: whatever a damaged stream provokes is still a file problem.
        msg = f"{path.name} cannot be read as NIfTI ({type(error).__name__}: {error})."
        raise FileError(msg) from error

    array = _squeezed(array, path)
    array = array.astype(array.dtype.newbyteorder("="), copy=False).T
    if array.ndim == _SPATIAL_AXES:
        array = array[np.newaxis]
    affine = np.asarray(image.affine, dtype=np.float64)
    on_file = Geometry(_REVERSED @ affine @ _REVERSED, _unit(image.header))
    orientation = Orientation.to_canonical(on_file.affine)
    geometry = on_file.oriented(orientation, array.shape[1:])
    array = orientation.apply(array)
    header = nibabel.Nifti1Header.from_header(image.header, check=False)
    source = NiftiSource(header.binaryblock, affine, orientation, geometry)
    points = [array] if 1 < channels == len(array) else list(array[:, np.newaxis])
    return [Volume(point, geometry, stem(path), {"nifti": source}) for point in points]


def _require_readable(path: Path) -> None:
    if path.is_dir():
        msg = f"{path} is a folder. Give the volume files in it."
        raise FileError(msg)
    if not path.is_file():
        msg = f"There is no file at {path}. Check the path."
        raise FileError(msg)
    if not path.name.lower().endswith(SUFFIXES):
        msg = (
            f"{path.name} is not a NIfTI file. This version reads {' and '.join(SUFFIXES)}; "
            "convert it first (dcm2niix for DICOM; 3D Slicer for NRRD and MetaImage)."
        )
        raise FileError(msg)


def _squeezed(array: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    if array.dtype.kind not in "buif":
        msg = (
            f"{path.name} holds {array.dtype}, such as colours or complex numbers; "
            "a volume needs one real number per voxel."
        )
        raise FileError(msg)
    while array.ndim > _SPATIAL_AXES and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim < _SPATIAL_AXES:
        msg = f"{path.name} is a 2D image {array.shape}. A volume, a stack of slices, is needed."
        raise FileError(msg)
    if array.ndim > _SERIES_AXES:
        msg = (
            f"{path.name} has {array.ndim} axes {array.shape}; a volume has 3 (x, y, z) "
            "and may have a fourth, time or channels. Split the file first."
        )
        raise FileError(msg)
    return array


def _unit(header: Any) -> str:
    try:
        name = header.get_xyzt_units()[0]
    except (KeyError, AttributeError):
        name = "unknown"
    # The standard leaves "unknown" open; every program reads it as mm.
    return "mm" if name == "unknown" else unit_symbol(name)


def write(
    path: str | Path,
    array: npt.NDArray[Any],
    geometry: Geometry,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a mask or map as NIfTI.

    Parameters
    ----------
    path
        Where to; ends in `.nii` or `.nii.gz`.
    array
        (Z, Y, X), or (T, Z, Y, X) for a series or for channels.
    geometry
        Where the array lies.
    metadata
        Metadata of the volume it was made from: with its "nifti" entry, axes go back to the
        file's order and the file's header is reused.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    path = Path(path)
    if not path.name.lower().endswith(SUFFIXES):
        msg = f"Volumes are written as {' or '.join(SUFFIXES)}, but the name is {path.name!r}."
        raise FileError(msg)
    array = _writable(array)
    source = (metadata or {}).get("nifti")
    header = None
    affine: FloatArray
    same_grid = False
    if isinstance(source, NiftiSource):
        header = nibabel.Nifti1Header(source.header, check=False)
        back = source.orientation.inverse
        on_file = geometry.oriented(back, array.shape[-3:])
        array = back.apply(array)
        affine = _REVERSED @ on_file.affine @ _REVERSED
        same_grid = np.allclose(affine, source.affine, rtol=0, atol=1e-6 * max(geometry.spacing))
        if same_grid:
            affine = source.affine
    else:
        affine = _REVERSED @ geometry.affine @ _REVERSED
    unit = {"mm": "mm", "um": "micron", "m": "meter", "pixel": "unknown"}.get(geometry.unit)
    if unit is None:  # NIfTI knows no other units
        affine = np.diag([*[MILLIMETRES[geometry.unit]] * 3, 1.0]) @ affine
        unit = "mm"
    image = nibabel.Nifti1Image(array.T, affine, header, dtype=array.dtype)
    image.header.set_slope_inter(1, 0)
    image.header["cal_min"] = image.header["cal_max"] = 0
    if not same_grid:
        image.header.set_xyzt_units(unit)
    codes = [int(image.header[key]) for key in ("sform_code", "qform_code")]
    if not same_grid and not any(codes):
        codes = [1, 1]  # no code would make readers ignore the affine
    image.set_sform(affine, codes[0] or None)
    # A quaternion cannot hold shear; without this, ITK refuses slightly sheared files.
    image.set_qform(affine, codes[1], strip_shears=True)
    if not codes[0]:
        image.header["sform_code"] = 0
    _save(image, path)


def _writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array of a type that NIfTI readers take; 64-bit integers are not among them."""
    kinds: dict[str, type] = {"bool": np.uint8, "int64": np.int32, "uint64": np.int32}
    kinds["float16"] = np.float32
    return array.astype(kinds.get(array.dtype.name, array.dtype), copy=False)


def _save(image: Any, path: Path) -> None:
    """Write a file so that an interrupted write leaves no half of it."""
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    temporary = path.with_name(f".part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(image, temporary)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        msg = f"{path} cannot be written: {error}. Choose another folder or free some space."
        raise FileError(msg) from error


def make_folder(path: str | Path) -> Path:
    """Make a folder if need be, before the work that is to be written there.

    Raises
    ------
    FileError
        If there cannot be one.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{path} cannot be an output folder: {error}. Choose another."
        raise FileError(msg) from error
    return path


def write_prediction(
    prediction: Prediction, folder: str | Path, *, gates: bool = True
) -> list[Path]:
    """Write mask, gates and probabilities (those that exist) into a folder as NIfTI.

    `mask.nii.gz`, `gate1.nii.gz` (finest) …, `probabilities.nii.gz` (one volume per class along
    the fourth axis); and `prediction.json`, which says what they are, for whoever opens them
    later. Returns the paths written.
    """
    folder = Path(folder)
    outputs: dict[str, tuple[npt.NDArray[Any], Geometry]] = {
        "mask": (prediction.mask, prediction.geometry)
    }
    if gates:
        outputs |= {f"gate{g.level}": (g.coefficients, g.geometry) for g in prediction.gates}
    if prediction.probabilities is not None:
        maps = prediction.probabilities
        maps = maps.reshape(-1, *maps.shape[-3:])
        outputs["probabilities"] = (maps, prediction.geometry)
    written = []
    for name, (array, geometry) in outputs.items():
        written.append(folder / f"{name}.nii.gz")
        write(written[-1], array, geometry, prediction.metadata)
    about = {
        "provenance": dict(prediction.provenance),
        "classes": [[name, list(colour)] for name, colour in prediction.classes],
        "affine": prediction.geometry.affine.tolist(),
        "unit": prediction.geometry.unit,
    }
    written.append(folder / ABOUT)
    try:
        written[-1].write_text(json.dumps(about, indent=1), encoding="utf-8")
    except OSError as error:
        msg = f"{written[-1]} cannot be written: {error}. Choose another folder."
        raise FileError(msg) from error
    return written


def read_about(path: str | Path) -> dict[str, Any] | None:
    """Return what `prediction.json` beside an output's file says; None if there is none."""
    beside = Path(path).parent / ABOUT
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and {"provenance", "classes"} <= set(about) else None


def read_labels(path: str | Path) -> tuple[npt.NDArray[np.int32], Geometry]:
    """Read a volume of labels, and where it lies.

    Raises
    ------
    FileError
        If the file cannot be read.
    ShapeError
        If it holds more than one volume, or values that are no labels.
    """
    (volume, *more) = read(path)
    values = np.asarray(volume.data[0])
    labels = np.rint(values)
    if more or not np.array_equal(labels, values) or labels.min() < 0:
        msg = f"{Path(path).name} holds no labels: whole numbers from 0 are needed, in one volume."
        raise ShapeError(msg)
    labels = labels.astype(np.int32)
    near = "/".join(Path(path).resolve().parts[-2:])  # labelsTr/case.nii.gz tells it, too
    if not looks_like_labels(labels, near):
        msg = (
            f"{Path(path).name} looks like an image: it has {len(np.unique(labels))} different "
            "values. If they are labels, say so in the name of the file or its folder (label, seg, "
            "mask)."
        )
        raise ShapeError(msg)
    return labels, volume.geometry


def looks_like_labels(array: npt.NDArray[Any], name: str) -> bool:
    """Whether an integer array is a label map, by its name or its few values."""
    if array.dtype.kind not in "bui" or (array.dtype.kind == "i" and array.min() < 0):
        return False
    return bool(_LABEL_NAME.search(name)) or len(np.unique(array)) <= _FEW_VALUES
