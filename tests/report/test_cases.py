"""Many cases: pairs, summary, report, two models; from Python and from the command line."""
# Over 350 lines: one folder of cases, followed from its files to its page.

from __future__ import annotations

import html.parser
import math
import re
from pathlib import Path

import numpy as np
import pytest
from many import CASES, PLACE, table, truth_of
from scipy import stats

from napari_attn_unet import io
from napari_attn_unet.cli.main import main
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.report.cases import CaseResult, Report, bootstrap_interval, paired
from napari_attn_unet.report.evaluation import evaluate, evaluate_case, evaluate_pairs
from napari_attn_unet.report.html import to_html
from napari_attn_unet.report.pairs import Pair, find_pairs
from napari_attn_unet.scores import metrics
from napari_attn_unet.scores.comparison import ScoreRow
from napari_attn_unet.volume import Geometry

CASES_HEADER = (
    "case,class,Dice,IoU,precision,recall,mask (mm³),truth (mm³),difference (%),HD95 (mm),"
    "ASSD (mm),surface Dice at 1 mm,objects found,objects missed,objects spurious"
)
"""Scripts read it: a change of a title breaks those."""


def header(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0]


def test_a_case_is_what_metrics_say(dataset: Path, masks: Path) -> None:
    found = find_pairs(masks, dataset)
    result = evaluate_case(found.pairs[2], found.classes, tolerance=1.5, picture=True)
    truth = truth_of(dataset, "case_3")
    mask = np.roll(truth, 2, axis=2)
    front = result.rows[0]
    assert front.class_name == "front lobe"
    assert front.dice == metrics.dice(mask, truth, 1)
    distances = metrics.distances(mask == 1, truth == 1, PLACE.spacing)
    assert front.hd95 == pytest.approx(distances.hd95)
    assert front.surface_dice == pytest.approx(distances.surface_dice(1.5))
    assert result.slice_ == int(np.argmax((mask != truth).sum(axis=(1, 2))))
    assert result.picture.startswith(b"\x89PNG")
    assert result.mean("dice") == pytest.approx(
        np.mean([metrics.dice(mask, truth, 1), metrics.dice(mask, truth, 2)])
    )


def test_another_grid_is_brought_over(dataset: Path, masks: Path, tmp_path: Path) -> None:
    truth = truth_of(dataset, "case_1")
    finer = PLACE.regridded((0.5, 0.5, 0.5), (-0.25, -0.25, -0.25))
    for axis in range(3):
        truth = truth.repeat(2, axis)
    io.write(tmp_path / "fine.nii.gz", truth, finer)
    result = evaluate_case(Pair("x", masks / "case_1.nii.gz", tmp_path / "fine.nii.gz"))
    assert result.error == ""
    assert result.mean("dice") == 1.0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_pair_does_not_stop_the_rest(dataset: Path, masks: Path, workers: int) -> None:
    (masks / "case_1.nii.gz").write_bytes(b"junk")
    far = Geometry.from_spacing((2, 1, 1), (900, 0, 0), "mm")
    io.write(masks / "case_2" / "mask.nii.gz", truth_of(dataset, "case_2"), far)
    found = find_pairs(masks, dataset)
    steps = evaluate_pairs(found.pairs, found.classes, workers=workers)
    cases = {case.name: case for case in steps}
    assert "case_1" in cases["case_1"].error
    assert "overlap" in cases["case_2"].error
    assert cases["case_3"].error == ""
    assert Report(tuple(cases.values())).good == [cases["case_3"]]


def scores(class_name: str, dice: float, hd95: float, unit: str = "mm") -> ScoreRow:
    """A row in which only Dice and HD95 matter."""
    rest = dict.fromkeys(("iou", "precision", "recall", "difference", "surface_dice"), 0.5)
    sizes = dict.fromkeys(("mask_size", "truth_size", "assd"), 10.0)
    objects = dict.fromkeys(("found", "missed", "spurious"), 0)
    units = {"unit": unit, "size_unit": "mm³" if unit == "mm" else unit, "tolerance": 1.0}
    return ScoreRow(
        class_name=class_name, dice=dice, hd95=hd95, **rest, **sizes, **objects, **units
    )


def case(name: str, dice: float, distance: float = 1.0) -> CaseResult:
    return CaseResult(name, (scores("lobe", dice, distance),))


def test_the_summary() -> None:
    dice = [0.9, 0.8, 0.7, 0.95, math.nan]
    report = Report(
        (
            *(case(f"c{i}", d, math.inf if i == 0 else i) for i, d in enumerate(dice)),
            CaseResult("bad", error="junk"),
        )
    )
    row = next(r for r in report.summary() if (r.class_name, r.metric) == ("lobe", "Dice"))
    known = np.array(dice[:4])
    assert (row.cases, row.infinite) == (4, 0)
    assert row.mean == pytest.approx(known.mean())
    assert row.deviation == pytest.approx(known.std(ddof=1))
    assert row.median == pytest.approx(0.85)
    assert row.low < known.mean() < row.high
    far = next(r for r in report.summary() if (r.class_name, r.metric) == ("lobe", "HD95 (mm)"))
    assert (far.cases, far.infinite, far.mean) == (4, 1, 2.5)
    assert [c.name for c in report.worst(2)] == ["c2", "c1"]
    assert report.mean("dice") == pytest.approx(known.mean())
    assert report.classes() == ["lobe"]


def test_the_interval_is_the_bootstrap_s() -> None:
    values = np.random.default_rng(3).normal(5, 2, 200)
    low, high = bootstrap_interval(values)
    error = values.std(ddof=1) / math.sqrt(200)  # for many values, nearly that of the normal law
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.03)
    assert bootstrap_interval(np.array([2.0, 2.0])) == (2.0, 2.0)
    assert all(map(math.isnan, bootstrap_interval(np.array([1.0]))))


def test_two_models_are_compared_case_by_case() -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform(0.7, 0.9, 12)
    b = a + rng.normal(0.03, 0.02, 12)
    first = Report((*(case(f"c{i}", v) for i, v in enumerate(a)), case("only here", 0.1)))
    second = Report(tuple(case(f"c{i}", v) for i, v in enumerate(b)))
    rows = {row.name: row for row in paired(first, second) if row.class_name == "lobe"}
    dice = rows["dice"]
    assert (dice.metric, dice.cases) == ("Dice", 12)
    assert dice.difference == pytest.approx((b - a).mean())
    assert dice.p == pytest.approx(stats.wilcoxon(a, b).pvalue)
    assert dice.larger == (b > a).sum()
    assert math.isnan(rows["hd95"].p)  # nothing differs


class Page(html.parser.HTMLParser):
    """What a page loads, and whether its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [str(v) for k, v in attrs if k in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_holds_everything_and_escapes_names() -> None:
    named = CaseResult("a<b>&c", (*case("x", 0.5).rows,), 3, b"\x89PNG")
    report = Report((named, case("d", 0.9), CaseResult("bad", error="1 < 2")), "T & T")
    text = to_html(report, paired(report, report))
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.sources
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "a&lt;b&gt;&amp;c" in text
    assert "1 &lt; 2" in text
    assert "<b>&c" not in text


def test_a_report_of_nothing_and_of_other_metrics() -> None:
    nothing = Report((CaseResult("empty"),))
    assert "Evaluation" in to_html(nothing)


def test_what_has_another_unit_is_told_apart() -> None:
    voxels = CaseResult("c1", (scores("lobe", 0.5, 2.0, "voxels"),))
    compared = {row.name for row in paired(Report((case("c1", 0.7),)), Report((voxels,)))}
    assert "dice" in compared
    assert not compared & {"hd95", "assd", "surface_dice", "mask_size", "truth_size"}
    mixed = Report((case("c0", 0.7, 3.0), voxels))
    means = {r.metric: r.mean for r in mixed.summary() if r.class_name == "lobe"}
    assert (means["HD95 (mm)"], means["HD95 (voxels)"]) == (3.0, 2.0)
    assert means["Dice"] == pytest.approx(0.6)


def test_a_picture_that_fails_takes_no_numbers_away(
    dataset: Path, masks: Path, tmp_path: Path
) -> None:
    (tmp_path / "image.nii.gz").write_bytes(b"junk")
    pair = find_pairs(masks, dataset).pairs[1]
    broken = Pair(pair.name, pair.mask, pair.truth, tmp_path / "image.nii.gz")
    result = evaluate_case(broken, picture=True)
    assert (result.picture, result.error) == (b"", "")
    assert result.rows
    assert "image.nii.gz" in result.picture_error
    page = to_html(Report((result,)))
    assert "1 without a picture" in page
    assert "image.nii.gz" in page
    assert evaluate_case(pair, picture=True).picture_error == ""


def test_evaluate_does_all_of_it(dataset: Path, masks: Path) -> None:
    io.write(masks / "other.nii.gz", np.zeros((4, 4, 4), np.uint8), PLACE)
    report = evaluate(masks, dataset, tolerance=2.0)
    assert [case.name for case in report.good] == list(CASES)
    assert [case.name for case in report.failed] == ["other"]
    assert {row.tolerance for row in report.rows()} == {2.0}
    assert [row.case for row in report.rows()[:3]] == [CASES[0]] * 3
    assert report.good[0].mean("dice") == 1
    assert not any(case.picture for case in report.good)
    with pytest.raises(ConfigError, match="does not exist"):
        evaluate(masks, dataset / "nowhere")


class TestCommands:
    def test_evaluate(self, dataset: Path, masks: Path, tmp_path: Path, capsys: object) -> None:
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
        self, dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (dataset / "imagesTr" / "case_2.nii.gz").write_bytes(b"junk")
        out = tmp_path / "out"
        command = ["evaluate", str(masks), str(dataset), "--out", str(out), "--workers", "1"]
        assert main(command) == 0
        assert "case_2: no picture: " in capsys.readouterr().err
        assert "1 without a picture" in (out / "report.html").read_text()
        assert len(table(out / "cases.csv")) == 9

    def test_a_bad_pair_is_listed_and_the_code_is_1(
        self, dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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

    def test_a_bound_that_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["evaluate", "a", "b", "--out", "c", "--fail-under", "hd95=3"])
        assert "dice=0.85" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            main(["evaluate", "a", "b", "--out", "c", "--fail-under", "dice=90"])

    def test_compare_models_asks_for_both_before_the_work(
        self, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
        self, dataset: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
