"""`compare-models`: the same cases for both, whatever becomes of some."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from many import header, table

from napari_attn_unet.cli.main import main


def test_compare_models_asks_for_both_before_the_work(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare-models", "phantom", "nosuch", str(dataset), "--out"]
    assert main([*command, str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "nosuch is no folder of masks" in told
    assert "%" not in told
    assert not (tmp_path / "out").exists()
    (tmp_path / "there" / "first").mkdir(parents=True)
    (tmp_path / "there" / "first" / "cases.csv").write_text("of others")
    assert main([*command, str(tmp_path / "there")]) == 1
    told = capsys.readouterr().err
    assert "first/cases.csv already" in told
    assert "nosuch is" not in told


def test_compare_models(
    dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["compare-models", str(masks), "phantom", str(dataset), "--out", str(out)]
    assert main([*command, "--workers", "1", "--no-pictures"]) == 0
    rows = table(out / "paired.csv")
    (row,) = (r for r in rows if (r["class"], r["metric"]) == ("front lobe", "Dice"))
    assert row["cases"] == "3"
    assert header(out / "paired.csv") == (
        "class,metric,cases,first,second,difference,95 % low,95 % high,second larger,"
        "second smaller,Wilcoxon p"
    )
    assert "| front lobe | Dice |" in capsys.readouterr().out
    first, second = (table(out / name / "cases.csv") for name in ("first", "second"))
    assert [r["case"] for r in first] == [r["case"] for r in second]
    assert (out / "second" / "masks" / "case_2" / "mask.nii.gz").is_file()
    assert "Wilcoxon" in (out / "second" / "report.html").read_text()


def test_compare_models_goes_on_after_a_bad_image_and_counts_common_cases(
    dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / "imagesTr" / "case_1.nii.gz").write_bytes(b"junk")
    (masks / "case_2" / "mask.nii.gz").unlink()
    out = tmp_path / "out"
    command = ["compare-models", "phantom", str(masks), str(dataset / "dataset.json")]
    assert main([*command, "--out", str(out), "--workers", "1", "--no-pictures"]) == 1
    told = capsys.readouterr().err
    assert "first, case_1: case_1.nii.gz" in told
    assert "second, 1 truth has no mask: case_2." in told
    assert "2 of 3 cases lack a result." in told
    assert {row["cases"] for row in table(out / "paired.csv") if row["metric"] == "Dice"} == {"1"}
    notes = [r["case"] for r in table(out / "first" / "cases.csv") if r["note"]]
    assert notes == ["case_1"]


def test_compare_models_pairs_what_the_dataset_pairs(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = json.loads((dataset / "dataset.json").read_text())
    for i, entry in enumerate(about["training"]):
        for kind in ("image", "label"):
            new = f"{kind}s/sub{i}/{'scan' if kind == 'image' else 'seg'}.nii.gz"
            (dataset / new).parent.mkdir(parents=True)
            (dataset / entry[kind]).rename(dataset / new)
            entry[kind] = new
    (dataset / "dataset.json").write_text(json.dumps(about))
    out = tmp_path / "out"
    command = ["compare-models", "phantom", "phantom", str(dataset), "--out", str(out)]
    assert main([*command, "--workers", "1", "--no-pictures"]) == 0
    assert (out / "first" / "masks" / "sub2" / "scan" / "mask.nii.gz").is_file()
    names = {row["case"] for row in table(out / "second" / "cases.csv")}
    assert names == {f"sub{i}/scan" for i in range(3)}
    capsys.readouterr()
    again = ["compare-models", str(out / "first" / "masks"), str(out / "second" / "masks")]
    command = [*again, str(dataset), "--out", str(tmp_path / "again")]
    assert main([*command, "--workers", "1", "--no-pictures"]) == 0
    assert (out / "paired.csv").read_text() == (tmp_path / "again/paired.csv").read_text()
