"""NIfTI-1 files (Cox et al. 2004): geometry exact in both directions.

On reading, axes are flipped and permuted (losslessly) onto the nearest world axes and transposed
to (Z, Y, X). The header, the exact affine and that change are kept in `metadata["nifti"]`. On
writing, all of it is inverted, so that an output lies on the very grid of its input file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import FileError
from napari_attn_unet.output import replacing
from napari_attn_unet.volume import (
    MILLIMETRES,
    FloatArray,
    Geometry,
    Orientation,
    Volume,
    is_invertible,
    unit_symbol,
)

SUFFIXES = (".nii", ".nii.gz")
_SPATIAL_AXES = 3
_SERIES_AXES = 4
_LONGEST = 32767
"""Voxels along an axis: the header counts them with 16 bits."""
_LABEL_INTENT = 1002
_FORMS = ("sform", "qform")
"""The two ways in which a header says where voxels lie; the first is asked first."""
_UNITS = {"pixel": 0, "m": 1, "mm": 2, "um": 3}
"""NIfTI's codes of units of space, in the lower three bits of `xyzt_units`."""
_SECONDS = 8
"""NIfTI's code of seconds, in the bits above."""
_ROUNDING = 1e-6
"""Of a voxel: what is moved by less lies where it was."""
TIME_STEP = "time_step_s"
"""Key of the seconds between two volumes of a series, in the metadata of one from no file."""
_REVERSED = np.eye(4)[[2, 1, 0, 3]]  # (x, y, z, 1) <-> (z, y, x, 1)


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


def stem(path: Path) -> str:
    """Return a file's name without its ending: "a/b.nii.gz" -> "b"."""
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def read(path: Path, channels: int) -> list[Volume]:
    """Read a file as one volume per time point; see `volumes.read`."""
    import nibabel  # noqa: PLC0415  (0.2 s to import)

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
    affine = _affine(image.header, path)
    unit = _unit(image.header)
    on_file = Geometry(_REVERSED @ affine @ _REVERSED, unit or "mm", unit_is_said=bool(unit))
    orientation = Orientation.to_canonical(on_file.affine)
    geometry = on_file.oriented(orientation, array.shape[1:])
    array = orientation.apply(array)
    header = nibabel.Nifti1Header.from_header(image.header, check=False)
    source = NiftiSource(header.binaryblock, affine, orientation, geometry)
    points = [array] if 1 < channels == len(array) else list(array[:, np.newaxis])
    return [Volume(point, geometry, stem(path), {"nifti": source}) for point in points]


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
    """Return the unit that a header says; "" where it says none, or none of length.

    The standard leaves "unknown" open; every program reads it as mm.
    """
    try:
        name = header.get_xyzt_units()[0]
    except KeyError:
        name = "unknown"
    return "" if name == "unknown" else unit_symbol(name)


def _forms(header: Any) -> dict[str, FloatArray | None]:
    """Return the forms of a header's affine that have a code; None for one of no use."""
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    forms: dict[str, FloatArray | None] = {}
    for name in _FORMS:
        if int(header[f"{name}_code"]) == 0:
            continue
        try:
            affine = np.asarray(getattr(header, f"get_{name}")(), np.float64)
        except (nibabel.spatialimages.HeaderDataError, ValueError):
            affine = np.full((4, 4), np.nan)  # a quaternion that is none
        forms[name] = affine if is_invertible(affine) else None
    return forms


def _affine(header: Any, path: Path) -> FloatArray:
    """Return where a file's voxels lie, (x, y, z, 1) to RAS+: by its sform, or else its qform.

    Raises
    ------
    FileError
        If it has forms and none is of use, or none and no size of voxels.
    """
    forms = _forms(header)
    for affine in forms.values():
        if affine is not None:
            return affine
    if forms:
        named = " and its ".join(f"{name} (code {int(header[f'{name}_code'])})" for name in forms)
        others = " and ".join(f"no {name} (code 0)" for name in _FORMS if name not in forms)
        msg = (
            f"{path.name} does not say where its voxels lie: its {named} "
            f"{'have' if len(forms) > 1 else 'has'} an axis without length or direction"
            f"{f', and it has {others}' if others else ''}. Export it again, or set a usable "
            "sform or qform first."
        )
        raise FileError(msg)
    affine = np.asarray(header.get_base_affine(), np.float64)
    if not is_invertible(affine):
        sizes = " × ".join(f"{size:g}" for size in header["pixdim"][1:4])
        msg = (
            f"{path.name} does not say how large its voxels are: it has no sform and no qform "
            f"(both codes 0), and its pixdim is {sizes}. Export it again, or set the voxel size "
            "first."
        )
        raise FileError(msg)
    return affine


def says_labels(metadata: Mapping[str, Any]) -> bool:
    """Whether a file's header says that it holds labels."""
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    source = metadata.get("nifti")
    if not isinstance(source, NiftiSource):
        return False
    return int(nibabel.Nifti1Header(source.header, check=False)["intent_code"]) == _LABEL_INTENT


def write(
    path: Path,
    array: npt.NDArray[Any],
    geometry: Geometry,
    metadata: Mapping[str, Any],
    *,
    labels: bool = False,
) -> None:
    """Write a mask or map; see `volumes.write`.

    With the "nifti" entry of the metadata, axes go back to the file's order and its header is
    used again.
    """
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    array = _writable(array, path)
    source = metadata.get("nifti")
    if not isinstance(source, NiftiSource):
        source = None
    on_file = geometry
    if source is not None:
        back = source.orientation.inverse
        on_file = geometry.oriented(back, array.shape[-_SPATIAL_AXES:])
        array = back.apply(array)
    affine = _REVERSED @ on_file.affine @ _REVERSED
    unit = geometry.unit
    if unit not in _UNITS:  # NIfTI has no other
        near = "um" if MILLIMETRES[unit] < MILLIMETRES["um"] else "mm"
        affine = np.diag([*[MILLIMETRES[unit] / MILLIMETRES[near]] * 3, 1.0]) @ affine
        unit = near
    header = None if source is None else nibabel.Nifti1Header(source.header, check=False)
    image = nibabel.Nifti1Image(array.T, affine, header, dtype=array.dtype)
    made = image.header
    made.set_slope_inter(1, 0)
    made["cal_min"] = made["cal_max"] = 0
    if labels:
        made.set_intent(_LABEL_INTENT)
    elif int(made["intent_code"]) == _LABEL_INTENT:
        made.set_intent("none")
    if source is None or unit != source.geometry.unit:
        made["xyzt_units"] = int(made["xyzt_units"]) & ~7 | _UNITS[unit]
    seconds = metadata.get(TIME_STEP)
    if source is None and seconds and array.ndim == _SERIES_AXES:
        made["pixdim"][4] = seconds
        made["xyzt_units"] = int(made["xyzt_units"]) & 7 | _SECONDS
    _place(image, affine, source)
    with replacing(path) as temporary:
        nibabel.save(image, temporary)


def _place(image: Any, affine: FloatArray, source: NiftiSource | None) -> None:
    """Say where an image lies, as its source's header does: in the same forms, with their codes.

    Both forms of a header may differ, and readers choose differently between them: each is moved
    by the same change of the grid, so that every reader sees the output on its source.
    """
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    header, change = None, np.eye(4)
    if source is not None:
        header = nibabel.Nifti1Header(source.header, check=False)
        change = np.linalg.inv(source.affine) @ affine
        if np.allclose(change, np.eye(4), rtol=0, atol=_ROUNDING):
            change, affine = np.eye(4), source.affine
    moved = bool((change != np.eye(4)).any())
    forms = {} if header is None else _forms(header)
    codes = dict.fromkeys(_FORMS, 1)
    if header is not None and (forms or not moved):  # uncoded, a form that is written is not asked
        codes = {name: int(header[f"{name}_code"]) for name in _FORMS}
    places = {
        name: affine if (form := forms.get(name)) is None else form @ change for name in _FORMS
    }
    image.set_sform(places["sform"], codes["sform"])
    # A quaternion cannot hold shear; ITK refuses slightly sheared files where it is missing.
    image.set_qform(places["qform"], codes["qform"], strip_shears=True)
    if header is not None and moved:
        for key in ("slice_start", "slice_end", "slice_code", "slice_duration"):
            image.header[key] = 0  # they count slices of another grid
    elif header is not None:
        for name in _FORMS:
            if codes[name] == 0 or forms[name] is not None:
                _copy_form(header, image.header, name)


def _copy_form(source: Any, target: Any, name: str) -> None:
    """Copy a form from header to header, to the bit; the qform comes with the voxels' sizes."""
    if name == "sform":
        fields = ["srow_x", "srow_y", "srow_z"]
    else:
        fields = [*(f"quatern_{c}" for c in "bcd"), *(f"qoffset_{c}" for c in "xyz")]
        sizes = source["pixdim"][:4]
        if np.isfinite(sizes).all() and (sizes[1:] > 0).all():
            target["pixdim"][:4] = sizes
    for field in fields:
        target[field] = source[field]


def check(name: str, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
    """Refuse what NIfTI has no place for; see `volumes.check`."""
    size, kind = tuple(int(n) for n in shape), np.dtype(dtype)
    if len(size) not in (_SPATIAL_AXES, _SERIES_AXES):
        msg = (
            f"{name}: NIfTI files are written from volumes of 3 axes, or 4 with time, but this has "
            f"{len(size)}: {size}."
        )
        raise FileError(msg)
    if max(size) > _LONGEST:
        msg = f"{name}: NIfTI's axes have at most {_LONGEST:,} voxels, but this has {size}."
        raise FileError(msg)
    if kind.kind not in "buif" or kind.itemsize > 8:  # noqa: PLR2004  (bytes)
        msg = (
            f"{name}: NIfTI files are written from whole or real numbers, but this holds {kind}. "
            "Of complex numbers, save magnitude and phase as images of their own."
        )
        raise FileError(msg)


def _writable(array: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Return an array in a type of NIfTI's that holds every value of its own."""
    check(path.name, array.shape, array.dtype)
    kinds: dict[str, type] = {"bool": np.uint8, "float16": np.float32}
    return array.astype(kinds.get(array.dtype.name, array.dtype), copy=False)
