"""Writing: a folder made before the work, a file that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
