"""Labelled datasets: which image goes with which label, and what the labels are called.

The layout of the Medical Segmentation Decathlon (Simpson et al. 2019, arXiv:1902.09063): a folder
with `dataset.json`, `imagesTr` and `labelsTr`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_attn_unet.errors import DatasetError
from napari_attn_unet.io.volumes import stem

INDEX = "dataset.json"
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class CasePaths:
    """Files of one labelled case; its name is the image's, without the ending."""

    name: str
    image: Path
    label: Path


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled dataset and what it says of itself.

    Attributes
    ----------
    folder
        Where its dataset.json lies.
    cases
        Its labelled cases, in the order of the file.
    labels
        {value: name}; 0 is the background.
    channels
        Input channels (the dataset's modalities).
    about
        Name, description, reference and licence, as the dataset gives them.
    """

    folder: Path
    cases: tuple[CasePaths, ...]
    labels: Mapping[int, str]
    channels: int
    about: Mapping[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1, …; a value that has none is called "label 3"."""
        return tuple(self.labels.get(i, f"label {i}") for i in range(max(self.labels) + 1))

    def complete(self) -> Dataset:
        """Return the dataset, once it is sure that one can train on it.

        Raises
        ------
        DatasetError
            If labels have gaps, there are fewer than two cases, or files are missing.
        """
        index = self.folder / INDEX
        labels = dict(self.labels)
        if sorted(labels) != list(range(len(labels))) or len(labels) < _FEWEST:
            msg = f"Labels must be 0 (background), 1, 2, … without gaps, but {index} has {labels}."
            raise DatasetError(msg)
        files = [path for case in self.cases for path in (case.image, case.label)]
        missing = [path for path in files if not path.is_file()]
        if missing or len(self.cases) < _FEWEST:
            msg = f"{index} names {len(self.cases)} cases; at least {_FEWEST} are needed." + (
                f" {len(missing)} files are missing, the first is {missing[0]}." if missing else ""
            )
            raise DatasetError(msg)
        return self

    def split(self, holdout: float, seed: int) -> tuple[list[CasePaths], list[CasePaths]]:
        """Return (training, held-out) cases; the same for the same seed and cases."""
        cases = sorted(self.cases, key=_name)
        random.Random(seed).shuffle(cases)  # noqa: S311  (a split, no secret)
        count = min(max(1, round(len(cases) * holdout)), len(cases) - 1)
        return sorted(cases[count:], key=_name), sorted(cases[:count], key=_name)


def _name(case: CasePaths) -> str:
    return case.name


def open_dataset(path: str | Path) -> Dataset:
    """Read a dataset.json, or that of a folder. Whether its files are there is not asked.

    Raises
    ------
    DatasetError
        If there is none, or it names no cases and labels.
    """
    path = Path(path)
    index = path / INDEX if path.is_dir() else path
    try:
        raw = json.loads(index.read_text(encoding="utf-8"))
    except OSError as error:
        msg = (
            f"{path} has no readable {INDEX} ({error}). A dataset is a folder in the layout "
            f"of the Medical Segmentation Decathlon: {INDEX}, imagesTr, labelsTr."
        )
        raise DatasetError(msg) from error
    except ValueError as error:
        msg = f"{index} is not valid JSON: {error}."
        raise DatasetError(msg) from error
    folder = index.parent
    try:
        labels = {int(key): str(name) for key, name in raw["labels"].items()}
        entries = [(folder / e["image"], folder / e["label"]) for e in raw["training"]]
        has_labels = bool(labels) and min(labels) >= 0
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        has = ", ".join(map(str, raw)) if isinstance(raw, dict) else type(raw).__name__
        msg = (
            f"{index} needs 'labels' ({{\"0\": \"background\", …}}) and 'training' "
            f'([{{"image": …, "label": …}}, …]), but has {has} ({error!r}).'
        )
        raise DatasetError(msg) from error
    if not has_labels:
        msg = f"{index} needs a name for the values 0, 1, … in 'labels', but has {labels}."
        raise DatasetError(msg)
    return Dataset(
        folder,
        tuple(CasePaths(stem(image), image, label) for image, label in entries),
        labels,
        max(1, len(raw.get("modality", {}))),
        {
            key: str(raw[key])
            for key in ("name", "description", "reference", "licence")
            if key in raw
        },
    )
