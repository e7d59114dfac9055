"""Which mask belongs to which truth: files matched by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from napari_attn_unet import io
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.io.datasets import INDEX, open_dataset

MASK = "mask"
"""Name of the mask in a folder that `predict` wrote."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Files of one case: its mask, its truth and, for pictures, its image or None."""

    name: str
    mask: Path
    truth: Path
    image: Path | None = None


class Pairs(NamedTuple):
    """What belongs together.

    Attributes
    ----------
    pairs
        Sorted by name.
    alone
        {name: reason} of the masks that have no truth.
    classes
        Names, the background first; empty if nothing tells them.
    """

    pairs: list[Pair]
    alone: dict[str, str]
    classes: tuple[str, ...]


def find_pairs(masks: str | Path, truths: str | Path, images: str | Path | None = None) -> Pairs:
    """Match masks to truths by name.

    Parameters
    ----------
    masks
        A file, or a folder with `CASE.nii.gz` or `CASE/mask.nii.gz` for each case.
    truths
        A file, a folder with `CASE.nii.gz`, or a dataset.json (or its folder).
    images
        A folder of images with the same names, for the pictures; a dataset.json brings its own.

    Raises
    ------
    ConfigError
        If there is no pair at all.
    DatasetError
        If the dataset.json cannot be used.
    """
    masks, truths = Path(masks), Path(truths)
    classes: tuple[str, ...] = ()
    pictures = {} if images is None else _by_name(Path(images))
    index = truths / INDEX if truths.is_dir() else truths
    if index.name == INDEX and index.is_file():
        dataset = open_dataset(index)
        classes = dataset.classes
        labels = {io.stem(case.label): case.label for case in dataset.cases}
        pictures = {io.stem(case.label): case.image for case in dataset.cases} | pictures
    elif truths.is_dir():
        labels = _by_name(truths)
    elif masks.is_file():
        labels = {io.stem(masks): truths}
    else:
        what = "is one file" if truths.exists() else "does not exist"
        msg = f"{truths} {what}. A folder of truths or a dataset.json is needed for these masks."
        raise ConfigError(msg)
    if not labels:
        msg = f"{truths} holds no truths: CASE.nii.gz is needed."
        raise ConfigError(msg)
    found = {io.stem(masks): masks} if masks.is_file() else _by_name(masks)
    if masks.is_file() and len(found) == 1 and next(iter(found)) not in labels:
        found = {_case_of(masks): masks}
    if not found:
        msg = f"{masks} holds no masks: CASE.nii.gz or CASE/mask.nii.gz is needed."
        raise ConfigError(msg)
    pairs = [
        Pair(name, path, labels[name], pictures.get(name))
        for name, path in sorted(found.items())
        if name in labels
    ]
    if not pairs:
        msg = (
            f"No mask has a truth of its name: masks are called {_some(found)}, "
            f"truths {_some(labels)}."
        )
        raise ConfigError(msg)
    reason = f"{truths} has no truth of this name."
    alone = dict.fromkeys(sorted(set(found) - set(labels)), reason)
    return Pairs(pairs, alone, classes)


def _some(names: Mapping[str, Path]) -> str:
    return ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")  # noqa: PLR2004


def _case_of(path: Path) -> str:
    name = io.stem(path)
    return path.parent.name if name == MASK else name


def _by_name(folder: Path) -> dict[str, Path]:
    """Return {case: file} of a folder: files, and the masks in folders of their own."""
    if not folder.is_dir():
        msg = f"{folder} is no folder and no volume file that is there."
        raise ConfigError(msg)
    there = [p for p in sorted(folder.iterdir()) if p.name.endswith(io.SUFFIXES)]
    deeper = [
        p / f"{MASK}{end}"
        for p in sorted(folder.iterdir())
        if p.is_dir()
        for end in io.SUFFIXES
        if (p / f"{MASK}{end}").is_file()
    ]
    return {_case_of(path): path for path in [*deeper, *there] if not path.name.startswith(".")}
