"""What a NIfTI header says of place, time and units: read with care, written as it was.

A header places an image twice, by its sform and by its qform, and programs differ in which they
believe: nibabel takes the sform, ITK often the qform. So an output has both, each moved by the
same change of voxels (a crop, a coarser grid); on the image's own grid they are untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_attn_unet.errors import FileError, VolumeError
from napari_attn_unet.volume import MILLIMETRES, FloatArray, Geometry

_SPACE = 0b111  # bits of xyzt_units; the rest is time's
_SECONDS = 8
_SCANNER, _ALIGNED = 1, 2  # codes of a form
_UNITS = {1: "m", 2: "mm", 3: "um"}
_CODES = {unit: code for code, unit in _UNITS.items()}
_KEYS = ("sform", "qform")
_TIME = ("pixdim", "xyzt_units", "toffset")
_SLICES = ("slice_start", "slice_end", "slice_code", "slice_duration")
_FORMS = (
    *("sform_code", "srow_x", "srow_y", "srow_z"),
    *("qform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z"),
)
_FILE_S_OWN = {"sizeof_hdr", "magic", "vox_offset", "dim", "eol_check", "unused_str", "regular"}
"""Fields of a file's format and size rather than of the image."""


def as_nifti1(header: Any) -> Any:
    """Return a NIfTI-1 header with all that a header of either version and byte order says."""
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    result = nibabel.Nifti1Header()
    fields: Any = header.structarr
    for key in set(fields.dtype.names) & set(result.structarr.dtype.names) - _FILE_S_OWN:
        result[key] = fields[key]
    size = [int(n) for n in fields["dim"][1 : 1 + int(fields["dim"][0])]]
    if max(size) <= np.iinfo(np.int16).max:
        result["dim"] = fields["dim"]
    return result


def affine_of(header: Any, name: str) -> FloatArray:
    """Return the affine of a header: the sform's, else the qform's, else of its voxel sizes.

    A form whose code is 0 is not meant; one without volume or with a number that is none is
    passed over for the other.

    Parameters
    ----------
    header
        Of a NIfTI file.
    name
        Of the file, for messages.

    Raises
    ------
    FileError
        If no form that is meant can be used, or an axis has no length.
    """
    codes = dict(zip(_KEYS, _codes(header), strict=True))
    for key, code in codes.items():
        affine = form(header, key) if code > 0 else None
        if affine is not None:
            return affine
    meant = [f"{key} (code {code})" for key, code in codes.items() if code > 0]
    if not meant:
        affine = np.asarray(header.get_base_affine(), dtype=np.float64)
        if _is_usable(affine):
            return affine
        meant = ["list of voxel sizes (pixdim)"]
    msg = (
        f"{name} does not say where its voxels lie: its {' and its '.join(meant)} "
        f"{'have' if len(meant) > 1 else 'has'} no volume or numbers that are none. Write the "
        "header anew from the scan that it came from (for example with fslcpgeom)."
    )
    raise FileError(msg)


def form(header: Any, key: str) -> FloatArray | None:
    """Return a header's "sform" or "qform", whatever its code; None if it cannot be used."""
    try:
        affine = header.get_sform() if key == "sform" else header.get_qform()
    except ValueError:  # a quaternion that is no rotation
        return None
    affine = np.asarray(affine, dtype=np.float64)
    return affine if _is_usable(affine) else None


def _is_usable(affine: FloatArray) -> bool:
    try:
        Geometry(affine)
    except VolumeError:
        return False
    return True


def unit_of(header: Any) -> tuple[str, bool]:
    """Return a header's unit of length, and whether it is only assumed.

    The standard leaves a missing unit open, but every program reads it as mm.
    """
    unit = _UNITS.get(int(header["xyzt_units"]) & _SPACE)
    return unit or "mm", unit is None


def place(header: Any, source: Any | None, before: FloatArray, geometry: Geometry) -> None:
    """Write where an array lies, and its time axis, into its header.

    Parameters
    ----------
    header
        Of the array, its dimensions set.
    source
        Header of the file that the array was made from, or None.
    before
        (4, 4) affine that the file was read by; any where there is none.
    geometry
        Place of the array in the file's order of axes, as `before` is.
    """
    if source is None:
        _set_unit(header, geometry.unit)
        codes = _SCANNER, _SCANNER
        _set_forms(header, geometry.affine, geometry.affine, codes, geometry.unit)
    else:
        for key in _TIME:
            header[key] = source[key]
        if _is_on(header, source, before, geometry):
            for key in _FORMS:
                header[key] = source[key]
            for key in _forms_unfit(source):
                header[f"{key}_code"] = 0
        else:
            _move(header, source, before, geometry)
    size = geometry.spacing
    for axis in range(1, 1 + int(header["dim"][0])):  # ITK refuses a step of 0
        if not header["pixdim"][axis] > 0:
            header["pixdim"][axis] = size[axis - 1] if axis <= len(size) else 1


def _is_on(header: Any, source: Any, before: FloatArray, geometry: Geometry) -> bool:
    """Whether an array lies on the very grid of its source."""
    if geometry.unit != unit_of(source)[0]:
        return False
    if not any(_codes(source)) and (header["dim"][1:4] != source["dim"][1:4]).any():
        return False  # without a code, readers centre a grid by its size
    rounding = 1e-6 * max(geometry.spacing)
    return bool(np.allclose(geometry.affine, before, rtol=0, atol=rounding))


def _move(header: Any, source: Any, before: FloatArray, geometry: Geometry) -> None:
    """Write both forms of a source, each moved as its voxels are."""
    for key in _SLICES:  # they number and time the image's slices
        header[key] = 0
    if geometry.unit != unit_of(source)[0]:
        _set_unit(header, geometry.unit)
    local = np.linalg.inv(before) @ geometry.affine
    unfit, moved = _forms_unfit(source), []
    codes = [0 if key in unfit else c for key, c in zip(_KEYS, _codes(source), strict=True)]
    for key, code in zip(_KEYS, codes, strict=True):
        known = form(source, key) if code > 0 else None
        moved.append(geometry.affine if known is None else known @ local)
    if not any(_codes(source)):
        # Readers would place the new grid anew, each by its size in a way of its own: nibabel (and
        # SPM) centre it, ITK begins at 0, along L, P and S. So both of these places are written,
        # with those codes by which nibabel takes the sform, ITK the qform.
        size = np.asarray(source["pixdim"][1:4], dtype=np.float64)
        moved[1] = np.diag([*(size * (-1, -1, 1)), 1.0]) @ local
        codes = [_ALIGNED, _SCANNER]
    _set_forms(header, moved[0], moved[1], codes, geometry.unit)


def _codes(header: Any) -> list[int]:
    """Return the codes of both forms; one below 0, which none has, means nothing either."""
    return [max(int(header[f"{key}_code"]), 0) for key in _KEYS]


def _forms_unfit(header: Any) -> list[str]:
    """Return which forms are meant, but cannot be used."""
    meant = zip(_KEYS, _codes(header), strict=True)
    return [key for key, code in meant if code > 0 and form(header, key) is None]


def _set_unit(header: Any, unit: str) -> None:
    """Write a unit of length beside what the header says of time."""
    code = 0 if unit not in MILLIMETRES else _CODES.get(unit, _CODES["mm"])
    header["xyzt_units"] = (int(header["xyzt_units"]) & ~_SPACE) | code


def set_time_step(header: Any, seconds: float) -> None:
    """Write the seconds between two volumes of a series."""
    header["pixdim"][4] = seconds
    header["xyzt_units"] = (int(header["xyzt_units"]) & _SPACE) | _SECONDS


def _set_forms(
    header: Any, sform: FloatArray, qform: FloatArray, codes: Sequence[int], unit: str
) -> None:
    """Write both forms; in mm where NIfTI has no such unit."""
    by = 1.0 if unit in _CODES else MILLIMETRES.get(unit, 1.0)
    to_file = np.diag([by, by, by, 1.0])
    header.set_sform(to_file @ sform, codes[0])
    # A quaternion cannot hold shear, which the sform has.
    header.set_qform(to_file @ qform, codes[1], strip_shears=True)
