"""Every mask finds its truth, or is told; what could be of two is refused."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from many import CASES, PLACE

from napari_attn_unet import io
from napari_attn_unet.errors import ConfigError, DatasetError
from napari_attn_unet.report.pairs import Pair, find_pairs, names_of

LOBES = {0: "background", 1: "front lobe", 2: "back lobe"}


def lay(folder: Path, *names: str) -> Path:
    """Touch files: which belong together is told by names alone."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def told(folder: Path, image: str = "brain", classes: Sequence[str] = ("background",)) -> None:
    """Write the prediction.json that stands beside what was predicted."""
    about = {
        "provenance": {"image": image},
        "classes": [[name, [0, 0, 0]] for name in classes],
        "affine": np.eye(4).tolist(),
        "unit": "mm",
    }
    (folder / "prediction.json").write_text(json.dumps(about))


def listed(folder: Path, *pairs: tuple[str, str]) -> Path:
    """Lay a dataset that lists these images and labels."""
    lay(folder, *(name for pair in pairs for name in pair))
    training = [{"image": image, "label": label} for image, label in pairs]
    about = {"labels": {"0": "background", "1": "blob"}, "training": training}
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def found(masks: Path, truths: Path) -> dict[str, tuple[str, str]]:
    """Return {case: (mask, truth)}, below their folders."""
    return {
        pair.name: (
            pair.mask.relative_to(masks).as_posix(),
            pair.truth.relative_to(truths).as_posix(),
        )
        for pair in find_pairs(masks, truths).pairs
    }


def test_folders_files_and_a_dataset(dataset: Path, masks: Path) -> None:
    for truths in (dataset / "labelsTr", dataset / "dataset.json", dataset):
        pairs, alone, missing, classes, notes = find_pairs(masks, truths, dataset / "imagesTr")
        assert [pair.name for pair in pairs] == list(CASES)
        assert (alone, missing, list(notes)) == ({}, {}, [])
        assert pairs[1].mask == masks / "case_2" / "mask.nii.gz"
        assert all(pair.image is not None for pair in pairs)
        assert classes == ({} if truths.name == "labelsTr" else LOBES)


def test_one_file_finds_its_truth(dataset: Path, masks: Path) -> None:
    mask, truth = masks / "case_2" / "mask.nii.gz", dataset / "labelsTr" / "case_1.nii.gz"
    assert find_pairs(mask, truth).pairs == [Pair("case_2", mask, truth)]
    for truths in (dataset, dataset / "labelsTr"):
        (pair,) = find_pairs(mask, truths).pairs
        assert (pair.name, pair.truth.name) == ("case_2", "case_2.nii.gz")
    (pair,) = find_pairs(masks / "case_1.nii.gz", dataset).pairs
    assert (pair.name, pair.image) == ("case_1", dataset / "imagesTr" / "case_1.nii.gz")
    shutil.rmtree(masks / "case_3")
    (masks / "case_1.nii.gz").unlink()
    assert find_pairs(masks, truth).pairs == [Pair("case_2", mask, truth)]


def test_what_has_no_partner_is_told(dataset: Path, masks: Path) -> None:
    io.write(masks / "other.nii.gz", np.zeros((4, 4, 4), np.uint8), PLACE)
    (masks / "case_1.nii.gz").unlink()
    for truths in (dataset, dataset / "labelsTr"):
        result = find_pairs(masks, truths)
        assert [pair.name for pair in result.pairs] == ["case_2", "case_3"]
        assert "no truth" in result.alone.pop("other")
        assert "no mask" in result.missing.pop("case_1")
        assert not result.alone
        assert not result.missing


def test_what_cannot_be_paired_is_refused(dataset: Path, masks: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no masks"):
        find_pairs(tmp_path / "empty", dataset)
    with pytest.raises(ConfigError, match="no folder"):
        find_pairs(tmp_path / "nowhere", dataset)
    io.write(tmp_path / "t" / "x.nii.gz", np.zeros((4, 4, 4), np.uint8), PLACE)
    with pytest.raises(ConfigError, match=r"called case_1, case_2, case_3"):
        find_pairs(masks, tmp_path / "t")
    with pytest.raises(ConfigError, match="holds no truths"):
        find_pairs(masks, tmp_path / "empty")
    with pytest.raises(ConfigError, match="does not exist"):
        find_pairs(masks, tmp_path / "nowhere")
    (dataset / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match="training"):
        find_pairs(masks, dataset)


# --- names and folders ---------------------------------------------------------------------------
def test_folders_tell_files_of_one_name_apart(tmp_path: Path) -> None:
    masks = lay(tmp_path / "m", "sub1/scan/mask.nii.gz", "sub2/scan.nii.gz", "sub3/scan.nii.gz")
    truths = lay(tmp_path / "t", *(f"sub{i}/scan.nii.gz" for i in (2, 1, 4)))
    assert found(masks, truths) == {
        "sub1/scan": ("sub1/scan/mask.nii.gz", "sub1/scan.nii.gz"),
        "sub2/scan": ("sub2/scan.nii.gz", "sub2/scan.nii.gz"),
    }
    result = find_pairs(masks, truths)
    assert list(result.alone) == ["sub3/scan"]  # and not the truth of sub4
    assert list(result.missing) == ["sub4/scan"]


@pytest.mark.parametrize(
    ("masks", "truths", "cases"),
    [
        (("a/c1.nii.gz", "b/c2.nii.gz"), ("c1.nii.gz", "c2.nii.gz"), ["c1", "c2"]),
        (("c1.nii.gz", "c2.nii.gz"), ("a/c1.nii", "b/c2.nii"), ["c1", "c2"]),
        (
            ("s1/mask.nii", "s2/mask.nii"),
            ("s1/label.nii", "s2/label.nii"),
            ["s1/label", "s2/label"],
        ),
        (("s1/scan.nii", "s2/scan.nii"), ("s1.nii", "s2.nii"), ["s1", "s2"]),
        (("c1_0000.nii", "c2_0000/mask.nii"), ("c1.nii", "c2.nii"), ["c1", "c2"]),
        (("x.nii", "a/x.nii"), ("x.nii", "a/x.nii"), ["a/x", "x"]),
        (("a/x.nii",), ("b/x.nii",), ["x"]),
    ],
)
def test_as_much_of_a_path_as_there_is_tells_the_case(
    masks: tuple[str, ...], truths: tuple[str, ...], cases: list[str], tmp_path: Path
) -> None:
    pairs = found(lay(tmp_path / "m", *masks), lay(tmp_path / "t", *truths))
    assert sorted(pairs) == cases
    assert [pairs[name] for name in sorted(pairs)] == sorted(zip(masks, truths, strict=True))


def test_what_is_paired_though_its_folders_differ_is_told(tmp_path: Path) -> None:
    masks = lay(tmp_path / "m", "fold0/c1.nii.gz", "fold0/c2.nii.gz")
    result = find_pairs(masks, lay(tmp_path / "t", "test/c1.nii.gz", "test/c2.nii.gz"))
    assert [pair.name for pair in result.pairs] == ["c1", "c2"]
    assert "fold0/c1.nii.gz with" in result.notes[0]


@pytest.mark.parametrize(
    ("masks", "truths"),
    [
        (("c.nii", "c.nii.gz"), ("c.nii",)),
        (("c.nii.gz", "c/mask.nii.gz"), ("c.nii",)),
        (("c/mask.nii", "c/MASK.NII.GZ"), ("c.nii",)),
        (("c.nii",), ("c.NII", "c.nii.gz")),
        (("a/c.nii", "b/c.nii"), ("c.nii",)),
        (("c.nii",), ("a/c.nii", "b/c.nii")),
    ],
)
def test_what_could_be_of_two_is_refused_by_name(
    masks: tuple[str, ...], truths: tuple[str, ...], tmp_path: Path
) -> None:
    two = masks if len(masks) > 1 else truths
    with pytest.raises(ConfigError) as refused:
        find_pairs(lay(tmp_path / "m", *masks), lay(tmp_path / "t", *truths))
    assert all(name in str(refused.value) for name in two)


def test_spelling_and_what_a_mac_leaves_are_no_matter(tmp_path: Path) -> None:
    names = ["Jürgen 01.v2", "-dash", "100%", "a[1]{x}#&'\"<b>", "1.3.6.1.4.1"]
    masks = lay(tmp_path / "m", *(f"{name}.NII.GZ" for name in names), "._100%.nii.gz")
    masks = lay(masks, ".DS_Store", "__MACOSX/._100%.nii.gz", "notes.txt")
    truths = lay(tmp_path / "t", *(unicodedata.normalize("NFD", f"{n}.nii") for n in names))
    lay(truths, "._-dash.nii", ".hidden/x.nii")
    result = find_pairs(masks, truths)
    assert [pair.name for pair in result.pairs] == sorted(names)
    assert (result.alone, result.missing) == ({}, {})


def test_links_are_what_they_are_called(tmp_path: Path) -> None:
    store = lay(tmp_path / "store", "sha-1.nii.gz", "sha-2.nii.gz", "run/mask.nii.gz")
    masks, truths = tmp_path / "m", lay(tmp_path / "t", "a.nii.gz", "b.nii.gz", "c.nii.gz")
    masks.mkdir()
    (masks / "a.nii.gz").symlink_to(store / "sha-1.nii.gz")
    (masks / "b.nii.gz").symlink_to(store / "nowhere.nii.gz")  # told when it is read
    (masks / "c").symlink_to(store / "run", target_is_directory=True)
    (masks / "again").symlink_to(masks, target_is_directory=True)
    assert sorted(found(masks, truths)) == ["a", "b", "c"]
    (pair,) = find_pairs(masks / "a.nii.gz", truths).pairs
    assert pair.truth.name == "a.nii.gz"


def test_a_file_without_a_folder_is_called_as_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truths = lay(tmp_path / "t", "brain.nii.gz", "other.nii.gz")
    monkeypatch.chdir(lay(tmp_path / "brain", "mask.nii.gz"))
    for masks in ("mask.nii.gz", "."):
        (pair,) = find_pairs(masks, truths).pairs
        assert (pair.name, pair.truth) == ("brain", truths / "brain.nii.gz")


# --- what predict and inspect write --------------------------------------------------------------
def test_only_masks_are_taken_of_what_a_prediction_left(tmp_path: Path) -> None:
    maps = ("gate1.nii.gz", "gate12.nii.gz", "probabilities.nii.gz", "gradcam_lobe_level2.nii.gz")
    results = lay(tmp_path / "results", "mask.nii.gz", "gates.csv", *maps)
    lay(results / "brain", "mask.nii.gz", *maps)
    lay(results / "brain" / "maps.zarr" / "0", "c.nii.gz")
    truths = lay(tmp_path / "labels", "brain.nii.gz")
    told(results)
    told(results / "brain")
    result = find_pairs(results, truths)
    assert [pair.mask for pair in result.pairs] == [results / "brain" / "mask.nii.gz"]
    assert result.alone == {}
    assert "mask.nii.gz is left out" in result.notes[0]
    shutil.rmtree(results / "brain")
    assert [(p.name, p.mask) for p in find_pairs(results, truths).pairs] == [
        ("brain", results / "mask.nii.gz")
    ]
    lay(results, "other.nii.gz")  # of the user
    assert list(find_pairs(results, truths).alone) == ["other"]
    (results / "mask.nii.gz").unlink()
    with pytest.raises(ConfigError, match="masks are called other, truths brain"):
        find_pairs(results, truths)


def test_names_that_predictions_agree_on_are_all_cases_names(tmp_path: Path) -> None:
    masks = lay(tmp_path / "m", "a/mask.nii", "b/mask.nii", "c.nii")
    truths = lay(tmp_path / "t", "a.nii", "b.nii", "c.nii")
    told(masks / "a", classes=("background", "lobe"))
    assert find_pairs(masks, truths).classes == {0: "background", 1: "lobe"}
    told(masks / "b", classes=("background", "wing"))
    assert find_pairs(masks, truths).classes == {}
    (masks / "b" / "prediction.json").write_text("{")
    assert find_pairs(masks, truths).classes == {0: "background", 1: "lobe"}


def test_classes_that_share_no_name_with_the_truths_are_told(tmp_path: Path) -> None:
    data = listed(tmp_path / "data", ("i/c1.nii", "l/c1.nii"))
    masks = lay(tmp_path / "m", "c1/mask.nii")
    told(masks / "c1", classes=("background", "front lobe", "back lobe"))
    (note,) = find_pairs(masks, data).notes
    assert "(front lobe, back lobe) have none of the truths' names (blob)" in note
    told(masks / "c1", classes=("nothing", "Blob"))
    assert list(find_pairs(masks, data).notes) == []


# --- datasets ------------------------------------------------------------------------------------
def test_a_dataset_pairs_an_image_and_a_label_that_are_called_differently(tmp_path: Path) -> None:
    names = [(f"imagesTr/img{i:04}.nii.gz", f"labelsTr/label{i:04}.nii.gz") for i in range(3)]
    data = listed(tmp_path / "data", *names)
    masks = lay(tmp_path / "m", "img0000/mask.nii.gz", "label0001.nii.gz", "fold/img0002.nii.gz")
    result = find_pairs(masks, data)
    assert [(p.name, p.truth.name) for p in result.pairs] == [
        (f"img{i:04}", f"label{i:04}.nii.gz") for i in range(3)
    ]
    assert (result.alone, result.missing, list(result.notes)) == ({}, {}, [])
    lay(masks, "img0001.nii.gz")
    with pytest.raises(ConfigError, match=r"img0001.nii.gz and \S*label0001.nii.gz are both"):
        find_pairs(masks, data)


def test_a_dataset_of_files_of_one_name(tmp_path: Path) -> None:
    names = [(f"images/sub{i}/scan.nii.gz", f"labels/sub{i}/seg.nii.gz") for i in range(3)]
    data = listed(tmp_path / "data", *names)
    masks = lay(tmp_path / "m", *(f"sub{i}/scan/mask.nii.gz" for i in range(2)))
    assert [(p.name, p.truth.parent.name) for p in find_pairs(masks, data).pairs] == [
        (f"sub{i}/scan", f"sub{i}") for i in range(2)
    ]
    (pair,) = find_pairs(masks / "sub1" / "scan" / "mask.nii.gz", data).pairs
    assert pair.name == "sub1/scan"
    with pytest.raises(ConfigError, match="not clear which belong together"):
        find_pairs(lay(tmp_path / "one", "scan.nii.gz"), data)


def test_a_mask_that_is_called_as_one_image_and_another_label_is_refused(tmp_path: Path) -> None:
    names = [(f"images/{i}.nii.gz", f"labels/{i + 1}.nii.gz") for i in range(2)]
    data = listed(tmp_path / "data", *names)
    with pytest.raises(ConfigError, match="two cases"):
        find_pairs(lay(tmp_path / "m", "1.nii.gz"), data)
    masks = lay(tmp_path / "p", "1/mask.nii.gz")  # predict calls them as the images
    assert [(p.name, p.truth.name) for p in find_pairs(masks, data).pairs] == [("1", "2.nii.gz")]


def test_a_dataset_file_may_have_any_name(tmp_path: Path) -> None:
    data = listed(tmp_path / "data", ("c1.nii", "l1.nii"))
    (data / "dataset.json").rename(data / "fold0.json")
    (pair,) = find_pairs(lay(tmp_path / "m", "c1.nii.gz"), data / "fold0.json").pairs
    assert pair.truth == data / "l1.nii"


# --- pictures ------------------------------------------------------------------------------------
def test_images_are_found_as_masks_are_and_their_lack_is_told(tmp_path: Path) -> None:
    masks = lay(tmp_path / "m", "c1/mask.nii", "c2/mask.nii")
    truths = lay(tmp_path / "t", "c1.nii", "c2.nii")
    images = lay(tmp_path / "i", "c1_0000.nii.gz", "else.nii.gz")
    result = find_pairs(masks, truths, images)
    assert [pair.image for pair in result.pairs] == [images / "c1_0000.nii.gz", None]
    assert "no image for c2" in result.notes[0]
    with pytest.raises(ConfigError, match="2 masks"):
        find_pairs(masks, truths, images / "else.nii.gz")
    (pair,) = find_pairs(masks / "c1", truths, images / "else.nii.gz").pairs
    assert pair.image == images / "else.nii.gz"
    with pytest.raises(ConfigError, match="no folder of images"):
        find_pairs(masks, truths, tmp_path / "nowhere")


def test_only_a_predictions_own_maps_have_its_classes_names(tmp_path: Path) -> None:
    lay(tmp_path, "mask.nii.gz", "c1.nii.gz")
    told(tmp_path, classes=("background", "liver"))
    assert names_of(tmp_path / "mask.nii.gz") == {0: "background", 1: "liver"}
    assert names_of(tmp_path / "c1.nii.gz") == {}


def test_a_dataset_s_cases_that_are_paired_by_name_alone_are_told(tmp_path: Path) -> None:
    masks = lay(tmp_path / "m", "siteA/s1.nii", "siteA/s2.nii")
    data = listed(
        tmp_path / "d",
        ("images/siteB/s1.nii", "labels/siteB/s1.nii"),
        ("images/siteB/s2.nii", "labels/siteB/s2.nii"),
    )
    result = find_pairs(masks, data / "dataset.json")
    assert len(result.pairs) == 2
    assert any("folders differ" in note for note in result.notes)
