"""A prediction as a folder: maps as volumes, and prediction.json, which says what they are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import FileError
from napari_attn_unet.io.labels import read_label_volumes
from napari_attn_unet.io.volumes import read, stem, write
from napari_attn_unet.output import replacing
from napari_attn_unet.prediction import ClassInfo, Prediction
from napari_attn_unet.volume import Geometry, Volume, unit_symbol

ABOUT = "prediction.json"
_PART = re.compile(r"mask|probabilities|gate([1-9]\d*)")
FILES = (ABOUT, "mask.nii*", "gate[1-9]*.nii*", "probabilities.nii*")
"""Names that a prediction's folder has, as patterns; what else lies there has others."""
MADE_OF_IT = ("maps.zarr", "gradcam_*.nii.gz", "figure.png", "screenshot.png")
TABLES = ("gates", "profile", "agreement", "agreement_slices", "gradcam", "knockout")
"""Tables that `inspect` writes, each as CSV."""
RESULT = (*FILES, *MADE_OF_IT, *(f"{name}.csv" for name in TABLES))
"""All that commands write of one prediction: beside another, it would pass for that one's."""


def write_prediction(
    prediction: Prediction, folder: str | Path, *, gates: bool = True
) -> list[Path]:
    """Write mask, gates and probabilities (those that exist) into a folder as NIfTI.

    `mask.nii.gz`, `gate1.nii.gz` (finest) …, `probabilities.nii.gz` (one volume per class along
    the fourth axis); and `prediction.json`, which says what they are, for whoever opens them
    later. Returns the paths written.

    Parameters
    ----------
    prediction
        The maps, each written on its own grid; of a series, (T, …) along the fourth axis.
    folder
        Where to; made if need be. What it has of another prediction is replaced; see
        `output.folder_for`.
    gates
        Whether to write the gates.

    Raises
    ------
    FileError
        If a file cannot be written.
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
        write(written[-1], array, geometry, prediction.metadata, labels=name == "mask")
    about = {
        "provenance": dict(prediction.provenance),
        "classes": [[name, list(colour)] for name, colour in prediction.classes],
        "affine": prediction.geometry.affine.tolist(),
        "unit": prediction.geometry.unit,
    }
    for old in (path for name in FILES for path in folder.glob(name)):
        if old not in written:  # beside the new prediction.json it would pass for its map
            old.unlink()
    written.append(folder / ABOUT)
    with replacing(written[-1]) as temporary:
        temporary.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return written


@dataclass(frozen=True, slots=True, eq=False)
class StoredMap:
    """A file that `write_prediction` wrote, as the part of a prediction that it is.

    Attributes
    ----------
    kind
        "mask", "gate" or "probabilities".
    level
        Of a gate, from 1, the finest; 0 for others.
    volumes
        What the file holds, a volume each: time points, or classes' probabilities.
    image
        Place of the image that the prediction was made of.
    classes, provenance
        As of `Prediction`.
    """

    kind: str
    level: int
    volumes: tuple[Volume, ...]
    image: Geometry
    classes: tuple[ClassInfo, ...]
    provenance: dict[str, Any]

    @property
    def geometry(self) -> Geometry:
        """Place of the map."""
        return self.volumes[0].geometry

    @property
    def data(self) -> npt.NDArray[Any]:
        """(Z, Y, X); with a leading axis where there are several volumes."""
        if len(self.volumes) == 1:
            return np.asarray(self.volumes[0].data[0])
        return np.stack([volume.data[0] for volume in self.volumes])


def is_map_name(name: str) -> bool:
    """Whether a file of that name, without its ending, beside a prediction.json is a map of it."""
    return _PART.fullmatch(name.lower()) is not None


def read_map(path: str | Path) -> StoredMap | None:
    """Read a mask, gate or probabilities beside their prediction.json; None for other files.

    Raises
    ------
    FileError
        If the file itself cannot be read, or prediction.json says nothing usable.
    ShapeError
        If a mask holds no labels.
    """
    name = _PART.fullmatch(stem(path))
    about = None if name is None else read_about(path)
    if about is None or name is None:
        return None
    level = int(name[1]) if name[1] else 0
    volumes = tuple(read_label_volumes(path) if name[0] == "mask" else read(path))
    classes = about["classes"]
    if name[0] == "probabilities" and len(volumes) % len(classes):
        msg = (
            f"{Path(path).name} holds {len(volumes)} maps, but {ABOUT} beside it names "
            f"{len(classes)} classes: one map for each is needed. Write the prediction again."
        )
        raise FileError(msg)
    return StoredMap(
        "gate" if level else name[0],
        level,
        volumes,
        # In the file's unit: NIfTI has no nm, in which the image may be.
        Geometry(np.asarray(about["affine"]), about["unit"]).in_unit_of(volumes[0].geometry),
        tuple(ClassInfo(n, (r, g, b)) for n, (r, g, b) in classes),
        {"image": Path(path).resolve().parent.name} | about["provenance"],
    )


def read_about(path: str | Path) -> dict[str, Any] | None:
    """Return what `prediction.json` beside an output's file says; None if there is none of ours.

    Raises
    ------
    FileError
        If it is one of ours, but what it says cannot be used.
    """
    beside = Path(path).parent / ABOUT
    try:
        about = json.loads(beside.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    needed = {"provenance", "classes", "affine", "unit"}
    if not isinstance(about, dict) or not needed <= set(about):
        return None
    try:
        return about | {
            "provenance": _provenance(about["provenance"]),
            "classes": [_class(one) for one in about["classes"]] or _fail("it has no classes"),
            "affine": Geometry(np.asarray(about["affine"], np.float64)).affine.tolist(),
            "unit": unit_symbol(about["unit"]),
        }
    except (TypeError, ValueError, AttributeError) as error:
        msg = (
            f"{beside} cannot be used: {error}. It needs 'provenance' ({{…}}), 'classes' "
            "([[name, [red, green, blue]], …]), 'affine' (4 x 4 numbers) and 'unit' (such as mm). "
            f"Write the prediction again, or move {ABOUT} away: its maps then open as plain "
            "volumes."
        )
        raise FileError(msg) from error


def _provenance(said: Any) -> dict[str, Any]:
    """Return a provenance whose parts are of the kinds that are asked for."""
    if not isinstance(said, dict):
        _fail(f"its provenance is {said!r}")
    config = said.get("config", {})
    if not isinstance(config, dict) or not isinstance(config.get("channels", []), list):
        _fail(f"its config is {config!r}")
    return dict(said)


def _class(said: Any) -> list[Any]:
    """Return [name, [r, g, b]] of a class."""
    name, colour = said
    red, green, blue = (float(part) for part in colour)
    if not all(0 <= part <= 1 for part in (red, green, blue)):
        _fail(f"a colour is {colour!r}, not in 0 to 1")
    return [str(name), [red, green, blue]]


def _fail(reason: str) -> NoReturn:
    raise ValueError(reason)
