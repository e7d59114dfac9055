"""Writing: a folder made before the work, a file that is there whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_attn_unet.errors import FileError


def make_folder(path: str | Path) -> Path:
    """Make a folder if need be, before the work that is to be written there.

    Raises
    ------
    FileError
        If there cannot be one.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{path} cannot be an output folder: {error}. Choose another."
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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        msg = f"{path} cannot be written: {error}. Choose another place or free some space."
        raise FileError(msg) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
