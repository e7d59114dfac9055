"""A file is there whole or not at all."""

from __future__ import annotations

import sys
from io import BytesIO, TextIOWrapper
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
    [("a/b: c", "a_b_ c"), ("mask · brain", "mask · brain"), ("end. ", "end"), ("..", "unnamed")],
)
def test_any_text_can_name_a_file(text: str, name: str) -> None:
    assert output.file_name(text) == name


# --- a place of one's own -----------------------------------------------------------------------
NAMES = ("mask.nii*", "gate[1-9]*.nii*", "about.json", "maps.zarr", "deep/**/mask.nii*")


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"old {name}")


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_nothing_is_written_over_unasked(tmp_path: Path) -> None:
    for name in ("mask.nii.gz", "mask.nii", "gate2.nii.gz", "maps.zarr/a", "deep/b/c/mask.nii"):
        folder = tmp_path / name.replace("/", "-")
        fill(folder, name, "notes.txt")
        before = files(folder)
        with pytest.raises(FileError, match="--overwrite"):
            output.claim(folder, NAMES)
        with pytest.raises(FileError, match="--overwrite"), output.result(folder, NAMES):
            pytest.fail("the work began")
        assert files(folder) == before


def test_what_has_other_names_is_in_nobodys_way(tmp_path: Path) -> None:
    fill(tmp_path, "notes.txt", "case/mask.nii.gz", "gate.nii.gz")
    output.claim(tmp_path, NAMES)
    with output.result(tmp_path, NAMES) as part:
        fill(part, "mask.nii.gz")
    assert set(files(tmp_path)) == {"notes.txt", "case/mask.nii.gz", "gate.nii.gz", "mask.nii.gz"}


def test_a_new_result_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    fill(tmp_path, "mask.nii.gz", "gate1.nii.gz", "maps.zarr/a/0", "about.json", "notes.txt")
    with output.result(tmp_path, NAMES, overwrite=True) as part:
        (part / "mask.nii.gz").write_text("new")
        (part / "maps.zarr").mkdir()
        (part / "maps.zarr" / "b").write_text("new")
        assert (tmp_path / "gate1.nii.gz").exists()
    assert files(tmp_path) == {
        "mask.nii.gz": "new",
        "maps.zarr/b": "new",
        "notes.txt": "old notes.txt",
    }


@pytest.mark.parametrize("error", [OSError("no"), RuntimeError("no"), KeyboardInterrupt()])
def test_where_the_work_fails_the_old_result_stays(error: BaseException, tmp_path: Path) -> None:
    fill(tmp_path / "there", "mask.nii.gz")
    for folder in (tmp_path / "there", tmp_path / "new" / "deep"):

        def fail(folder: Path = folder) -> None:
            with output.result(folder, NAMES, overwrite=True) as part:
                fill(part, "mask.nii.gz", "gate1.nii.gz")
                raise error

        with pytest.raises(type(error)):
            fail()
    assert files(tmp_path) == {"there/mask.nii.gz": "old mask.nii.gz"}
    assert not (tmp_path / "new").exists()


def test_what_came_while_the_work_went_on_is_not_written_over(tmp_path: Path) -> None:
    def write() -> None:
        with output.result(tmp_path, NAMES) as part:
            (part / "mask.nii.gz").write_text("new")
            fill(tmp_path, "mask.nii.gz")

    with pytest.raises(FileError, match="already"):
        write()
    assert files(tmp_path) == {"mask.nii.gz": "old mask.nii.gz"}


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(out, "mask.nii.gz", "deep/a/mask.nii.gz", "maps.zarr/0")
    (tmp_path / "link").symlink_to(out / "mask.nii.gz")
    for source in (out / "mask.nii.gz", tmp_path / "link", out / "deep", out / "maps.zarr" / "0"):
        with pytest.raises(FileError, match="is read"):
            output.claim(out, NAMES, overwrite=True, inputs=[source])
    output.claim(out, NAMES, overwrite=True, inputs=[out / "other.nii.gz"])


def test_a_place_is_tried_before_the_work_and_left_as_it_was(tmp_path: Path) -> None:
    output.claim(tmp_path / "a" / "b", NAMES)
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(FileError, match="Choose another") as raised:
            output.claim(place, NAMES)
        assert "Errno" not in str(raised.value)
    (tmp_path / "out" / "mask.nii").mkdir(parents=True)
    with pytest.raises(FileError, match="is a folder"):
        output.claim(tmp_path / "out", NAMES, overwrite=True)


# --- the console --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("encoding", "text", "told"),
    [
        ("ascii", "a → b · 3 mm² × 2 …", "a -> b - 3 mm2 x 2 ..."),
        ("ascii", "Müller µm Å ≥ ½", "Muller um A >= \\xbd"),
        ("ascii", "日本", "\\u65e5\\u672c"),
        ("cp1252", "→ ² · ü 日", "-> ² · ü \\u65e5"),
        ("cp932", "日 ² ü", "日 2 u"),
        ("cp936", "中 ² →", "中 2 →"),
        ("utf-8", "→ \udcff", "→ \\udcff"),  # a file's name that is no UTF-8
    ],
)
def test_what_a_console_lacks_is_spelled(
    encoding: str, text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = BytesIO()
    monkeypatch.setattr("sys.stdout", TextIOWrapper(raw, encoding))
    output.plain_console()
    sys.stdout.write(text)
    sys.stdout.flush()
    assert raw.getvalue().decode(encoding) == told
