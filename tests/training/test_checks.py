"""What would waste a night is refused before it, or said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled import CONFIG

from napari_attn_unet.errors import ConfigError, DatasetError, FileError
from napari_attn_unet.training import checks
from napari_attn_unet.training.checks import (
    apart,
    check_classes,
    check_names,
    check_output,
    fit_patch,
)
from napari_attn_unet.training.data import Case
from napari_attn_unet.volume import Volume

SHAPE = (6, 8, 10)
CLASSES = ("background", "core", "rim")


def case(name: str, seed: int, labels: tuple[int, ...] = (0, 1, 2), scale: float = 1.0) -> Case:
    image = np.random.default_rng(seed).normal(size=(1, *SHAPE)).astype(np.float32)
    truth = np.resize(np.array(labels, np.uint8), SHAPE)
    return Case(name, Volume(image * scale), image, truth, truth)


def names(cases: list[Case]) -> list[str]:
    return [c.name for c in cases]


# --- the output ---------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m", "m.ckpt", "m.nii.gz", "m.safetensors.zip"])
def test_a_name_that_would_not_be_read_back_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"written as \.safetensors"):
        check_output(tmp_path / name, overwrite=True)


def test_what_is_there_is_replaced_only_where_that_is_allowed(tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    out.write_bytes(b"a night's work")
    with pytest.raises(FileError, match=r"there already.*--overwrite"):
        check_output(out, overwrite=False)
    check_output(out, overwrite=True)
    assert out.read_bytes() == b"a night's work"


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    for out in ("file/m.safetensors", "folder.safetensors", f"{'long' * 62}.safetensors"):
        with pytest.raises(FileError):
            check_output(tmp_path / out, overwrite=False)
    with pytest.raises(FileError, match="cannot be"):
        check_output(Path("/proc/m.safetensors"), overwrite=False)


def test_a_place_that_can_be_written_to_is_made_and_left_empty(tmp_path: Path) -> None:
    check_output(tmp_path / "new/M.SAFETENSORS", overwrite=False)
    assert list((tmp_path / "new").iterdir()) == []


# --- one image under two names -----------------------------------------------------------------
def test_an_image_that_is_on_both_sides_is_only_trained_on() -> None:
    first, second, notes = apart([case("b", 0), case("d", 1)], [case("c", 0), case("a", 2)])
    assert (names(first), names(second)) == (["b", "c", "d"], ["a"])
    assert notes == ["b, c hold the same image: all are trained on."]


def test_a_case_listed_twice_under_one_name_is_only_trained_on() -> None:
    first, second, _ = apart([case("a", 0)], [case("a", 0), case("b", 1)])
    assert (names(first), names(second)) == (["a", "a"], ["b"])


def test_a_copy_within_a_side_is_said_and_stays_there() -> None:
    first, second, notes = apart([case("a", 0), case("b", 0)], [case("c", 1), case("d", 1)])
    assert (names(first), names(second)) == (["a", "b"], ["c", "d"])
    assert [note.split(":")[1] for note in notes] == [" all are trained on.", " all are held out."]


def test_a_copy_is_known_by_its_voxels_up_to_rounding_and_nothing_else() -> None:
    a = case("a", 0)
    rounded = replace(case("b", 0), image=a.image + np.float32(1e-4))
    assert names(apart([a], [rounded, case("c", 1)])[1]) == ["c"]
    other = a.image.copy()
    other[0, 3, 4, 5] += 0.5  # one voxel is enough
    _, held_out, notes = apart([a], [replace(case("b", 0), image=other)])
    assert (names(held_out), notes) == (["b"], [])
    turned = replace(case("b", 0), image=a.image.reshape(1, 10, 8, 6))
    assert names(apart([a], [turned])[1]) == ["b"]


def test_nothing_left_to_score_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"\(c, d\) is a copy of one trained on"):
        apart([case("a", 0)], [case("c", 0), case("d", 0)])


# --- classes ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (("background", "lesion", "cyst", "lesion"), "several lesion"),
        (("background", "mean"), "other than 'mean'"),
        (tuple(map(str, range(257))), "room for 256 classes.*names 257"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(classes: tuple[str, ...], told: str) -> None:
    with pytest.raises(DatasetError, match=told):
        check_names(classes)
    check_names(tuple(map(str, range(256))))


def test_a_class_that_only_held_out_cases_show_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"Only held-out cases show rim.*another seed.*than 7"):
        check_classes([case("a", 0, (0, 1))], [case("b", 1)], CLASSES, 7)


def test_a_class_that_a_side_lacks_is_said() -> None:
    whole, part = case("a", 0), case("b", 1, (0, 1))
    assert check_classes([whole], [whole], CLASSES, 0) == []
    (note,) = check_classes([whole], [part], CLASSES, 0)
    assert note.startswith("No held-out case shows rim: it will have no score.")
    (note,) = check_classes([part], [part], CLASSES, 0)
    assert note == "No case shows rim: the network will not learn it."


def test_a_dataset_of_background_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"shows any class \(core, rim\)"):
        check_classes([case("a", 0, (0,))], [case("b", 1)], CLASSES, 0)


# --- the patch ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "levels", "fitted"),
    [
        ((16, 16, 16), 2, (6, 8, 10)),
        ((16, 16, 16), 3, (8, 8, 12)),  # up to a multiple of 4
        ((4, 16, 4), 3, (4, 8, 4)),
        ((4, 8, 8), 3, (4, 8, 8)),
        ((8, 8, 12), 3, (8, 8, 12)),
    ],
)
def test_a_patch_is_no_larger_than_the_largest_case(
    asked: tuple[int, int, int], levels: int, fitted: tuple[int, int, int]
) -> None:
    config = replace(CONFIG, patch=asked, levels=levels)
    small = replace(case("b", 1), label=np.zeros((2, 2, 2), np.uint8))
    done, notes = fit_patch(config, [small, case("a", 0)])
    assert done == replace(config, patch=fitted)
    assert bool(notes) == (asked != fitted)
    assert all(" × ".join(map(str, fitted)) in note for note in notes)


def test_many_names_are_counted() -> None:
    assert checks._listed("abcdefg") == "a, b, c, d, e and 2 more"
