"""A dataset in the layout of the Medical Segmentation Decathlon (Simpson et al. 2019).

A folder with `dataset.json`, `imagesTr` and `labelsTr`, NIfTI files throughout.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet import io
from napari_attn_unet.engine.preprocessing import Prepared, prepare
from napari_attn_unet.errors import DatasetError
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.volume import Volume


@dataclass(frozen=True, slots=True)
class CasePaths:
    """Files of one labelled case."""

    name: str
    image: Path
    label: Path


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled dataset and what it says of itself.

    Attributes
    ----------
    classes
        Names of the labels 0, 1, …; background first.
    channels
        Input channels (the dataset's modalities).
    about
        Name, description, reference and licence, as the dataset gives them.
    """

    folder: Path
    cases: tuple[CasePaths, ...]
    classes: tuple[str, ...]
    channels: int
    about: dict[str, str]

    def split(self, holdout: float, seed: int) -> tuple[list[CasePaths], list[CasePaths]]:
        """Return (training, held-out) cases; the same for the same seed and cases."""
        cases = sorted(self.cases, key=lambda case: case.name)
        random.Random(seed).shuffle(cases)  # noqa: S311  (a split, no secret)
        count = min(max(1, round(len(cases) * holdout)), len(cases) - 1)
        return sorted(cases[count:], key=_name), sorted(cases[:count], key=_name)


def _name(case: CasePaths) -> str:
    return case.name


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A labelled case, ready for the network.

    Attributes
    ----------
    prepared
        The image, (C, Z, Y, X) float32, and the way back to its own grid.
    label
        (Z, Y, X) uint8 on the network's grid.
    truth
        (Z, Y, X) uint8 on the image's own grid.
    extent_mm
        Size of the image (z, y, x) in mm, or None where its unit is unknown.
    """

    name: str
    prepared: Prepared
    label: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    extent_mm: tuple[float, float, float] | None


def open_dataset(folder: str | Path) -> Dataset:
    """Read `dataset.json` and check that every file it names is there.

    Raises
    ------
    DatasetError
        If the folder is no such dataset, has fewer than two cases, or lacks files.
    """
    folder = Path(folder)
    index = folder / "dataset.json"
    try:
        raw = json.loads(index.read_text(encoding="utf-8"))
    except OSError as error:
        msg = (
            f"{folder} has no readable dataset.json ({error}). A dataset is a folder in the layout "
            "of the Medical Segmentation Decathlon: dataset.json, imagesTr, labelsTr."
        )
        raise DatasetError(msg) from error
    except ValueError as error:
        msg = f"{index} is not valid JSON: {error}."
        raise DatasetError(msg) from error
    try:
        labels = {int(key): str(name) for key, name in raw["labels"].items()}
        entries = [(folder / e["image"], folder / e["label"]) for e in raw["training"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = (
            f"{index} needs 'labels' ({{\"0\": \"background\", …}}) and 'training' "
            f'([{{"image": …, "label": …}}, …]), but has {", ".join(raw)} ({error!r}).'
        )
        raise DatasetError(msg) from error
    if sorted(labels) != list(range(len(labels))) or len(labels) < 2:  # noqa: PLR2004
        msg = f"Labels must be 0 (background), 1, 2, … without gaps, but {index} has {labels}."
        raise DatasetError(msg)
    missing = [path for entry in entries for path in entry if not path.is_file()]
    if missing or len(entries) < 2:  # noqa: PLR2004
        msg = f"{index} names {len(entries)} cases; at least 2 are needed." + (
            f" {len(missing)} files are missing, the first is {missing[0]}." if missing else ""
        )
        raise DatasetError(msg)
    return Dataset(
        folder,
        tuple(CasePaths(io.stem(image), image, label) for image, label in entries),
        tuple(labels[i] for i in range(len(labels))),
        max(1, len(raw.get("modality", {}))),
        {
            key: str(raw[key])
            for key in ("name", "description", "reference", "licence")
            if key in raw
        },
    )


def load_cases(paths: list[CasePaths], dataset: Dataset, spec: PreprocessingSpec) -> Iterator[Case]:
    """Yield the cases, read and prepared.

    Raises
    ------
    DatasetError
        If an image and its label differ in size, or a label is not among the classes.
    """
    for case in paths:
        volume = _single(io.read(case.image, dataset.channels), case.image)
        truth_volume = _single(io.read(case.label), case.label)
        truth = np.asarray(truth_volume.data[0])
        if truth.shape != volume.shape:
            msg = f"{case.name}: the image is {volume.shape}, but its label {truth.shape}."
            raise DatasetError(msg)
        found = np.unique(truth)
        if not np.isin(found, np.arange(len(dataset.classes))).all():
            msg = (
                f"{case.name}: its labels are {found.tolist()}, but dataset.json names "
                f"{len(dataset.classes)}: {', '.join(dataset.classes)}."
            )
            raise DatasetError(msg)
        truth = truth.astype(np.uint8)
        prepared = prepare(volume, spec, dataset.channels)
        prepared = replace(prepared, data=np.asarray(prepared.data))  # read many times
        label = prepared.frame.orientation.apply(truth)
        if prepared.frame.is_resampled:
            label = _nearest(label, prepared.frame.shape)
        spacing = volume.geometry.spacing_mm
        extent = None
        if spacing is not None:
            z, y, x = (n * s for n, s in zip(volume.shape, spacing, strict=True))
            extent = (z, y, x)
        yield Case(case.name, prepared, np.ascontiguousarray(label), truth, extent)


def _single(volumes: list[Volume], path: Path) -> Volume:
    if len(volumes) != 1:
        msg = f"{path} holds {len(volumes)} volumes along a fourth axis; one was expected."
        raise DatasetError(msg)
    return volumes[0]


def _nearest(label: npt.NDArray[np.uint8], size: tuple[int, ...]) -> npt.NDArray[Any]:
    """Resample labels to `size` over the same extent, nearest neighbour."""
    index = [
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(size, label.shape, strict=True)
    ]
    return label[np.ix_(*index)]
