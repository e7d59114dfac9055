"""Which mask belongs to which truth.

By the entries of a dataset.json, else by paths: equal ones first, then one that the other ends in
("case1" and "site/case1"). What cannot be told is refused or listed, never guessed.
"""
# Over 350 lines: what lies in a folder and what belongs together are one question.

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from napari_attn_unet import io
from napari_attn_unet.errors import AttnUNetError, ConfigError
from napari_attn_unet.io.datasets import INDEX, index_of, open_dataset
from napari_attn_unet.io.names import (
    Key,
    Matches,
    composed,
    key_of,
    match_keys,
    shortest_names,
    volumes_below,
)
from napari_attn_unet.io.results import ABOUT
from napari_attn_unet.scores.matching import match

MASK = "mask"
"""Name of the mask in a folder that `predict` wrote."""
_MAPS = re.compile(r"(.*[ _.-])?gate ?\d+|(.*[ _.-])?probabilities|.*gradcam.*", re.IGNORECASE)
"""Names of what lies beside it."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """Files of one case: its mask, its truth and, for pictures, its image or None."""

    name: str
    mask: Path
    truth: Path
    image: Path | None = None

    @property
    def key(self) -> Key:
        """The name, as paths are compared by."""
        return tuple(self.name.split("/"))


class Pairs(NamedTuple):
    """What belongs together, and what has no partner.

    Attributes
    ----------
    pairs
        Sorted by name, which is what `io.case_names` calls the case.
    alone
        {name: reason} of the masks that have no truth.
    missing
        {name: reason} of the truths that have no mask.
    classes
        {value: name}; empty if nothing tells them.
    notes
        What else a person should know of how they were found.
    """

    pairs: list[Pair]
    alone: dict[str, str]
    missing: dict[str, str]
    classes: Mapping[int, str]
    notes: Sequence[str] = ()


def find_pairs(masks: str | Path, truths: str | Path, images: str | Path | None = None) -> Pairs:
    """Match masks to truths.

    Parameters
    ----------
    masks
        A file, or a folder with `CASE.nii.gz` or `CASE/mask.nii.gz` for each case, at any depth.
    truths
        A file, a folder with `CASE.nii.gz`, or a dataset.json (or its folder), which pairs files
        of different names, too.
    images
        A file or folder of images with the names of masks or truths, for the pictures; a
        dataset.json brings its own.

    Raises
    ------
    ConfigError
        If there is no pair at all, or several files are one case.
    DatasetError
        If the dataset.json cannot be used.
    FileError
        If a folder cannot be read.
    """
    masks, truths = Path(masks), Path(truths)
    if not truths.exists():
        msg = f"{truths} does not exist. A folder of truths or a {INDEX} is needed for these masks."
        raise ConfigError(msg)
    found, notes = _cases_in(masks, "masks")
    index = index_of(truths)
    result = _by_dataset(found, index) if index is not None else _by_path(found, truths)
    result = result._replace(notes=(*notes, *result.notes))
    return result if images is None else _pictured(result, Path(images))


# --- what lies in a folder -----------------------------------------------------------------------
def _collected(files: Sequence[tuple[Key, Path]]) -> dict[Key, Path]:
    """Return {key: file}; refuse two files of one key."""
    found: dict[Key, Path] = {}
    for key, path in files:
        if found.setdefault(key, path) is not path:
            raise _both(found[key], path, "/".join(key))
    return found


def _both(one: Path, other: Path, case: str) -> ConfigError:
    return ConfigError(f"{one} and {other} are both of the case {case}. Leave out one of them.")


def _cases_in(source: Path, what: str) -> tuple[dict[Key, Path], list[str]]:
    """Return {key: file} of the masks or truths of a file or folder, and what was left out.

    A mask.nii.gz in a folder of its own is the case that the folder is called after, and nothing
    else there is a case. Directly in the folder that was given, it is of the image that its
    prediction.json names, else of the case that this folder is called after.
    """
    whole = Path(os.path.abspath(source))  # noqa: PTH100  (the names of links count)
    if source.is_file():
        return {key_of(whole.parent if _is_mask(source) else whole): source}, []
    if not source.is_dir():
        msg = f"{source} is no folder and no volume file that is there."
        raise ConfigError(msg)
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in volumes_below(source):
        folders[path.parent].append(path)
    files: list[tuple[Key, Path]] = []
    own: Path | None = None
    for folder, paths in folders.items():
        masks = [path for path in paths if _is_mask(path)]
        if masks and folder != source:
            files += [(key_of(folder.relative_to(source)), path) for path in masks]
            continue
        predicted = (folder / ABOUT).is_file()
        plain = [
            p
            for p in paths
            if not _is_mask(p) and not ((masks or predicted) and _MAPS.fullmatch(io.stem(p)))
        ]
        if masks and (predicted or not plain):
            own = masks[0]
        named = plain if own in masks else plain + masks
        files += [(key_of(path.relative_to(source)), path) for path in named]
    found, notes = _collected(files), list[str]()
    if own is not None:
        name = composed(_image_of(own) or whole.name)
        if (name,) in found:
            notes.append(f"{own} is left out: {found[name,]} is the mask of {name}.")
        else:
            found[name,] = own
    if not found:
        msg = f"{source} holds no {what}: CASE.nii.gz or CASE/{MASK}.nii.gz is needed."
        raise ConfigError(msg)
    return found, notes


def names_of(mask: Path, *, strict: bool = True) -> dict[int, str]:
    """Return {value: name} of a mask, from the prediction.json beside it; empty without one."""
    try:
        about = io.read_about(mask) if io.is_map_name(io.stem(mask)) else None
        return {} if about is None else {i: str(c[0]) for i, c in enumerate(about["classes"])}
    except Exception:
        if strict:
            raise
        return {}  # the case says so when it is evaluated


def note_on_names(pairs: Sequence[Pair], classes: Mapping[int, str]) -> list[str]:
    """Say so where no class of a mask has a name of the truths': each would count as wrong."""
    for pair in pairs:
        names = names_of(pair.mask, strict=False)
        matching = match(dict(names), dict(classes))
        shared = set(matching.mask.values()) & set(matching.truth.values()) - {0}
        if names and classes and not shared:
            told = (_some([*side.values()][1:]) for side in (names, classes))
            return [
                f"The classes of {pair.mask} ({next(told)}) have none of the truths' names "
                f"({next(told)}), so that none agrees. Call them the same in dataset.json."
            ]
    return []


def _image_of(mask: Path) -> str | None:
    """Return the image that the prediction.json beside a mask names, if it does."""
    try:
        return str((io.read_about(mask) or {})["provenance"]["image"])
    except (AttnUNetError, KeyError, TypeError):
        return None


def _is_mask(path: Path) -> bool:
    return io.stem(path).lower() == MASK


# --- what belongs together -----------------------------------------------------------------------
def _by_path(masks: Mapping[Key, Path], truths: Path) -> Pairs:
    """Pair masks with the truths of a file or folder, by their paths."""
    if truths.is_file():
        if len(masks) > 1:
            msg = (
                f"{truths} is one file. A folder of truths or a {INDEX} is needed for these "
                f"{len(masks)} masks."
            )
            raise ConfigError(msg)
        ((key, mask),) = masks.items()
        return Pairs([Pair(key[-1], mask, truths)], {}, {}, {})
    others, notes = _cases_in(truths, "truths")
    names = dict(zip(others, shortest_names(list(others)), strict=True))
    partners, loosely, _ = _matched(masks, others)
    notes += _told_loosely(masks, others, loosely)
    pairs = [Pair(names[key], masks[mask], others[key]) for mask, key in partners.items()]
    rest = {names[key]: others[key] for key in others if key not in partners.values()}
    told = [known for path in masks.values() if (known := names_of(path, strict=False))]
    agreed = told[0] if told and all(other == told[0] for other in told) else {}
    return _accounted(pairs, masks, rest, truths)._replace(classes=agreed, notes=notes)


def _by_dataset(masks: Mapping[Key, Path], index: Path) -> Pairs:
    """Pair masks with the labels of a dataset, by the paths of its images or of its labels."""
    dataset = open_dataset(index)
    by_image, by_label = (
        {
            _key_below(index.parent, path): case
            for path, case in zip(paths, dataset.cases, strict=True)
        }
        for paths in ([c.image for c in dataset.cases], [c.label for c in dataset.cases])
    )
    whole = [
        {key: case.image for key, case in by_image.items()},
        {key: case.label for key, case in by_label.items()},
    ]
    matches = [_matched(masks, files) for files in whole]
    images, labels = matches[0].found, matches[1].found
    notes: list[str] = []
    for found, files in zip(matches, whole, strict=True):
        said = _told_loosely(masks, files, found.loosely, layout=2)  # imagesTr, labelsTr
        notes += [note for note in said if note not in notes]
    pairs: dict[str, Pair] = {}
    for mask, path in masks.items():
        case = by_image[images[mask]] if mask in images else None
        other = by_label[labels[mask]] if mask in labels else None
        if case is not None and other is not None and case != other and not _is_mask(path):
            msg = (
                f"{path} is called as {case.image}, and as {other.label}, which are two cases of "
                f"{index}. Call the masks as the images, CASE/{MASK}.nii.gz."
            )
            raise ConfigError(msg)
        case = case or other
        if case is None:
            continue
        if case.name in pairs:
            raise _both(pairs[case.name].mask, path, case.name)
        pairs[case.name] = Pair(case.name, path, case.label, case.image)
    rest = {case.name: case.label for case in dataset.cases if case.name not in pairs}
    result = _accounted([*pairs.values()], masks, rest, index)
    notes += note_on_names(result.pairs, dataset.labels)
    return result._replace(classes=dataset.labels, notes=notes)


def _key_below(folder: Path, path: Path) -> Key:
    return key_of(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _matched(masks: Mapping[Key, Path], truths: Mapping[Key, Path]) -> Matches:
    """Match by paths; refuse what could be of several."""
    matches = match_keys(masks, truths)
    if matches.unclear:
        several = (
            sorted({files[pair[side]] for pair in matches.unclear})
            for side, files in enumerate((masks, truths))
        )
        msg = (
            f"{' or '.join(map(_some, several))}: it is not clear which belong together. Lay masks "
            f"and truths into folders of the same names, or give a {INDEX} as truths."
        )
        raise ConfigError(msg)
    return matches


def _told_loosely(
    masks: Mapping[Key, Path],
    truths: Mapping[Key, Path],
    loosely: Mapping[Key, Key],
    layout: int = 1,
) -> list[str]:
    """Say which were paired by the end of their paths alone, though both lie in folders.

    `layout` is how many parts of a truth's path do not tell its case.
    """
    named = [
        f"{masks[a]} with {truths[b]}" for a, b in loosely.items() if len(a) > 1 and len(b) > layout
    ]
    return [f"Paired by name, though their folders differ: {_some(named)}."] if named else []


def _accounted(
    pairs: Sequence[Pair], masks: Mapping[Key, Path], rest: Mapping[str, Path], truths: Path
) -> Pairs:
    """Return the pairs with what has no partner: masks beside the pairs', and these truths.

    Raises
    ------
    ConfigError
        If there is no pair.
    """
    paired = {pair.mask for pair in pairs}
    names = dict(zip(masks.values(), shortest_names(list(masks)), strict=True))
    if not pairs:
        msg = (
            f"No mask has a truth of its name: masks are called {_some(sorted(names.values()))}, "
            f"truths {_some(sorted(rest))}. A {INDEX} as truths pairs files of different names."
        )
        raise ConfigError(msg)
    used = {pair.name for pair in pairs} | set(rest)
    alone = {
        str(path) if name in used else name: f"{path} is a mask, but {truths} has no truth for it."
        for path, name in names.items()
        if path not in paired
    }
    missing = {name: f"{path} is a truth that has no mask." for name, path in sorted(rest.items())}
    pairs = sorted(pairs, key=lambda pair: pair.name)
    return Pairs(pairs, dict(sorted(alone.items())), missing, {})


def _pictured(found: Pairs, images: Path) -> Pairs:
    """Return the pairs with the images of a file or folder, where one has their name."""
    if images.is_file():
        files = {found.pairs[0].key: images}
        if len(found.pairs) > 1:
            msg = f"{images} is one image, but there are {len(found.pairs)} masks. Give a folder."
            raise ConfigError(msg)
    elif images.is_dir():
        files = _collected([(key_of(p.relative_to(images)), p) for p in volumes_below(images)])
    else:
        msg = f"{images} is no folder of images and no volume file that is there."
        raise ConfigError(msg)
    wanted = [pair.key for pair in found.pairs]
    partners = match_keys(wanted, files).found
    pairs = [
        replace(pair, image=files[partners[pair.key]]) if pair.key in partners else pair
        for pair in found.pairs
    ]
    notes = list(found.notes)
    if bare := [pair.name for pair in pairs if pair.image is None]:
        notes.append(f"{images} has no image for {_some(bare)}.")
    return found._replace(pairs=pairs, notes=notes)


def _some(names: Sequence[object]) -> str:
    more = len(names) - _NAMED
    return ", ".join(map(str, names[:_NAMED])) + (f" and {more:,} more" if more > 0 else "")
