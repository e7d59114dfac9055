"""Many cases: evaluated, summed up, compared, and on a page."""

from __future__ import annotations

import html.parser
import math
import os
import signal
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from many import CASES, PLACE, labelled, truth_of
from scipy import stats

from napari_attn_unet import io
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.report import cases, evaluation
from napari_attn_unet.report.cases import CaseResult, Report, bootstrap_interval, paired
from napari_attn_unet.report.evaluation import evaluate, evaluate_case, evaluate_pairs
from napari_attn_unet.report.html import to_html
from napari_attn_unet.report.pairs import Pair, find_pairs
from napari_attn_unet.scores import metrics
from napari_attn_unet.scores.comparison import TOGETHER, ScoreRow
from napari_attn_unet.volume import Geometry


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
    assert "truth lies on another grid" in result.note
    report = Report((result,))
    assert all(row.note == result.note for row in report.rows())
    assert "1 on another grid" in to_html(report)
    assert "note" not in {metric.name for metric in report.metrics()}


def test_a_truth_that_lost_its_place_is_said(dataset: Path, masks: Path, tmp_path: Path) -> None:
    lost = Geometry.from_spacing((2, 1, 1), (6, 3, 2), "mm")
    io.write(tmp_path / "lost.nii.gz", truth_of(dataset, "case_1"), lost)
    result = evaluate_case(Pair("x", masks / "case_1.nii.gz", tmp_path / "lost.nii.gz"))
    assert "one of them has lost its place" in result.note


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


def test_differences_that_are_float_noise_are_ties() -> None:
    a = np.array([0.7, 0.8, 0.6, 0.9, 0.75, 0.85, 0.65, 0.55])
    change = np.array([0.1, -0.1, 0.1, -0.1, 0.1, 0.02, 0.03, 0.0])
    noise = np.array([1, -2, 3, -1, 2, 0, 0, 1]) * 1e-16
    reports = [
        Report(tuple(case(f"c{i}", v, distance=500 * v) for i, v in enumerate(values)))
        for values in (a, a + change + noise)
    ]
    rows = {row.name: row for row in paired(*reports)}
    expected = stats.wilcoxon(change).pvalue
    assert rows["dice"].p == pytest.approx(expected, abs=1e-12)
    assert rows["hd95"].p == pytest.approx(expected, abs=1e-12)  # noise grows with the numbers
    assert (rows["dice"].larger, rows["dice"].smaller) == (5, 2)


def test_every_case_has_the_same_classes(tmp_path: Path) -> None:
    masks, truths = tmp_path / "mask", tmp_path / "truth"
    for name, mask, truth in (
        ("both", (1, 2), (1, 2)),
        ("one", (1,), (1,)),
        ("empty", (), ()),
        ("missed", (), (2,)),
        ("invented", (2,), ()),
    ):
        labelled(masks, name, *mask)
        labelled(truths, name, *truth)
    report = evaluate(masks, truths)
    assert report.classes() == ["label 1", "label 2", TOGETHER]
    assert [case.name for case in report.good] == ["both", "empty", "invented", "missed", "one"]
    assert all([r.class_name for r in c.rows] == report.classes() for c in report.good)
    dice = {c.name: [r.dice for r in c.rows] for c in report.good}
    np.testing.assert_equal(dice["one"], [1, math.nan, 1])
    np.testing.assert_equal(dice["empty"], [math.nan] * 3)
    np.testing.assert_equal(dice["missed"], [math.nan, 0, 0])
    counted = {r.class_name: r.cases for r in report.summary() if r.name == "dice"}
    assert counted == {"label 1": 2, "label 2": 3, TOGETHER: 4}
    (row,) = (r for r in report.good[1].rows if r.class_name == TOGETHER)
    assert (row.mask_size, row.found, row.unit) == (0, 0, "mm")
    one = evaluate_case(find_pairs(masks, truths).pairs[4])
    for name in ("hd95", "surface_dice", "mask_size", "found"):
        assert len({getattr(row, name) for row in one.rows}) == 1


def test_where_there_is_one_class_it_is_not_told_twice(tmp_path: Path) -> None:
    masks, truths = tmp_path / "mask", tmp_path / "truth"
    for name, values in (("one", (3,)), ("empty", ())):
        labelled(masks, name, *values)
        labelled(truths, name, *values)
    assert [row.class_name for row in evaluate(masks, truths).rows()] == ["label 3"] * 2


def test_all_empty_cases_are_rows_and_a_page(tmp_path: Path) -> None:
    masks, truths = labelled(tmp_path / "mask", "a"), labelled(tmp_path / "truth", "a")
    report = evaluate(masks, truths)
    assert [(row.case, row.class_name) for row in report.rows()] == [("a", TOGETHER)]
    assert math.isnan(report.mean("dice"))
    assert "1 case" in to_html(report)


def test_what_has_no_numbers_is_a_row_and_on_the_page() -> None:
    bare = CaseResult("bad", error="junk"), CaseResult("c9", error="has no mask", missing=True)
    report = Report((case("c1", 0.5), *bare))
    assert (report.failed, report.missing) == ([bare[0]], [bare[1]])
    assert [row.cells().get("note") for row in report.table()] == [None, "junk", "has no mask"]
    page = to_html(report)
    assert "1 not evaluated" in page
    assert "1 without a mask" in page
    assert page.count("has no mask") == 2  # its own part, and the table of all


def killed(pair: Pair, **_: object) -> CaseResult:
    """End the process of one pair, as the system does where memory runs out."""
    if pair.name == "case_2":
        os.kill(os.getpid(), signal.SIGKILL)
    return CaseResult(pair.name)


def test_a_process_that_is_killed_takes_no_other_case_with_it(
    dataset: Path, masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "evaluate_case", killed)
    results = evaluate_pairs(find_pairs(masks, dataset).pairs, workers=2)
    errors = {case.name: case.error for case in results}
    assert "Not finished" in errors.pop("case_2")
    assert errors == {"case_1": "", "case_3": ""}


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
    assert report.missing == []
    assert {row.tolerance for row in report.rows()} == {2.0}
    assert [row.case for row in report.rows()[:3]] == [CASES[0]] * 3
    assert report.good[0].mean("dice") == 1
    assert not any(case.picture for case in report.good)
    with pytest.raises(ConfigError, match="does not exist"):
        evaluate(masks, dataset / "nowhere")


def test_every_number_of_a_row_is_known_to_be_undefined_or_none_where_a_class_is_absent() -> None:
    known = {*cases._UNDEFINED, *cases._COUNTED}
    said = {"case", "class_name", "note", "unit", "size_unit", "tolerance"}
    assert {field.name for field in fields(ScoreRow)} == known | said
