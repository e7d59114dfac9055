"""`evaluate` accounts for every case, in its tables, its page and its exit code."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from many import CASES, header, labelled, table

from napari_attn_unet.cli.main import main
from napari_attn_unet.report.evaluation import evaluate

CASES_HEADER = (
    "case,class,Dice,IoU,precision,recall,mask (mm³),truth (mm³),difference (%),HD95 (mm),"
    "ASSD (mm),surface Dice at 1 mm,objects found,objects missed,objects spurious"
)
"""Scripts read it: a change of a title breaks those."""


def test_evaluate(
    dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["evaluate", str(masks), str(dataset), "--out", str(out), "--workers", "1"]
    assert main(command) == 0
    cases = table(out / "cases.csv")
    assert [row["case"] for row in cases] == [name for name in CASES for _ in range(3)]
    assert float(cases[0]["Dice"]) == 1
    summary = table(out / "summary.csv")
    mean = np.mean([float(r["Dice"]) for r in cases if r["class"] == "back lobe"])
    (row,) = (r for r in summary if (r["class"], r["metric"]) == ("back lobe", "Dice"))
    assert float(row["mean"]) == pytest.approx(mean, abs=1e-5)
    page = (out / "report.html").read_text()
    assert len(re.findall("<img", page)) == 1 + 3
    assert header(out / "cases.csv") == CASES_HEADER
    assert header(out / "summary.csv") == (
        "class,metric,cases,infinite,mean,sd,median,95 % low,95 % high"
    )
    assert main(command) == 1
    assert "cases.csv, summary.csv, report.html already" in capsys.readouterr().err
    command += ["--overwrite", "--no-pictures"]
    assert main([*command, "--fail-under", "dice=0.2"]) == 0
    assert main([*command, "--fail-under", "dice=0.99"]) == 1
    assert "under 0.99" in capsys.readouterr().err


def test_a_picture_that_fails_is_told(
    dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "imagesTr" / "case_2.nii.gz").write_bytes(b"junk")
    out = tmp_path / "out"
    command = ["evaluate", str(masks), str(dataset), "--out", str(out), "--workers", "1"]
    assert main(command) == 0
    assert "case_2: no picture: " in capsys.readouterr().err
    assert "1 without a picture" in (out / "report.html").read_text()
    assert len(table(out / "cases.csv")) == 9


def test_a_bad_pair_is_listed_and_the_code_is_1(
    dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (masks / "case_1.nii.gz").write_bytes(b"junk")
    out = tmp_path / "out"
    command = ["evaluate", str(masks), str(dataset), "--out", str(out), "--workers", "1"]
    assert main([*command, "--no-pictures"]) == 1
    told = capsys.readouterr().err
    assert "case_1" in told
    assert "1 of 3 masks could not be evaluated" in told
    *rows, bad = table(out / "cases.csv")
    assert len(rows) == 6
    assert bad["case"] == "case_1"
    assert "case_1.nii.gz" in bad["note"]
    assert bad["Dice"] == ""
    assert header(out / "cases.csv") == f"{CASES_HEADER},note"


def test_truths_without_masks_are_told_and_keep_no_bound(
    dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (masks / "case_1.nii.gz").unlink()
    out = tmp_path / "out"
    command = ["evaluate", str(masks), str(dataset), "--out", str(out), "--workers", "1"]
    assert main([*command, "--no-pictures"]) == 0
    assert "1 truth has no mask: case_1." in capsys.readouterr().err
    assert [row["case"] for row in table(out / "cases.csv") if row["note"]] == ["case_1"]
    assert "1 without a mask" in (out / "report.html").read_text()
    assert main([*command, "--overwrite", "--no-pictures", "--fail-under", "dice=0"]) == 1
    assert "only if every truth has a mask" in capsys.readouterr().err


def test_a_bound_is_compared_with_what_is_printed(
    dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truths = dataset / "labelsTr"
    mean = evaluate(masks, truths).mean("dice")
    shown = f"{mean:.4f}"
    command = ["evaluate", str(masks), str(truths), "--no-pictures", "--workers", "1", "--out"]
    for i, (bound, code) in enumerate(
        ((shown, 0), (f"{float(shown) + 1e-4:.4f}", 1), (f"{shown}01", 1), (f"{mean!r}", None))
    ):
        got = main([*command, str(tmp_path / f"out{i}"), "--fail-under", f"dice={bound}"])
        assert got == (int(float(shown) < mean) if code is None else code)
        told = capsys.readouterr()
        assert f"Mean Dice is {shown}, " in (told.err if got else told.out)


def test_a_mean_of_nothing_keeps_no_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, truths = labelled(tmp_path / "mask", "a"), labelled(tmp_path / "truth", "a")
    command = ["evaluate", str(masks), str(truths), "--out", str(tmp_path / "out")]
    assert main([*command, "--fail-under", "dice=0"]) == 1
    told = capsys.readouterr()
    assert "not defined" in told.err
    assert "nan" not in told.err + told.out


def test_what_cannot_begin_leaves_no_folder(
    dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["evaluate", str(masks), str(tmp_path / "no"), "--out", str(out)]) == 1
    assert "does not exist" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evaluate", str(masks), str(dataset), "--out", str(out), "--workers", "0"])
    assert "a whole number from 1" in capsys.readouterr().err
    assert not out.exists()


def test_pairs_that_all_fail_are_rows_all_the_same(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, out = tmp_path / "masks", tmp_path / "out"
    masks.mkdir()
    for name in CASES:
        (masks / f"{name}.nii.gz").write_bytes(b"junk")
    command = ["evaluate", str(masks), str(dataset), "--out", str(out), "--workers", "1"]
    assert main(command) == 1
    assert "3 of 3 masks could not be evaluated" in capsys.readouterr().err
    assert [row["case"] for row in table(out / "cases.csv")] == list(CASES)
    assert "3 not evaluated" in (out / "report.html").read_text()


def test_the_readme_s_commands_work_in_their_order(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(dataset / "imagesTr" / "case_1.nii.gz", tmp_path / "brain.nii.gz")
    (tmp_path / "labels").mkdir()
    shutil.copy(dataset / "labelsTr" / "case_1.nii.gz", tmp_path / "labels" / "brain.nii.gz")
    image, results = str(tmp_path / "brain.nii.gz"), str(tmp_path / "results")
    run = ["--checkpoint", "phantom", "--out", results]
    assert main(["predict", image, *run, "--gates"]) == 0
    assert main(["inspect", image, *run, "--no-knockout"]) == 0
    capsys.readouterr()
    labels, out = str(tmp_path / "labels"), str(tmp_path / "report")
    assert main(["evaluate", results, labels, "--out", out, "--workers", "1"]) == 0
    assert "left out" in capsys.readouterr().err
    assert {row["case"] for row in table(tmp_path / "report" / "cases.csv")} == {"brain"}


def test_images_of_one_name_are_predicted_and_evaluated(dataset: Path, tmp_path: Path) -> None:
    images, truths = tmp_path / "images", tmp_path / "truths"
    for i, name in enumerate(CASES[:2]):
        for side, folder in (("imagesTr", images), ("labelsTr", truths)):
            (folder / f"sub{i}").mkdir(parents=True)
            shutil.copy(dataset / side / f"{name}.nii.gz", folder / f"sub{i}" / "scan.nii.gz")
    files = [str(images / f"sub{i}" / "scan.nii.gz") for i in range(2)]
    results, out = tmp_path / "results", tmp_path / "out"
    assert main(["predict", *files, "--checkpoint", "phantom", "--out", str(results)]) == 0
    assert (results / "sub1" / "scan" / "mask.nii.gz").is_file()
    command = ["evaluate", str(results), str(truths), "--images", str(images)]
    assert main([*command, "--out", str(out), "--workers", "1"]) == 0
    assert {row["case"] for row in table(out / "cases.csv")} == {"sub0/scan", "sub1/scan"}
    assert len(re.findall("<img", (out / "report.html").read_text())) == 1 + 2


def test_a_bound_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "a", "b", "--out", "c", "--fail-under", "hd95=3"])
    assert "dice=0.85" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evaluate", "a", "b", "--out", "c", "--fail-under", "dice=90"])
