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


@pytest.mark.parametrize(
    ("name", "second", "third"),
    [
        ("a.nii.gz", "a (2).nii.gz", "a (3).nii.gz"),
        ("case.1.csv", "case.1 (2).csv", "case.1 (3).csv"),
        ("folder", "folder (2)", "folder (3)"),
        ("A.NII.GZ", "A (2).NII.GZ", "A (3).NII.GZ"),
    ],
)
def test_a_name_that_is_taken_gets_a_number(
    name: str, second: str, third: str, tmp_path: Path
) -> None:
    for expected in (name, second, third):
        path = output.not_there_yet(tmp_path / name)
        assert path == tmp_path / expected
        path.touch()


def test_a_case_has_a_folder_of_its_own_where_another_s_files_are(tmp_path: Path) -> None:
    names = ("about.json", "gate[1-9]*.nii*")
    assert output.folder_for(tmp_path / "new", "brain", names) == tmp_path / "new"
    (tmp_path / "notes.txt").touch()
    assert output.folder_for(tmp_path, "brain", names) == tmp_path
    (tmp_path / "gate2.nii.gz").touch()
    assert output.folder_for(tmp_path, "a/b", names) == tmp_path / "a_b"
    (tmp_path / "a_b").mkdir()
    assert output.folder_for(tmp_path, "a/b", names) == tmp_path / "a_b (2)"


@pytest.mark.parametrize(
    ("text", "name"),
    [("a/b: c", "a_b_ c"), ("brain · mask", "brain · mask"), ("end. ", "end"), ("..", "unnamed")],
)
def test_any_text_can_name_a_file(text: str, name: str) -> None:
    assert output.file_name(text) == name
