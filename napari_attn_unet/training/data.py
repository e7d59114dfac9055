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
from napari_attn_unet.errors import DatasetError, VolumeError
from napari_attn_unet.io.datasets import CasePaths, Dataset
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.scores.grids import OnGrid, onto_grid
from napari_attn_unet.volume import Geometry, Volume

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
    note
        What there is to say of a label that came from another grid; else empty.
    """

    name: str
    volume: Volume
    image: npt.NDArray[np.float32]
    label: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    note: str = ""

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
        If a label is elsewhere than its image, or covers only a part of it; or if it is not among
        the classes.
    ShapeError
        If a label holds more than one volume, or values that are no labels.
    """
    for case in paths:
        volume = _single(io.read(case.image, dataset.channels), case.image)
        there = _on_image(*io.read_labels(case.label), volume, case.name)
        truth = there.labels
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
        label = onto_grid(truth, volume.geometry, frame.geometry, frame.shape).labels
        image = np.asarray(prepared.data)  # read many times
        yield Case(case.name, volume, image, np.ascontiguousarray(label), truth, there.note)


def _on_image(labels: npt.NDArray[Any], geometry: Geometry, volume: Volume, name: str) -> OnGrid:
    """Return a label on its image's grid; refuse one that does not lie on all of the image.

    A number that is wrong can be looked at; what a network has learnt of a misplaced label cannot.
    """
    try:
        there = onto_grid(labels, geometry, volume.geometry, volume.shape, what="label")
    except VolumeError as error:
        msg = f"{name}: {error}"
        raise DatasetError(msg) from error
    if there.displaced or there.covered < 1:
        msg = (
            f"{name}: the image is {volume.shape}, but its label {labels.shape} lies elsewhere. "
            f"{there.note} For training, a label must lie on all of its image."
        )
        raise DatasetError(msg)
    return there


def _single(volumes: list[Volume], path: Path) -> Volume:
    if len(volumes) != 1:
        msg = f"{path} holds {len(volumes)} volumes along a fourth axis; one was expected."
        raise DatasetError(msg)
    return volumes[0]
