"""Writing: whole or not at all, over nothing unasked; words that any console can show.

What a command writes to a place has names that are known before (`names`, as of `Path.glob`).
`claim` sees before the work that none of them is there; `result` lets what was written take its
place once all went well, and what an earlier run left there go with it.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

from napari_attn_unet.errors import FileError, reason

_PART = ".part-"
_NAMED = 3
_PLAIN = str.maketrans(
    dict.fromkeys("·–—−", "-")
    | dict.fromkeys("“”„", '"')
    | dict.fromkeys("‘’", "'")
    | dict.fromkeys("µμ", "u")
    | {"→": "->", "←": "<-", "×": "x", "…": "...", "∞": "inf", "≥": ">=", "≤": "<="}
    | {"±": "+-", "≈": "~", "α": "alpha", "Δ": "delta", "ß": "ss"}
)
"""How what a console lacks is spelled; letters with marks lose the marks."""


# --- folders and files --------------------------------------------------------------------------
def make_folder(path: str | Path) -> Path:
    """Make a folder if need be.

    Raises
    ------
    FileError
        If there cannot be one.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        taken = next((above for above in (path, *path.parents) if above.is_file()), None)
        msg = f"The folder {path} cannot be made: {reason(error)}. Choose another place."
        if taken is not None:
            msg = f"{taken} is a file, and a folder is needed there. Choose another name."
        raise FileError(msg) from error
    return path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to, which takes the place of `path` once all went well.

    The folder is made if need be. The temporary file has the ending of `path`, as writers go by
    it. Where anything fails, `path` is as it was.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".part-{path.name}")
    with _in_words(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Raise what the system says of a path that is written as a `FileError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileError):
            raise
        msg = f"{path} cannot be written: {reason(error)}. Choose another place or free some space."
        raise FileError(msg) from error


# --- a place of one's own -----------------------------------------------------------------------
def claim(
    folder: str | Path,
    names: Iterable[str],
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> None:
    """See, before the work, that a result can be written and replaces nothing unasked.

    Nothing is left there by it.

    Parameters
    ----------
    folder
        Where to; need not be there.
    names
        What the result may consist of, as patterns below the folder (`Path.glob`).
    overwrite
        Whether what is there by these names may be replaced.
    inputs
        Files and folders that are read: they are not replaced, even so.

    Raises
    ------
    FileError
        If the folder cannot be written to, or something has one of the names.
    """
    folder = Path(folder)
    there = _there(folder, names)
    for source in map(Path, inputs):
        real = source.resolve()
        for old in there:
            place = old.resolve()
            if real.is_relative_to(place) or place.is_relative_to(real):
                msg = f"{old} would be written over, but {source} is read. Choose another --out."
                raise FileError(msg)
    if there and not overwrite:
        named = ", ".join(str(old.relative_to(folder)) for old in there[:_NAMED])
        more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
        where = "This folder" if folder == Path() else folder
        msg = (
            f"{where} has {named}{more} already. Choose another --out, or write over what is "
            "there with --overwrite."
        )
        raise FileError(msg)
    for old in there:
        if old.is_dir() and not old.is_symlink() and old.suffix != ".zarr":
            msg = f"{old} is a folder, and a file is to be written there. Choose another --out."
            raise FileError(msg)
    with _scratch(folder):
        pass


@contextmanager
def result(
    folder: str | Path,
    names: Iterable[str],
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> Iterator[Path]:
    """Give a temporary folder for a result, whose files go to `folder` once all went well.

    What an earlier run left there by the names of a result goes then, whether the new one has it
    or not. Where anything fails, the folder is as it was.

    Parameters
    ----------
    folder, names, overwrite, inputs
        As of `claim`.

    Raises
    ------
    FileError
        As of `claim`.
    """
    folder, names, inputs = Path(folder), tuple(names), tuple(inputs)
    claim(folder, names, overwrite=overwrite, inputs=inputs)
    with _scratch(folder) as part:
        yield part
        claim(folder, names, overwrite=overwrite, inputs=inputs)  # the work took its time
        clear(folder, names)
        with _in_words(folder):
            _move(part, folder)


def clear(folder: str | Path, names: Iterable[str]) -> None:
    """Remove what has the names of a result; for what `claim` was asked with `overwrite`."""
    for old in _there(Path(folder), names):
        with _in_words(old):
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink()


def _there(folder: Path, names: Iterable[str]) -> list[Path]:
    return list(dict.fromkeys(path for name in names for path in sorted(folder.glob(name))))


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a temporary folder in a folder, and that if need be; leave none that is empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)
    try:
        with _in_words(folder):
            part = Path(tempfile.mkdtemp(prefix=_PART, dir=folder))
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


def _move(source: Path, target: Path) -> None:
    """Move what is in a folder into another on the same disk."""
    for path in sorted(source.iterdir()):
        there = target / path.name
        if path.is_dir() and there.is_dir():
            _move(path, there)
        else:
            os.replace(path, there)


# --- names ---------------------------------------------------------------------------------------
def not_there_yet(path: str | Path) -> Path:
    """Return a path where nothing is: `path` itself, or else "name (2).ending", "(3)" …."""
    path = Path(path)
    length = len(".nii.gz") if path.name.lower().endswith(".nii.gz") else len(path.suffix)
    begin, ending = path.name[: len(path.name) - length], path.name[len(path.name) - length :]
    free, number = path, 2
    while free.exists() or free.is_symlink():
        free, number = path.with_name(f"{begin} ({number}){ending}"), number + 1
    return free


def folder_for(folder: str | Path, case: str, names: Iterable[str]) -> Path:
    """Return where files of a case go without taking the place of others.

    Parameters
    ----------
    folder
        The folder that is asked for. It is returned if it has none of the files yet.
    case
        Name of the case; else a new folder of that name, in `folder`, is returned.
    names
        Of the files that are to be written; "gate*" is any that begins so.
    """
    folder = Path(folder)
    if not any(any(folder.glob(name)) for name in names):
        return folder
    return not_there_yet(folder / file_name(case))


def file_name(text: str) -> str:
    """Return a text as the name of a file, for every system: "a/b: c" -> "a_b_ c"."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', "_", text).strip().rstrip(". ") or "unnamed"


# --- the console --------------------------------------------------------------------------------
def plain_console() -> None:
    """Let stdout and stderr spell what their encoding lacks, instead of failing at it."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")


def mute_console() -> None:
    """Let nothing more be written to stdout and stderr, as nobody reads one of them any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Spell what an encoding lacks: "→" is "->", "ü" is "u", "²" is "2", others are escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    told = ""
    for character in error.object[error.start : error.end]:
        spelled = unicodedata.normalize("NFKD", character.translate(_PLAIN))
        spelled = "".join(c for c in spelled if not unicodedata.combining(c))
        if not spelled.isascii():
            spelled = character.encode("ascii", "backslashreplace").decode("ascii")
        told += spelled
    return told, error.end
