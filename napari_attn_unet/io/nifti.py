"""NIfTI-1 files (Cox et al. 2004): geometry exact in both directions.

On reading, axes are flipped and permuted (losslessly) onto the nearest world axes and transposed
to (Z, Y, X). The header, the exact affine and that change are kept in `metadata["nifti"]`. On
writing, all of it is inverted, so that an output lies on the very grid of its input file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import FileError
from napari_attn_unet.io import nifti_header
from napari_attn_unet.output import replacing
from napari_attn_unet.volume import FloatArray, Geometry, Orientation, Volume

SUFFIXES = (".nii", ".nii.gz")
_SPATIAL_AXES = 3
_SERIES_AXES = 4
_LONGEST = 32767
"""Voxels along an axis: the header counts them with 16 bits."""
_LABEL_INTENT = 1002
TIME_STEP = "time_step_s"
"""Key of the seconds between two volumes of a series, in the metadata of one from no file."""
_REVERSED = np.eye(4)[[2, 1, 0, 3]]  # (x, y, z, 1) <-> (z, y, x, 1)


@dataclass(frozen=True, slots=True, eq=False)
class NiftiSource:
    """What a NIfTI file knew and a (Z, Y, X) array cannot hold.

    Attributes
    ----------
    header
        The file's header, as NIfTI-1's 348 bytes.
    affine
        The file's exact affine, (x, y, z, 1) in file order to RAS+.
    orientation
        Change of axes from the file (transposed to z, y, x) to the array.
    geometry
        Geometry of the array.
    knows_patient
        Whether one of its forms has a code, so that its axes are those of a patient or a template.
    """

    header: bytes
    affine: FloatArray
    orientation: Orientation
    geometry: Geometry
    knows_patient: bool = True


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
        _refuse_place(path)
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
    header = nifti_header.as_nifti1(image.header)
    affine = nifti_header.affine_of(_with_sizes_of(path, image.header), path.name)
    unit, assumed = nifti_header.unit_of(header)
    on_file = Geometry(_REVERSED @ affine @ _REVERSED, unit, assumed)
    orientation = Orientation.to_canonical(on_file.affine)
    geometry = on_file.oriented(orientation, array.shape[1:])
    array = orientation.apply(array)
    known = any(int(header[key]) > 0 for key in ("sform_code", "qform_code"))
    source = NiftiSource(header.binaryblock, affine, orientation, geometry, known)
    points = [array] if 1 < channels == len(array) else list(array[:, np.newaxis])
    return [Volume(point, geometry, stem(path), {"nifti": source}) for point in points]


def _with_sizes_of(path: Path, header: Any) -> Any:
    """Return a header with the sizes of 0 that its file says: nibabel makes them 1 on loading."""
    unchecked = _unchecked(path, type(header))
    result = header.copy()
    result["pixdim"][1:4][unchecked["pixdim"][1:4] == 0] = 0
    return result


def _unchecked(path: Path, kind: Any) -> Any:
    """Return a file's header as it is."""
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    with nibabel.openers.ImageOpener(str(path)) as file:
        return kind.from_fileobj(file, check=False)


def _refuse_place(path: Path) -> None:
    """Refuse a file that nibabel does not open because of the place in its header, by that."""
    import nibabel  # noqa: PLC0415  (0.2 s to import)

    try:
        header = _unchecked(path, nibabel.Nifti1Header)
    except Exception:
        return
    if header["magic"] in (nibabel.Nifti1Header.single_magic, nibabel.Nifti1Header.pair_magic):
        nifti_header.affine_of(header, path.name)


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
    known, before = None, np.eye(4)
    if isinstance(source, NiftiSource):
        known, before = nibabel.Nifti1Header(source.header, check=False), source.affine
        back = source.orientation.inverse
        geometry = geometry.oriented(back, array.shape[-3:])
        array = back.apply(array)
    on_file = replace(geometry, affine=_REVERSED @ geometry.affine @ _REVERSED)
    # Without an affine of its own, nibabel leaves the header's place as it is.
    image = nibabel.Nifti1Image(array.T, None, known, dtype=array.dtype)
    image.header.set_data_shape(array.T.shape)
    nifti_header.place(image.header, known, before, on_file)
    if known is None and array.ndim == _SERIES_AXES and metadata.get(TIME_STEP):
        nifti_header.set_time_step(image.header, metadata[TIME_STEP])
    image.header.set_slope_inter(1, 0)
    image.header["cal_min"] = image.header["cal_max"] = 0
    if labels:
        image.header.set_intent(_LABEL_INTENT)
    elif int(image.header["intent_code"]) == _LABEL_INTENT:
        image.header.set_intent("none")
    with replacing(path) as temporary:
        nibabel.save(image, temporary)


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
