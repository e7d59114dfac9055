"""What a case is called, and which files are one case: by their paths alone.

`predict` names its folders so, a dataset its cases, a report its rows: what one of them wrote, the
others find. A name is the file's without the ending; where several files share that, the folders
that tell them apart come before it: "sub1/scan", "sub2/scan".
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from napari_attn_unet.errors import DatasetError, FileError
from napari_attn_unet.io.volumes import is_volume_file, stem

FIRST_CHANNEL = "_0000"
"""What nnU-Net adds to the name of a case's image."""
Key = tuple[str, ...]
"""A path as folders and name, without the ending, umlauts composed."""


def composed(text: str) -> str:
    """Return a text in Unicode's form C: a Mac's disk spells "ü" in two characters."""
    return unicodedata.normalize("NFC", text)


def key_of(path: Path) -> Key:
    """Return the key of a volume's path, relative or not: "a/b.NII.GZ" -> ("a", "b")."""
    return tuple(composed(part) for part in (*path.parent.parts, stem(path) or path.name))


def shortest_names(keys: Sequence[Key]) -> list[str]:
    """Return for every key its last part, after as many of those before as tell it apart.

    Equal keys keep equal names.
    """
    depths = [1] * len(keys)
    while True:
        names = ["/".join(key[-depth:]) for key, depth in zip(keys, depths, strict=True)]
        plain = [name.casefold() for name in names]  # disks there are that tell no A from a
        times = Counter(plain)
        short = [i for i, n in enumerate(plain) if times[n] > 1 and depths[i] < len(keys[i])]
        if not short:
            return names
        for i in short:
            depths[i] += 1


def case_names(paths: Sequence[str | Path]) -> list[str]:
    """Return what the cases of some files are called, each by a name of its own.

    Raises
    ------
    DatasetError
        If two cannot be told apart: a file given twice, or `a.nii` beside `a.nii.gz`.
    """
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  (links are kept)
    keys = [key_of(path) for path in whole]
    known: dict[Key, int] = {}
    for i, key in enumerate(keys):
        j = known.setdefault(key, i)
        if whole[i] == whole[j] and i != j:
            msg = f"{paths[i]} is given twice. Give every file once."
            raise DatasetError(msg)
        if i != j:
            msg = (
                f"{paths[j]} and {paths[i]} would be one case, {key[-1]!r}: a case is called by "
                "its file's name without the ending. Rename or leave out one of them."
            )
            raise DatasetError(msg)
    return shortest_names(keys)


class Matches(NamedTuple):
    """Keys of two sets that are the same case.

    Attributes
    ----------
    found
        {first: second}.
    loosely
        Those of `found` whose folders differ, so that only the end of their paths agrees.
    unclear
        (first, second) of those that could be of several.
    """

    found: dict[Key, Key]
    loosely: dict[Key, Key]
    unclear: list[tuple[Key, Key]]


def match_keys(first: Collection[Key], second: Collection[Key]) -> Matches:
    """Match two sets of keys, by as much of their paths as there is.

    Equal ones, then one that the other ends in ("case1" and "site/case1"), the longest first. What
    is left is matched without what all of a set end in ("sub1/scan", "sub2/scan" are "sub1" and
    "sub2"), then without what nnU-Net adds to the names of images. Where no folders agree so far,
    an end of the path that occurs once in both sets is enough, if need be the name alone.
    """
    found, unclear = _closest(first, second)
    if unclear:
        return Matches(found, {}, unclear)
    for change in (_without_common_end, _without_channel):
        left, right = _left(first, second, found)
        changed = {new: key for new, key in change(first).items() if key in left}
        others = {new: key for new, key in change(second).items() if key in right}
        found |= {changed[a]: others[b] for a, b in _closest(changed, others)[0].items()}
    loosely: dict[Key, Key] = {}
    if not any(len(a) > 1 and len(b) > 1 for a, b in found.items()):
        ends = [
            Counter(key[-n:] for key in keys for n in _lengths(key)) for keys in (first, second)
        ]
        for n in range(max(map(len, first), default=0), 0, -1):
            left, right = _left(first, second, found)
            there = {key[-n:]: key for key in right if ends[1][key[-n:]] == 1}
            loosely |= {
                key: there[key[-n:]] for key in left if ends[0][key[-n:]] == 1 and key[-n:] in there
            }
            found |= loosely
    return Matches(found, loosely, unclear)


def _lengths(key: Key) -> range:
    return range(1, len(key) + 1)


def _left(
    first: Collection[Key], second: Collection[Key], found: Mapping[Key, Key]
) -> tuple[dict[Key, None], dict[Key, None]]:
    taken = set(found.values())
    return (
        dict.fromkeys(key for key in first if key not in found),
        dict.fromkeys(key for key in second if key not in taken),
    )


def _closest(
    first: Collection[Key], second: Collection[Key]
) -> tuple[dict[Key, Key], list[tuple[Key, Key]]]:
    """Match equal keys and those that the other ends in; return which, and what is unclear."""
    links: dict[tuple[int, bool], list[tuple[Key, Key]]] = defaultdict(list)
    there, here = set(second), set(first)
    for a in first:
        for n in _lengths(a):
            if a[-n:] in there:
                links[n, n == len(a)].append((a, a[-n:]))
    for b in second:
        for n in _lengths(b)[:-1]:
            if b[-n:] in here:
                links[n, False].append((b[-n:], b))
    found: dict[Key, Key] = {}
    unclear: list[tuple[Key, Key]] = []
    done: tuple[set[Key], set[Key]] = (set(), set())
    for level in sorted(links, reverse=True):
        left = [(a, b) for a, b in links[level] if a not in done[0] and b not in done[1]]
        times = Counter(a for a, _ in links[level]), Counter(b for _, b in links[level])
        for a, b in left:
            if times[0][a] == times[1][b] == 1:
                found[a] = b
            else:
                unclear.append((a, b))
            done[0].add(a)
            done[1].add(b)
    return found, unclear


def _without_common_end(keys: Collection[Key]) -> dict[Key, Key]:
    common = 0
    if len(keys) > 1:
        least = min(map(len, keys)) - 1
        while common < least and len({key[-common - 1] for key in keys}) == 1:
            common += 1
    return {key[: len(key) - common]: key for key in keys}


def _without_channel(keys: Collection[Key]) -> dict[Key, Key]:
    return {(*key[:-1], key[-1].removesuffix(FIRST_CHANNEL)): key for key in keys}


def volumes_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the volume files of a folder at any depth, links followed, hidden files left out.

    Raises
    ------
    FileError
        If a folder cannot be read.
    """
    real = folder.resolve()
    if real in above:  # a link to where it lies
        return
    try:
        there = sorted(folder.iterdir())
    except OSError as error:
        msg = f"{folder} cannot be read: {error.strerror}."
        raise FileError(msg) from error
    for path in there:
        if path.name.startswith(".") or path.suffix.lower() == ".zarr":
            continue
        if path.is_dir():
            yield from volumes_below(path, above | {real})
        elif is_volume_file(path):
            yield path


class Disk:
    """Finds files that a text names in another spelling than the disk does."""

    def __init__(self) -> None:
        self._known: dict[Path, dict[str, Path]] = {}

    def find(self, folder: Path, name: str) -> Path:
        """Return a file below a folder, by its name or, if there is none, by one that means it.

        Umlauts may be in one character or two, an ending in capitals, and folders parted as
        Windows does. Where nothing is found, the path is as it was told.
        """
        told = folder / name
        if told.exists():
            return told
        found = folder
        for part in PurePosixPath(name.replace("\\", "/")).parts:
            step = found / part
            found = step if step.exists() else self._entries(found).get(_plain(part), step)
        return found if found.exists() else told

    def _entries(self, folder: Path) -> dict[str, Path]:
        if folder not in self._known:
            there = sorted(folder.iterdir()) if folder.is_dir() else []
            self._known[folder] = {_plain(path.name): path for path in there}
        return self._known[folder]


def _plain(name: str) -> str:
    """Return a name with its umlauts composed and its ending in small letters."""
    base = stem(name)
    return composed(base) + name[len(base) :].lower()
