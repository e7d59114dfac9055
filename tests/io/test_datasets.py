"""A dataset is read as it is, and split the same way every time."""

from __future__ import annotations

import json
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
    with pytest.raises(DatasetError, match=r"1 files are missing.*c02"):
        found.complete()
    with pytest.raises(DatasetError, match="names 1 cases; at least 2"):
        replace(found, cases=found.cases[:1]).complete()


def test_what_is_no_dataset_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Medical Segmentation Decathlon"):
        open_dataset(tmp_path)
    for text, word in (("{", "not valid JSON"), ('{"labels": {}}', "'training'"), ("[1]", "list")):
        (tmp_path / "dataset.json").write_text(text)
        with pytest.raises(DatasetError, match=word):
            open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="a name for the values"):
        dataset(tmp_path, labels={"-1": "nothing"})
