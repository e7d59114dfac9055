"""A dataset is read as it is, and split the same way every time."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from napari_attn_unet.errors import DatasetError
from napari_attn_unet.io import open_dataset
from napari_attn_unet.io.datasets import Dataset

ABOUT = {
    "name": "Blobs",
    "licence": "CC0",
    "modality": {"0": "T1", "1": "T2"},
    "labels": {"0": "background", "1": "front", "2": "back"},
}


def dataset(tmp_path: Path, cases: int = 10, **changed: object) -> Dataset:
    entries = [
        {"image": f"imagesTr/c{i:02}.nii.gz", "label": f"labelsTr/c{i:02}.nii.gz"}
        for i in range(cases)
    ]
    for path in (tmp_path / p for e in entries for p in e.values()):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "dataset.json").write_text(json.dumps(ABOUT | {"training": entries} | changed))
    return open_dataset(tmp_path)


def test_a_dataset_says_its_classes_channels_and_cases(tmp_path: Path) -> None:
    found = dataset(tmp_path, 3)
    assert found.classes == ("background", "front", "back")
    assert found.channels == 2
    assert [case.name for case in found.cases] == ["c00", "c01", "c02"]
    assert found.cases[1].label == tmp_path / "labelsTr/c01.nii.gz"
    assert found.about == {"name": "Blobs", "licence": "CC0"}
    assert found.complete() is found
    assert open_dataset(tmp_path / "dataset.json") == found


@pytest.mark.parametrize("holdout", [0.2, 0.24, 0.01, 0.99])
def test_a_split_gives_every_case_to_one_side(holdout: float, tmp_path: Path) -> None:
    found = dataset(tmp_path)
    trained, held_out = found.split(holdout, 3)
    assert sorted(c.name for c in trained + held_out) == sorted(c.name for c in found.cases)
    assert len(held_out) == {0.2: 2, 0.24: 2, 0.01: 1, 0.99: 9}[holdout]


def test_a_split_follows_the_seed_and_not_the_order_of_the_file(tmp_path: Path) -> None:
    found = dataset(tmp_path)
    turned = replace(found, cases=found.cases[::-1])
    splits = {seed: found.split(0.3, seed) for seed in range(5)}
    assert all(turned.split(0.3, seed) == split for seed, split in splits.items())
    assert len({tuple(c.name for c in held_out) for _, held_out in splits.values()}) > 1


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"labels": {"0": "background", "2": "back"}}, "without gaps"),
        ({"labels": {"1": "front", "2": "back"}}, "without gaps"),
        ({"labels": {"0": "background"}}, "without gaps"),
    ],
)
def test_labels_with_gaps_cannot_be_trained_on(
    changed: dict[str, object], word: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=word):
        dataset(tmp_path, **changed).complete()


def test_files_that_are_missing_and_cases_too_few_are_told(tmp_path: Path) -> None:
    found = dataset(tmp_path, 3)
    found.cases[2].label.unlink()
    with pytest.raises(DatasetError, match=r"not there: \S*labelsTr/c02.nii.gz. Bring"):
        found.complete()
    for case in found.cases:
        case.image.unlink()
    with pytest.raises(DatasetError, match=r"imagesTr/c02.nii.gz and 1 more. Bring"):
        found.complete()
    one = dataset(tmp_path, 1)
    for act in (one.complete, lambda: one.split(0.2, 0)):
        with pytest.raises(DatasetError, match="names 1 case; at least 2"):
            act()


def test_what_is_no_dataset_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Medical Segmentation Decathlon"):
        open_dataset(tmp_path)
    for text, word in (("{", "not valid JSON"), ('{"labels": {}}', "'training'"), ("[1]", "list")):
        (tmp_path / "dataset.json").write_text(text)
        with pytest.raises(DatasetError, match=word):
            open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="a name for each of the values"):
        dataset(tmp_path, labels={"-1": "nothing"})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_an_index_that_windows_saved_is_read(encoding: str, tmp_path: Path) -> None:
    expected = dataset(tmp_path, 2, name="Größe")
    index = tmp_path / "dataset.json"
    index.write_text(index.read_text(encoding="utf-8"), encoding=encoding)
    assert open_dataset(tmp_path) == expected


def test_an_index_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_bytes('{"name": "Größe"}'.encode("cp1252"))
    with pytest.raises(DatasetError, match="Save it as UTF-8"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"labels": ["background", "front"]}, r"'labels' are \[\"background\""),
        ({"labels": {}}, "'labels' are {}"),
        ({"labels": None}, "'labels'"),
        ({"labels": {"front": "1.5"}}, "0, 1, …"),
        ({"labels": {"background": 0, "front": 1, "1": "back"}}, "value 1 two names: front and"),
        ({"labels": {"background": 0, "whole": [1, 2]}}, "Regions of several values"),
        ({"labels": {"background": 0, "front": 1, "ignore": 2}}, "'ignore'"),
        ({"training": []}, "names no case"),
        ({"training": {"image": "a"}}, "'training' is {"),
        ({"training": None}, "'training'"),
        ({"training": ["imagesTr/a.nii.gz"]}, "one file"),
        ({"training": [{"image": "a.nii.gz"}]}, "case 1 is"),
        ({"training": [{"image": ["a.nii", "b.nii"], "label": "l.nii"}]}, "one file"),
        ({"training": [{"image": "", "label": ""}]}, "one file"),
    ],
)
def test_what_an_index_may_not_say_is_refused_in_words(
    changed: dict[str, object], word: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=word) as refused:
        dataset(tmp_path, **changed)
    assert "dataset.json" in str(refused.value)


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ([("a", "a"), ("b", "b"), ("a", "a")], "image .*a.nii.gz twice. Every"),
        ([("a", "a"), ("./a", "b")], "image .*a.nii.gz twice, with"),
        ([("a", "a"), ("b", "a")], "label .*a.nii.gz twice, with"),
        ([("a", "a"), ("x/../a", "b")], "twice"),
    ],
)
def test_a_case_that_is_listed_twice_is_named(
    entries: list[tuple[str, str]], word: str, tmp_path: Path
) -> None:
    training = [{"image": f"{i}.nii.gz", "label": f"labels/{k}.nii.gz"} for i, k in entries]
    with pytest.raises(DatasetError, match=word):
        dataset(tmp_path, 2, training=training)


def test_two_endings_of_one_image_are_refused(tmp_path: Path) -> None:
    training = [{"image": f"a{end}", "label": f"b{end}"} for end in (".nii", ".nii.gz")]
    with pytest.raises(DatasetError, match=r"a.nii and \S*a.nii.gz would be one case, 'a'"):
        dataset(tmp_path, 2, training=training)


def test_labels_with_gaps_are_read_and_only_training_refuses_them(tmp_path: Path) -> None:
    found = dataset(tmp_path, labels={"0": "background", "100": "disc", "201": "canal"})
    assert found.labels == {0: "background", 100: "disc", 201: "canal"}
    with pytest.raises(DatasetError, match=r"201: 'canal'.*Number them so"):
        found.complete()


def test_cases_of_one_file_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    entries = [
        {"image": f"images/{sub}/scan.nii.gz", "label": f"labels/{sub}/scan.nii.gz"}
        for sub in ("sub1", "sub2")
    ]
    found = dataset(tmp_path, 2, training=[*entries, {"image": "x/y.nii", "label": "z.nii"}])
    assert [case.name for case in found.cases] == ["sub1/scan", "sub2/scan", "y"]


def test_files_are_found_however_they_are_spelled(tmp_path: Path) -> None:
    there = ["Übung/Jürgen 1.NII.GZ", "Übung/b.nii", "labels/Jürgen 1.nii.gz", "labels/b.Nii"]
    for name in there:
        path = tmp_path / unicodedata.normalize("NFD", name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    training = [
        {"image": r"Übung\Jürgen 1.nii.gz", "label": "./labels/Jürgen 1.nii.gz"},
        {"image": "Übung/b.NII", "label": "labels/b.nii"},
    ]
    found = dataset(tmp_path, 1, training=training).complete()
    assert [case.name for case in found.cases] == ["Jürgen 1", "b"]


# --- nnU-Net v2 ----------------------------------------------------------------------------------
NNUNET = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "front": 1, "back": 2},
    "numTraining": 3,
    "file_ending": ".nii.gz",
}


def nnunet(folder: Path, **changed: object) -> Dataset:
    for i in range(3):
        for name in (f"imagesTr/c{i}_0000.nii.gz", f"labelsTr/c{i}.nii.gz"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
    (folder / "imagesTr" / "._c0_0000.nii.gz").touch()
    (folder / "dataset.json").write_text(json.dumps(NNUNET | changed))
    return open_dataset(folder)


def test_a_dataset_of_nnunet_is_read(tmp_path: Path) -> None:
    found = nnunet(tmp_path).complete()
    assert found.classes == ("background", "front", "back")
    assert [case.name for case in found.cases] == ["c0", "c1", "c2"]
    assert found.cases[1].image == tmp_path / "imagesTr/c1_0000.nii.gz"
    assert found.cases[1].label == tmp_path / "labelsTr/c1.nii.gz"
    listed = {"x": {"images": ["imagesTr/c2_0000.nii.gz"], "label": "labelsTr/c0.nii.gz"}}
    (case,) = nnunet(tmp_path, dataset=listed).cases
    assert (case.name, case.image.name, case.label.name) == ("x", "c2_0000.nii.gz", "c0.nii.gz")


def test_what_lacks_its_other_half_in_nnunets_folders_is_missing(tmp_path: Path) -> None:
    nnunet(tmp_path)
    (tmp_path / "labelsTr/c1.nii.gz").unlink()
    (tmp_path / "imagesTr/c2_0000.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"labelsTr/c1.nii.gz, \S*imagesTr/c2_0000.nii.gz\."):
        open_dataset(tmp_path).complete()


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"channel_names": {"0": "T1", "1": "T2"}}, "2 channels in 2 files a case"),
        ({"file_ending": ".nrrd"}, "'.nrrd' files"),
        ({"file_ending": None}, "None files"),
    ],
)
def test_what_of_nnunet_is_not_read_is_said(
    changed: dict[str, object], word: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=word):
        nnunet(tmp_path, **changed)
    (tmp_path / "dataset.json").write_text(json.dumps(NNUNET))
    (tmp_path / "imagesTr" / "c0.nii").touch()
    with pytest.raises(DatasetError, match="would be one case"):
        open_dataset(tmp_path)
    (tmp_path / "imagesTr").rename(tmp_path / "images")
    with pytest.raises(DatasetError, match=r"no folder \S*imagesTr"):
        open_dataset(tmp_path)
