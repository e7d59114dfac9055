"""Labelled cases, read and brought to what the network sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet import io
from napari_attn_unet.engine.preprocessing import prepare
from napari_attn_unet.errors import DatasetError
from napari_attn_unet.io.datasets import CasePaths, Dataset
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.volume import Volume, onto_grid

_LISTED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A labelled case, ready for the network.

    Attributes
    ----------
    volume
        The image as it was read.
    image
        (C, Z, Y, X) float32 on the network's grid.
    label
        (Z, Y, X) uint8 on the network's grid.
    truth
        (Z, Y, X) uint8 on the image's own grid.
    """

    name: str
    volume: Volume
    image: npt.NDArray[np.float32]
    label: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]

    @property
    def extent_mm(self) -> tuple[float, float, float] | None:
        """Size of the image (z, y, x) in mm, or None where its unit is unknown."""
        spacing = self.volume.geometry.spacing_mm
        if spacing is None:
            return None
        z, y, x = (n * s for n, s in zip(self.volume.shape, spacing, strict=True))
        return z, y, x


def load_cases(
    paths: Iterable[CasePaths], dataset: Dataset, spec: PreprocessingSpec
) -> Iterator[Case]:
    """Yield the cases, read and prepared.

    Raises
    ------
    DatasetError
        If an image and its label differ in size, or a label is not among the classes.
    ShapeError
        If a label holds more than one volume, or values that are no labels.
    """
    for case in paths:
        volume = _single(io.read(case.image, dataset.channels), case.image)
        truth: npt.NDArray[Any] = io.read_labels(case.label)[0]
        if truth.shape != volume.shape:
            msg = f"{case.name}: the image is {volume.shape}, but its label {truth.shape}."
            raise DatasetError(msg)
        found = np.unique(truth)
        if not np.isin(found, np.arange(len(dataset.classes))).all():
            told = f"{found[:_LISTED].tolist()}" + " and more" * (found.size > _LISTED)
            msg = (
                f"{case.name}: its labels are {told}, but dataset.json names "
                f"{len(dataset.classes)}: {', '.join(dataset.classes)}."
            )
            raise DatasetError(msg)
        truth = truth.astype(np.uint8)
        prepared = prepare(volume, spec, dataset.channels)
        frame = prepared.frame
        label = onto_grid(truth, volume.geometry, frame.geometry, frame.shape)
        image = np.asarray(prepared.data)  # read many times
        yield Case(case.name, volume, image, np.ascontiguousarray(label), truth)


def _single(volumes: list[Volume], path: Path) -> Volume:
    if len(volumes) != 1:
        msg = f"{path} holds {len(volumes)} volumes along a fourth axis; one was expected."
        raise DatasetError(msg)
    return volumes[0]
