"""Many cases: a table of all, a summary, and two sets of masks compared."""
# Over 350 lines: the report, and the rows of every table of it.

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_attn_unet.scores.comparison import TOGETHER, ScoreRow
from napari_attn_unet.table import Row, column

RESAMPLES = 10_000
DIGITS = 10
"""Differences are ranked to so many digits after the point, as float noise is no difference."""
_NO_METRIC = ("case", "class_name", "note")
_UNDEFINED = (
    *("dice", "iou", "precision", "recall", "difference"),
    *("hd95", "assd", "surface_dice"),
)
_WORST_IS_HIGH = ("hd95", "assd", "missed", "spurious")
_COUNTED = ("mask_size", "truth_size", "found", "missed", "spurious")
"""Of a class that neither mask nor truth has, these are not defined, and 0."""


class Metric(NamedTuple):
    """A number of a `ScoreRow`: its field, and its title, which tells its unit: "HD95 (mm)"."""

    name: str
    title: str

    def of(self, row: ScoreRow) -> float:
        """Return the number; NaN where the row has it in another unit."""
        same = row.titles().get(self.name) == self.title
        return float(getattr(row, self.name)) if same else math.nan


def metrics_of(rows: Sequence[ScoreRow]) -> list[Metric]:
    """Return the metrics that rows have, each once in every unit, in their columns' order."""
    found = dict.fromkeys(Metric(*item) for row in rows for item in row.titles().items())
    return [metric for metric in found if metric.name not in _NO_METRIC]


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow(Row):
    """A metric of a class over all cases.

    Attributes
    ----------
    cases, infinite
        With a finite value, of which all other numbers are; and with an infinite one.
    deviation
        Standard deviation over cases.
    low, high
        The 95 % interval of the mean.
    """

    class_name: str = column("class")
    metric: str = column("metric")
    cases: int = column("cases")
    infinite: int = column("infinite")
    mean: float = column("mean")
    deviation: float = column("sd")
    median: float = column("median")
    low: float = column("95 % low")
    high: float = column("95 % high")
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRow(Row):
    """A metric of a class in two sets of masks, over the cases that both have.

    Attributes
    ----------
    first, second
        Means.
    difference, low, high
        Mean of second minus first, and its 95 % interval.
    larger, smaller
        In how many cases the second is so.
    p
        Of the Wilcoxon signed-rank test; NaN where no case differs.
    """

    class_name: str = column("class")
    metric: str = column("metric")
    cases: int = column("cases")
    first: float = column("first")
    second: float = column("second")
    difference: float = column("difference")
    low: float = column("95 % low")
    high: float = column("95 % high")
    larger: int = column("second larger")
    smaller: int = column("second smaller")
    p: float = column("Wilcoxon p")
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnscoredRow(Row):
    """A case without numbers, and why it has none."""

    case: str = column("case")
    note: str = column("note")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one pair, or of a file that has no partner.

    Attributes
    ----------
    rows
        A row per class, and one for all together; see `Comparison.every_row`.
    slice_
        Along the first axis, the slice with most wrong voxels; None if nothing is wrong.
    picture
        That slice as PNG; empty if no picture was asked for or it failed.
    error
        What was wrong with the pair; empty if nothing was.
    missing
        Whether nothing was wrong but that a truth has no mask; `error` says which.
    note
        What there is to say of a truth that lies on another grid than its mask; else empty.
    picture_error
        Why there is no picture though one was asked for; the numbers stand without it.
    """

    name: str
    rows: tuple[ScoreRow, ...] = ()
    slice_: int | None = None
    picture: bytes = b""
    error: str = ""
    picture_error: str = ""
    missing: bool = False
    note: str = ""

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over the classes; NaN where none has it.

        Parameters
        ----------
        metric
            A field of `ScoreRow`: "dice", "hd95", …
        """
        values = [float(getattr(r, metric)) for r in self.rows if r.class_name != TOGETHER]
        known = [v for v in values if not math.isnan(v)]
        return float(np.mean(known)) if known else math.nan


@dataclass(frozen=True, slots=True)
class Report:
    """All cases of one set of masks.

    Every case has a row for each class that any case has, and one for all classes as one where
    there are several, so that a summary is of the same cases whatever is in them.

    Attributes
    ----------
    title
        Of the page.
    about
        What was evaluated, in words by key.
    """

    cases: tuple[CaseResult, ...]
    title: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Give every case the same classes."""
        object.__setattr__(self, "cases", _alike(self.cases))

    @property
    def good(self) -> list[CaseResult]:
        """Cases that could be evaluated."""
        return [case for case in self.cases if not case.error]

    @property
    def failed(self) -> list[CaseResult]:
        """Masks that could not, with the reason."""
        return [case for case in self.cases if case.error and not case.missing]

    @property
    def missing(self) -> list[CaseResult]:
        """Truths that no mask is for."""
        return [case for case in self.cases if case.missing]

    def rows(self) -> list[ScoreRow]:
        """Return a row per case and class."""
        return [replace(row, case=c.name, note=c.note or None) for c in self.good for row in c.rows]

    def table(self) -> list[Row]:
        """Return `rows`, and a row for every case that has none, with the reason."""
        bare = [case for case in self.cases if case.error]
        return [*self.rows(), *(UnscoredRow(case=case.name, note=case.error) for case in bare)]

    def metrics(self) -> list[Metric]:
        """Return the metrics; where cases differ in unit, one for each unit."""
        return metrics_of(self.rows())

    def classes(self) -> list[str]:
        """Return the names of the classes, all together last."""
        names = list(dict.fromkeys(row.class_name for row in self.rows()))
        return sorted(names, key=lambda name: name == TOGETHER)

    def values(self, metric: Metric, class_name: str) -> dict[str, float]:
        """Return {case: value} of a metric; cases where it is not defined are left out."""
        found = {
            case.name: metric.of(row)
            for case in self.good
            for row in case.rows
            if row.class_name == class_name
        }
        return {case: value for case, value in found.items() if not math.isnan(value)}

    def summary(self) -> list[SummaryRow]:
        """Return mean, sd, median and the interval of the mean, per class and metric.

        Infinite distances (one side has nothing of the class) are counted apart; the other
        numbers are of the finite values. The interval is the percentile bootstrap's (Efron 1979),
        95 %, over cases.
        """
        rows = []
        for name in self.classes():
            for metric in self.metrics():
                values = np.array(list(self.values(metric, name).values()))
                finite = values[np.isfinite(values)]
                low, high = bootstrap_interval(finite)
                rows.append(
                    SummaryRow(
                        class_name=name,
                        metric=metric.title,
                        cases=len(finite),
                        infinite=len(values) - len(finite),
                        mean=float(finite.mean()) if len(finite) else math.nan,
                        deviation=float(finite.std(ddof=1)) if len(finite) > 1 else math.nan,
                        median=float(np.median(finite)) if len(finite) else math.nan,
                        low=low,
                        high=high,
                        name=metric.name,
                    )
                )
        return rows

    def worst(self, count: int = 5, metric: str = "dice") -> list[CaseResult]:
        """Return the cases with the worst mean of a metric, a field of `ScoreRow`."""
        known = [case for case in self.good if not math.isnan(case.mean(metric))]
        worst_is_high = metric in _WORST_IS_HIGH
        return sorted(known, key=lambda case: case.mean(metric), reverse=worst_is_high)[:count]

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over cases, of each the mean over its classes.

        Parameters
        ----------
        metric
            A field of `ScoreRow`, whatever unit each case has it in.
        """
        values = [v for case in self.good if not math.isnan(v := case.mean(metric))]
        return float(np.mean(values)) if values else math.nan


def _alike(cases: Sequence[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases with the same classes each, all together last where there are several."""
    found = dict.fromkeys(row.class_name for case in cases for row in case.rows)
    classes = [name for name in found if name != TOGETHER]
    wanted = classes if len(classes) == 1 else [*classes, TOGETHER]
    return tuple(
        replace(case, rows=tuple(row for row in map(partial(_row, case), wanted) if row))
        if case.rows
        else case
        for case in cases
    )


def _row(case: CaseResult, class_name: str) -> ScoreRow | None:
    """Return a case's row of a class; where it has none, one that says so."""
    rows = {row.class_name: row for row in case.rows}
    if class_name in rows or class_name == TOGETHER:
        return rows.get(class_name)
    nothing: dict[str, Any] = dict.fromkeys(_UNDEFINED, math.nan) | dict.fromkeys(_COUNTED, 0)
    return replace(case.rows[0], class_name=class_name, **nothing)


def bootstrap_interval(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean; NaN for fewer than two values."""
    from scipy import stats  # noqa: PLC0415  (slow to import)

    if len(values) < 2:  # noqa: PLR2004
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    result = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = result.confidence_interval
    return float(low), float(high)


def paired(first: Report, second: Report) -> list[PairedRow]:
    """Compare two sets of masks of the same cases, per class and metric that both have.

    A metric that they have in different units is not compared.

    Returns
    -------
    Means, the mean difference (second minus first) with its 95 % bootstrap interval, and the p of
    the Wilcoxon signed-rank test (two-sided; Wilcoxon 1945): NaN where no case differs. It ranks
    differences rounded to 1e-10 (of values over 1, to as many digits), for equal ones to be tied.
    """
    from scipy import stats  # noqa: PLC0415  (slow to import)

    rows = []
    common = [metric for metric in first.metrics() if metric in second.metrics()]
    for name in first.classes():
        for metric in common:
            a, b = first.values(metric, name), second.values(metric, name)
            both = [c for c in a if c in b and math.isfinite(a[c]) and math.isfinite(b[c])]
            x, y = (np.array([values[case] for case in both]) for values in (a, b))
            change = _rounded(y - x, np.abs([x, y]))
            low, high = bootstrap_interval(change)
            differ = bool(both) and bool(np.any(change))
            rows.append(
                PairedRow(
                    class_name=name,
                    metric=metric.title,
                    cases=len(both),
                    first=float(x.mean()) if both else math.nan,
                    second=float(y.mean()) if both else math.nan,
                    difference=float(change.mean()) if both else math.nan,
                    low=low,
                    high=high,
                    larger=int((change > 0).sum()),
                    smaller=int((change < 0).sum()),
                    p=float(stats.wilcoxon(change).pvalue) if differ else math.nan,
                    name=metric.name,
                )
            )
    return rows


def _rounded(change: npt.NDArray[Any], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return differences without the float noise that they have of the values."""
    largest = float(values.max(initial=1.0))
    return np.round(change, DIGITS - math.ceil(math.log10(largest)))
