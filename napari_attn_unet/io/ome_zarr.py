"""Maps on disk: a zarr group that a run fills while it goes on. zarr is an extra."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_attn_unet.errors import ConfigError, reason
from napari_attn_unet.prediction import Prediction
from napari_attn_unet.volume import Geometry

CHUNK = (16, 256, 256)
_NAMES = {
    "km": "kilometer",
    "m": "meter",
    "cm": "centimeter",
    "mm": "millimeter",
    "um": "micrometer",
    "nm": "nanometer",
    "angstrom": "angstrom",
    "pm": "picometer",
}
"""How OME-Zarr writes a unit (the names of UDUNITS-2)."""


def require() -> None:
    """Raise a `ConfigError` unless zarr is installed, before any work."""
    if find_spec("zarr") is None:
        msg = 'Maps on disk need zarr. Install it with: pip install "napari-attn-unet[zarr]"'
        raise ConfigError(msg)


def open_store(path: Path) -> Any:
    """Create the zarr group at `path`.

    Raises
    ------
    ConfigError
        If zarr is not installed, or the path exists or cannot be written.
    """
    require()
    import zarr  # noqa: PLC0415  (an extra)

    try:
        return zarr.open_group(path, mode="w-")
    except (OSError, ValueError) as error:
        msg = (
            f"{path} cannot be made a new zarr folder ({reason(error)}). "
            "Name one that does not exist yet, in a folder that can be written."
        )
        raise ConfigError(msg) from error


def create_array(  # noqa: PLR0913  (what an image is)
    group: Any,
    name: str,
    shape: tuple[int, ...],
    geometry: Geometry,
    dtype: str = "float32",
    axes: str = "tczyx",
) -> Any:
    """Create an OME-Zarr image `name` in a group; return its array, all 0, to be filled.

    Parameters
    ----------
    group
        From `open_store`.
    name, shape, dtype
        Of the image.
    geometry
        Place of the last three axes. OME-Zarr tells scale and translation; rotation, which it
        cannot, stands beside it in the attribute `affine_zyx`.
    axes
        Names of the axes (t: time, c: class), as many of the last ones as there are.

    References
    ----------
    Next-generation file format specification, version 0.5: https://ngff.openmicroscopy.org/0.5/
    """
    about = _multiscale(name, axes[-len(shape) :], geometry)
    image = group.create_group(
        name,
        overwrite=True,
        attributes={
            "ome": {
                "version": "0.5",
                "multiscales": [about],
            },
            "affine_zyx": geometry.affine.tolist(),
            "unit": geometry.unit,
        },
    )
    chunks = (*(1,) * (len(shape) - 3), *map(min, CHUNK, shape[-3:]))
    return image.create_array("0", shape=shape, chunks=chunks, dtype=dtype)


def write_prediction(prediction: Prediction, path: Path) -> None:
    """Write mask and gate maps as images of a new zarr group.

    Raises
    ------
    ConfigError
        As of `open_store`.
    """
    group = open_store(path)
    maps: dict[str, tuple[npt.NDArray[Any], Geometry]] = {
        "mask": (prediction.mask, prediction.geometry)
    }
    maps |= {f"gate{g.level}": (g.coefficients, g.geometry) for g in prediction.gates}
    for name, (data, geometry) in maps.items():
        array = create_array(group, name, data.shape, geometry, data.dtype.name, "tzyx")
        array[...] = data


def _multiscale(name: str, axes: str, geometry: Geometry) -> dict[str, Any]:
    """Return the metadata of an image at one resolution."""
    kinds: dict[str, dict[str, str]] = {"t": {"type": "time"}, "c": {"type": "channel"}}
    space = {"type": "space"}
    if geometry.unit in _NAMES:
        space["unit"] = _NAMES[geometry.unit]
    lead = len(axes) - len(geometry.spacing)
    transforms = [
        {"type": "scale", "scale": [*[1.0] * lead, *geometry.spacing]},
        {"type": "translation", "translation": [*[0.0] * lead, *geometry.origin]},
    ]
    return {
        "name": name,
        "axes": [{"name": axis} | kinds.get(axis, space) for axis in axes],
        "datasets": [{"path": "0", "coordinateTransformations": transforms}],
    }
