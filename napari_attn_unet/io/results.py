"""A prediction as a folder: maps as volumes, and prediction.json, which says what they are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.io.volumes import read, stem, write
from napari_attn_unet.output import replacing
from napari_attn_unet.prediction import ClassInfo, Prediction
from napari_attn_unet.volume import Geometry, Volume

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
        Where to; made if need be.
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
        write(written[-1], array, geometry, prediction.metadata)
    about = {
        "provenance": dict(prediction.provenance),
        "classes": [[name, list(colour)] for name, colour in prediction.classes],
        "affine": prediction.geometry.affine.tolist(),
        "unit": prediction.geometry.unit,
    }
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


def read_map(path: str | Path) -> StoredMap | None:
    """Read a mask, gate or probabilities beside their prediction.json; None for other files.

    Raises
    ------
    FileError
        If the file itself cannot be read.
    """
    about = read_about(path)
    name = _PART.fullmatch(stem(path))
    if about is None or name is None:
        return None
    level = int(name[1]) if name[1] else 0
    return StoredMap(
        "gate" if level else name[0],
        level,
        tuple(read(path)),
        Geometry(np.asarray(about["affine"]), about["unit"]),
        tuple(
            ClassInfo(str(n), (float(r), float(g), float(b))) for n, (r, g, b) in about["classes"]
        ),
        dict(about["provenance"]),
    )


def read_about(path: str | Path) -> dict[str, Any] | None:
    """Return what `prediction.json` beside an output's file says; None if there is none."""
    beside = Path(path).parent / ABOUT
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    needed = {"provenance", "classes", "affine", "unit"}
    return about if isinstance(about, dict) and needed <= set(about) else None
