"""Labelled datasets: which image goes with which label, and what the labels are called.

The layout of the Medical Segmentation Decathlon (Simpson et al. 2019, arXiv:1902.09063): a folder
with `dataset.json`, `imagesTr` and `labelsTr`. Also that of nnU-Net v2 (Isensee et al. 2021,
doi:10.1038/s41592-020-01008-z), whose dataset.json maps names to numbers and lists no cases.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_attn_unet.errors import DatasetError
from napari_attn_unet.io.names import FIRST_CHANNEL, Disk, case_names, composed
from napari_attn_unet.io.volumes import SUFFIXES, is_volume_file, stem
from napari_attn_unet.table import counted

INDEX = "dataset.json"
_FEWEST, _NAMED = 2, 3
_NEEDED = '\'labels\' ({"0": "background", …}) and \'training\' ([{"image": …, "label": …}, …])'


@dataclass(frozen=True, slots=True)
class CasePaths:
    """Files of one labelled case.

    Its name is what `case_names` makes of its image; of nnU-Net's, the label's.
    """

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
            If labels have gaps, files are missing, or there are fewer than two cases.
        """
        index = self.folder / INDEX
        labels = dict(self.labels)
        if sorted(labels) != list(range(len(labels))) or len(labels) < _FEWEST:
            msg = (
                f"To train, labels must be 0 (background), 1, 2, … without gaps, but {index} has "
                f"{labels}. Number them so, in the label files too."
            )
            raise DatasetError(msg)
        files = [path for case in self.cases for path in (case.image, case.label)]
        missing = [path for path in files if not path.is_file()]
        if missing:
            more = len(missing) - _NAMED
            msg = (
                f"{index} names files that are not there: "
                f"{', '.join(map(str, missing[:_NAMED]))}"
                f"{f' and {more:,} more' if more > 0 else ''}. Bring them, or take their cases out."
            )
            raise DatasetError(msg)
        self._require_two()
        return self

    def _require_two(self) -> None:
        if len(self.cases) < _FEWEST:
            msg = (
                f"{self.folder / INDEX} names {counted(len(self.cases), 'case')}; at least "
                f"{_FEWEST} are needed, one of them held out."
            )
            raise DatasetError(msg)

    def split(self, holdout: float, seed: int) -> tuple[list[CasePaths], list[CasePaths]]:
        """Return (training, held-out) cases; the same for the same seed and cases.

        Raises
        ------
        DatasetError
            If there are fewer than two cases.
        """
        self._require_two()
        cases = sorted(self.cases, key=_name)
        random.Random(seed).shuffle(cases)  # noqa: S311  (a split, no secret)
        count = min(max(1, round(len(cases) * holdout)), len(cases) - 1)
        return sorted(cases[count:], key=_name), sorted(cases[:count], key=_name)


def _name(case: CasePaths) -> str:
    return case.name


def index_of(path: str | Path) -> Path | None:
    """Return the file that lists a dataset's cases, of the file or its folder; None without."""
    path = Path(path)
    index = path / INDEX if path.is_dir() else path
    return index if index.suffix.lower() == ".json" and index.is_file() else None


def open_dataset(path: str | Path) -> Dataset:
    """Read a dataset.json, or that of a folder. Whether its files are there is not asked.

    Parameters
    ----------
    path
        In UTF-8 or UTF-16, with a byte order mark or without. Its cases are those of 'training';
        where it has none and is nnU-Net's, those of 'dataset' or of imagesTr and labelsTr.

    Raises
    ------
    DatasetError
        If there is none, it names no cases and labels, or a case twice.
    """
    path = Path(path)
    index = path / INDEX if path.is_dir() else path
    raw = _read(index)
    labels, cases = _labels(index, raw), _cases(index, raw)
    about = ("name", "description", "reference", "licence")
    return Dataset(
        index.parent,
        tuple(cases),
        labels,
        _channels(raw),
        {key: str(raw[key]) for key in about if key in raw},
    )


def _read(index: Path) -> dict[str, Any]:
    try:
        raw = json.loads(index.read_bytes())  # bytes: json then sees a byte order mark
    except OSError as error:
        msg = (
            f"{index} cannot be read: {error.strerror}. A dataset is a folder in the layout of the "
            f"Medical Segmentation Decathlon: {INDEX}, imagesTr, labelsTr."
        )
        raise DatasetError(msg) from error
    except UnicodeError as error:
        msg = f"{index} is no text in UTF-8: {error}. Save it as UTF-8."
        raise DatasetError(msg) from error
    except ValueError as error:
        msg = f"{index} is not valid JSON: {error}."
        raise DatasetError(msg) from error
    if not isinstance(raw, dict):
        msg = f"{index} needs {_NEEDED}, but is a {type(raw).__name__}."
        raise DatasetError(msg)
    return raw


# --- labels -------------------------------------------------------------------------------------
def _labels(index: Path, raw: Mapping[str, Any]) -> dict[int, str]:
    """Return {value: name}, of the Decathlon's {"1": "name"} or nnU-Net's {"name": 1}."""
    told = raw.get("labels")
    if not isinstance(told, dict) or not told:
        came = _came(raw) if told is None else f"its 'labels' are {json.dumps(told)[:80]}"
        msg = f"{index} needs {_NEEDED}, but {came}."
        raise DatasetError(msg)
    labels: dict[int, str] = {}
    for key, entry in told.items():
        value, name = _whole(key), entry
        if value is None:  # nnU-Net's
            value, name = _whole(entry), key
        if value is None or value < 0:
            msg = (
                f"{index} needs a name for each of the values 0, 1, … in 'labels', but has "
                f"{json.dumps({key: entry})}."
                + (" Regions of several values are not read." if isinstance(entry, list) else "")
            )
            raise DatasetError(msg)
        if name is key and composed(key).casefold() == "ignore":
            msg = (
                f"{index} has a label 'ignore': voxels to leave out, which this version cannot. "
                "Give them a class, or the background's value, and take 'ignore' out."
            )
            raise DatasetError(msg)
        if value in labels:
            msg = f"{index} gives the value {value} two names: {labels[value]} and {name}."
            raise DatasetError(msg)
        labels[value] = str(name)
    return labels


def _whole(number: Any) -> int | None:
    """Return what is, or spells, a whole number; else None."""
    if isinstance(number, bool) or not isinstance(number, int | str):
        return None
    try:
        return int(number)
    except ValueError:
        return None


def _channels(raw: Mapping[str, Any]) -> int:
    for key in ("channel_names", "modality"):
        told = raw.get(key)
        if isinstance(told, dict | list) and told:
            return len(told)
    return 1


def _came(raw: Mapping[str, Any]) -> str:
    return f"has {', '.join(raw) or 'nothing'}"


# --- cases --------------------------------------------------------------------------------------
def _cases(index: Path, raw: Mapping[str, Any]) -> list[CasePaths]:
    disk, folder = Disk(), index.parent
    training, listed = raw.get("training"), raw.get("dataset")
    names: list[str] | None = None
    if training is None and isinstance(listed, dict):
        _require_one_channel(index, raw)
        names = list(listed)
        told = [_entry(index, name, entry, "images") for name, entry in listed.items()]
        files = [(disk.find(folder, image), disk.find(folder, label)) for image, label in told]
    elif training is None and {"file_ending", "channel_names"} & set(raw):
        _require_one_channel(index, raw)
        found = list(_in_folders(index, raw, disk))
        names = [name for name, _, _ in found]
        files = [(image, label) for _, image, label in found]
    elif isinstance(training, list):
        told = [_entry(index, i, entry, "image") for i, entry in enumerate(training, 1)]
        files = [(disk.find(folder, image), disk.find(folder, label)) for image, label in told]
    else:
        came = _came(raw) if training is None else f"its 'training' is {str(training)[:80]}"
        msg = f"{index} needs {_NEEDED}, but {came}."
        raise DatasetError(msg)
    if not files:
        msg = f"{index} names no case: 'training', or imagesTr with labelsTr, is empty."
        raise DatasetError(msg)
    _refuse_doubles(index, files)
    names = case_names([image for image, _ in files]) if names is None else names
    return [CasePaths(name, *pair) for name, pair in zip(names, files, strict=True)]


def _entry(index: Path, name: int | str, entry: Any, images: str) -> tuple[str, str]:
    """Return the image and the label that an entry names, each as it is written there."""
    image, label = (entry.get(k) for k in (images, "label")) if isinstance(entry, dict) else (0, 0)
    if isinstance(image, list) and len(image) == 1:
        (image,) = image
    if not isinstance(image, str) or not isinstance(label, str) or not image or not label:
        msg = (
            f'{index} needs {{"{images}": one file, "label": one file}} for every case, but case '
            f"{name} is {json.dumps(entry)[:120]}."
        )
        raise DatasetError(msg)
    return image, label


def _require_one_channel(index: Path, raw: Mapping[str, Any]) -> None:
    """Refuse nnU-Net's files of one channel each, unless there is one."""
    if (channels := _channels(raw)) > 1:
        msg = (
            f"{index} is nnU-Net's, with {channels} channels in {channels} files a case. Here, "
            "channels are the fourth axis of one file: join them, and list the cases under "
            "'training'."
        )
        raise DatasetError(msg)


def _in_folders(
    index: Path, raw: Mapping[str, Any], disk: Disk
) -> Iterator[tuple[str, Path, Path]]:
    """Yield (name, image, label) of imagesTr/CASE_0000.nii.gz and labelsTr/CASE.nii.gz.

    Where one of the two is not there, it is named nevertheless, and so found missing.
    """
    ending = raw.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not is_volume_file(f"case{ending}"):
        msg = (
            f"{index} is of {ending!r} files. This version reads {' and '.join(SUFFIXES)}; "
            "convert them first."
        )
        raise DatasetError(msg)
    sides: list[dict[str, Path]] = []
    for name, cut in (("imagesTr", FIRST_CHANNEL), ("labelsTr", "")):
        folder = disk.find(index.parent, name)
        if not folder.is_dir():
            msg = f"{index} lists no cases under 'training', and there is no folder {folder}."
            raise DatasetError(msg)
        there = [p for p in sorted(folder.iterdir()) if is_volume_file(p)]
        there = [p for p in there if not p.name.startswith(".")]
        cases = [composed(stem(path)).removesuffix(cut) for path in there]
        double = next((i for i, case in enumerate(cases) if case in cases[:i]), None)
        if double is not None:
            first = there[cases.index(cases[double])]
            msg = f"{first} and {there[double]} would be one case. Leave out one of them."
            raise DatasetError(msg)
        sides.append(dict(zip(cases, there, strict=True)))
    images, labels = sides
    for case in sorted(images.keys() | labels.keys()):
        image = index.parent / "imagesTr" / f"{case}{FIRST_CHANNEL}{ending}"
        label = index.parent / "labelsTr" / f"{case}{ending}"
        yield case, images.get(case, image), labels.get(case, label)


def _refuse_doubles(index: Path, files: list[tuple[Path, Path]]) -> None:
    """Raise a `DatasetError` if a file belongs to two cases; one could then be held out."""
    for side, kind in enumerate(("image", "label")):
        seen: dict[str, tuple[Path, Path]] = {}
        for pair in files:
            other = seen.setdefault(composed(os.path.normpath(pair[side])), pair)
            if other is pair:
                continue
            more = "" if other == pair else f", with {other[1 - side]} and {pair[1 - side]}"
            msg = (
                f"{index} lists the {kind} {pair[side]} twice{more}. Every case is listed once, "
                "with files of its own."
            )
            raise DatasetError(msg)
