"""A case is called by its file, and by as many folders as tell it apart."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from napari_attn_unet.errors import DatasetError
from napari_attn_unet.io import case_names
from napari_attn_unet.io.names import key_of, match_keys


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/x.nii.gz", "b/y.NII"], ["x", "y"]),
        (["a/x.nii.gz", "b/x.NII.GZ", "c/y.nii"], ["a/x", "b/x", "y"]),
        (["s1/anat/t1.nii", "s2/anat/t1.nii"], ["s1/anat/t1", "s2/anat/t1"]),
        (["a/x.nii", "b/x.nii", "c/a/x.nii"], ["d/a/x", "b/x", "c/a/x"]),
        (["pat 01.v2.final.nii.gz", "-dash.nii", "100%.nii"], ["pat 01.v2.final", "-dash", "100%"]),
    ],
)
def test_a_case_is_called_by_what_tells_it_apart(
    paths: list[str], names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path / "d")
    assert case_names(paths) == names


def test_umlauts_are_one_name_in_either_spelling() -> None:
    apart = unicodedata.normalize("NFD", "Müller")
    assert apart != "Müller"
    assert case_names([f"{apart}.nii"]) == ["Müller"]
    with pytest.raises(DatasetError, match="would be one case"):
        case_names(["Müller.nii", f"{apart}.nii"])


def test_a_file_that_is_given_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for again in ("x.nii", "./x.nii", "y/../x.nii", tmp_path / "x.nii"):
        with pytest.raises(DatasetError, match="given twice"):
            case_names(["x.nii", "a.nii", again])
    with pytest.raises(DatasetError, match=r"x.nii and x.nii.gz would be one case, 'x'"):
        case_names(["x.nii", "x.nii.gz"])


def keys(*names: str) -> list[tuple[str, ...]]:
    return [key_of(Path(name)) for name in names]


def test_a_name_is_no_match_where_folders_tell_cases_apart() -> None:
    matches = match_keys(keys("s1/x", "s2/x", "s3/y"), keys("s2/x", "s3/x", "s4/y"))
    assert matches.found == {("s2", "x"): ("s2", "x")}
    assert matches.loosely == {}


def test_the_longest_end_that_agrees_decides() -> None:
    matches = match_keys(keys("b/a/x", "y"), keys("x", "a/x", "c/y", "t/x"))
    assert matches.found == {("b", "a", "x"): ("a", "x"), ("y",): ("c", "y")}
    assert match_keys(keys("x"), keys("t/x", "x")).found == {("x",): ("x",)}


def test_what_could_be_of_two_is_unclear_even_if_one_of_them_has_another_partner() -> None:
    assert match_keys(keys("x"), keys("t/x", "u/x")).unclear != []
    matches = match_keys(keys("x", "a/x"), keys("a/x", "b/x"))
    assert matches.found == {("a", "x"): ("a", "x")}
    assert matches.unclear == [(("x",), ("b", "x"))]


def test_a_thousand_cases_are_matched_at_once() -> None:
    first = keys(*(f"m/s{i}/a/b/x" for i in range(1000)))
    second = keys(*(f"t/u/s{i}/a/b/x" for i in range(1000)))
    assert len(match_keys(first, second).found) == 1000


def test_names_that_some_disks_take_for_one_are_told_apart_by_their_folders() -> None:
    assert case_names(["x/A.nii", "y/a.nii"]) == ["x/A", "y/a"]
