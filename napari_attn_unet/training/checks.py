"""What is asked of the output and of the cases before the first step.

A night is soon wasted: on a name that cannot be written, on a class that no case shows, on a score
of images that were trained on. What makes a run worthless is refused; what somebody should know of
it is said, and comes back as sentences.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ConfigError, DatasetError, FileError
from napari_attn_unet.output import make_folder
from napari_attn_unet.training.config import TrainingConfig
from napari_attn_unet.training.data import Case

SUFFIX = ".safetensors"
MEAN = "mean"
"""What the mean over the classes is called among the scores."""
MOST_CLASSES = 256
SAME = 1e-3
"""Images whose voxels differ by no more, in standard deviations, are one image: a copy in another
type of number, compressed, or scaled, is one too."""
_SAMPLES = 256
_LISTED = 5


def check_output(out: Path, *, overwrite: bool) -> None:
    """Make sure that a checkpoint can be written, and replaces nothing unasked.

    Raises
    ------
    ConfigError
        If its name has another ending than the one it would be read back by.
    FileError
        If it is there already, or its folder cannot be written to.
    """
    if out.suffix.lower() != SUFFIX:
        msg = (
            f"A checkpoint is written as {SUFFIX}, but the name is {out.name!r}. "
            f"Name it {out.stem or 'checkpoint'}{SUFFIX}."
        )
        raise ConfigError(msg)
    make_folder(out.parent)
    probe = out.with_name(f".part-{out.name}.resume")  # the longest name that will be needed
    try:
        probe.touch()
        probe.unlink()
        there, is_folder = out.exists(), out.is_dir()
    except OSError as error:
        msg = f"{out} cannot be written: {error}. Choose another place."
        raise FileError(msg) from error
    if is_folder:
        msg = f"{out} is a folder. Give the name of the checkpoint to write."
        raise FileError(msg)
    if there and not overwrite:
        msg = f"{out} is there already. Choose another name, or allow it with --overwrite."
        raise FileError(msg)


def check_names(classes: Sequence[str]) -> None:
    """Make sure that every class can be told apart, in a mask and in the scores.

    Raises
    ------
    DatasetError
        If there are more classes than a mask of uint8 has values, or two share a name.
    """
    if len(classes) > MOST_CLASSES:
        msg = (
            f"A mask has room for {MOST_CLASSES} classes, but the dataset names {len(classes)}. "
            "Join some of them, or train on parts."
        )
        raise DatasetError(msg)
    shared = [name for name, times in Counter([MEAN, *classes]).items() if times > 1]
    if shared:
        msg = (
            f"Every class needs a name of its own, other than {MEAN!r}, but the dataset names "
            f"several {_listed(shared)}. Scores go by name."
        )
        raise DatasetError(msg)


def apart(
    training: Sequence[Case], held_out: Sequence[Case]
) -> tuple[list[Case], list[Case], list[str]]:
    """Return (training, held out) without an image that is in both; and what was found.

    An image that is held out under one name and trained on under another is trained on under
    both: a score of it would be one of what the network knows by heart.

    Raises
    ------
    DatasetError
        If nothing would be left to score.
    """
    known, moved = set(training), set[Case]()
    notes: list[str] = []
    for copies in _copies([*training, *held_out]):
        is_known = not known.isdisjoint(copies)
        if is_known:
            moved.update(case for case in copies if case not in known)
        names = _listed([case.name for case in copies])
        side = "trained on" if is_known else "held out"
        notes.append(f"{names} hold the same image: all are {side}.")
    if moved.issuperset(held_out):
        msg = (
            f"No image is left to score: every held-out case "
            f"({_listed([case.name for case in held_out])}) is a copy of one trained on. "
            "List each image once in dataset.json."
        )
        raise DatasetError(msg)
    first = sorted([*training, *moved], key=lambda case: case.name)
    return first, [case for case in held_out if case not in moved], notes


def _copies(cases: Sequence[Case]) -> list[list[Case]]:
    """Return the groups of two or more cases that hold the same image."""
    by_shape: dict[tuple[int, ...], list[Case]] = defaultdict(list)
    for case in cases:
        by_shape[case.image.shape].append(case)
    found: list[list[Case]] = []
    for shape, alike in by_shape.items():
        # A sample of voxels tells most images apart without reading them again.
        at = np.random.default_rng(0).integers(int(np.prod(shape)), size=_SAMPLES)
        samples = np.stack([case.image.reshape(-1)[at] for case in alike])
        groups: dict[int, list[Case]] = {}
        for i, case in enumerate(alike):
            firsts = np.fromiter(groups, int)
            near = firsts[np.abs(samples[firsts] - samples[i]).max(axis=1) <= SAME]
            first = next((int(k) for k in near if _same(alike[k], case)), i)
            groups.setdefault(first, []).append(case)
        found += [group for group in groups.values() if len(group) > 1]
    return found


def _same(a: Case, b: Case) -> bool:
    return bool(np.abs(a.image - b.image).max() <= SAME)


def check_classes(
    training: Sequence[Case], held_out: Sequence[Case], classes: Sequence[str], seed: int
) -> list[str]:
    """Return what is to be said of classes that a side of the split does not show.

    Raises
    ------
    DatasetError
        If no case shows any class, or one is held out from training altogether.
    """
    wanted = range(1, len(classes))
    learned, scored = shown([c.label for c in training]), shown_in_truth(held_out)
    if learned.isdisjoint(wanted):
        msg = (
            f"No case that is trained on shows any class ({', '.join(classes[1:])}): all of its "
            "voxels are background. Check the label files."
        )
        raise DatasetError(msg)
    lost = [classes[k] for k in wanted if k in scored and k not in learned]
    if lost:
        msg = (
            f"Only held-out cases show {_listed(lost)}: nothing of it would be learned. Choose "
            f"another seed of the split than {seed}, or hold out fewer cases."
        )
        raise DatasetError(msg)
    notes = []
    nowhere = [classes[k] for k in wanted if k not in learned]
    if nowhere:
        notes.append(f"No case shows {_listed(nowhere)}: the network will not learn it.")
    unscored = [classes[k] for k in wanted if k in learned and k not in scored]
    if unscored:
        notes.append(
            f"No held-out case shows {_listed(unscored)}: it will have no score. "
            "Another seed of the split may hold out one that does."
        )
    return notes


def shown_in_truth(cases: Sequence[Case]) -> set[int]:
    """Return the labels that the truth of any case has."""
    return shown([case.truth for case in cases])


def shown(labels: Sequence[npt.NDArray[Any]]) -> set[int]:
    """Return the labels that any of the arrays has."""
    return {int(k) for array in labels for k in np.unique(array)}


def fit_patch(config: TrainingConfig, cases: Sequence[Case]) -> tuple[TrainingConfig, list[str]]:
    """Return settings whose patch is no larger than the largest case; and what was done.

    All that lies beyond every case is zeros: time, and a picture that no prediction has.
    """
    multiple = 2 ** (config.levels - 1)
    largest = np.max([case.label.shape for case in cases], axis=0).tolist()
    z, y, x = (
        min(patch, -(-size // multiple) * multiple)
        for patch, size in zip(config.patch, largest, strict=True)
    )
    if (z, y, x) == config.patch:
        return config, []
    asked, have, fitted = (
        " × ".join(map(str, size)) for size in (config.patch, largest, (z, y, x))
    )
    note = f"The patch {asked} is larger than every image (up to {have}): {fitted} is taken."
    return replace(config, patch=(z, y, x)), [note]


def _listed(names: Collection[str]) -> str:
    """Return some names, and how many more there are."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(list(names)[:_LISTED]) + more
