"""A file is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_attn_unet import output
from napari_attn_unet.errors import FileError


def write_half(path: Path, error: BaseException) -> None:
    """Write something, then fail."""
    with output.replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_what_is_written_takes_the_place_of_what_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    for text in ("old", "new"):
        with output.replacing(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "old"
        assert path.read_text() == text
        assert list(path.parent.iterdir()) == [path]


def test_a_writer_sees_the_ending_of_the_name(tmp_path: Path) -> None:
    with output.replacing(tmp_path / "a.nii.gz") as temporary:
        assert temporary.name.endswith("a.nii.gz")
        assert temporary.parent == tmp_path
        temporary.touch()


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("no"), KeyboardInterrupt()])
def test_where_writing_fails_the_old_file_stays_and_nothing_else(
    error: BaseException, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises((FileError, type(error))):
        write_half(path, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_system_is_told_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(FileError, match=r"a\.txt cannot be written: disk full.*another place"):
        write_half(path, OSError("disk full"))
    assert not path.exists()
    (tmp_path / "taken").write_text("x")
    with pytest.raises(FileError, match="cannot be written"):
        write_half(tmp_path / "taken" / "a.txt", AssertionError("there is nowhere to write to"))


def test_words_that_were_found_already_stay(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"^the header is wrong$"):
        write_half(tmp_path / "a.txt", FileError("the header is wrong"))


def test_an_output_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    assert output.make_folder(tmp_path / "a" / "b").is_dir()
    assert output.make_folder(tmp_path / "a" / "b").is_dir()
