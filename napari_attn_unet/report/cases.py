"""Many cases: masks against truths, a table of all, a summary, and two sets of masks compared."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from napari_attn_unet import io
from napari_attn_unet.errors import AttnUNetError, ConfigError
from napari_attn_unet.gates.inspection import Inspection, Row
from napari_attn_unet.io.datasets import INDEX, open_dataset
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.report import figure
from napari_attn_unet.scores.comparison import TOGETHER, Comparison, labels_in, match, relabel
from napari_attn_unet.volume import onto_grid

MASK = "mask"
"""Name of the mask in a folder that `predict` wrote."""
RESAMPLES = 10_000
_NO_METRIC = ("case", "class")


@dataclass(frozen=True, slots=True)
class Pair:
    """Files of one case."""

    name: str
    mask: Path
    truth: Path
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one pair.

    Attributes
    ----------
    rows
        A row per class, and one for all together; see `Comparison.rows`.
    slice_
        Along the first axis, the slice with most wrong voxels; None if nothing is wrong.
    picture
        That slice as PNG; empty if no picture was asked for.
    error
        What was wrong with the pair; empty if nothing was.
    """

    name: str
    rows: tuple[Row, ...] = ()
    slice_: int | None = None
    picture: bytes = b""
    error: str = ""

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over the classes; NaN where none has it."""
        values = [row[metric] for row in self.rows if row["class"] != TOGETHER and metric in row]
        finite = [v for v in values if not math.isnan(v)]
        return float(np.mean(finite)) if finite else math.nan


@dataclass(frozen=True, slots=True)
class Report:
    """All cases of one set of masks."""

    cases: tuple[CaseResult, ...]
    title: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> list[CaseResult]:
        """Cases that could be evaluated."""
        return [case for case in self.cases if not case.error]

    @property
    def failed(self) -> list[CaseResult]:
        """Cases that could not, with the reason."""
        return [case for case in self.cases if case.error]

    def rows(self) -> list[Row]:
        """Return a row per case and class; all have the same columns."""
        rows = [{"case": case.name} | row for case in self.good for row in case.rows]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        return [{column: row.get(column, math.nan) for column in columns} for row in rows]

    def metrics(self) -> list[str]:
        """Return the names of the metrics."""
        rows = self.rows()
        return [key for key in rows[0] if key not in _NO_METRIC] if rows else []

    def classes(self) -> list[str]:
        """Return the names of the classes, all together last."""
        names = list(dict.fromkeys(row["class"] for row in self.rows()))
        return sorted(names, key=lambda name: name == TOGETHER)

    def values(self, metric: str, class_name: str) -> dict[str, float]:
        """Return {case: value} of a metric; cases where it is not defined are left out."""
        found = {r["case"]: float(r[metric]) for r in self.rows() if r["class"] == class_name}
        return {case: value for case, value in found.items() if not math.isnan(value)}

    def summary(self) -> list[Row]:
        """Return mean, sd, median and the interval of the mean, per class and metric.

        Infinite distances (one side has nothing of the class) are counted apart; the other
        numbers are of the finite values. The interval is the percentile bootstrap's (Efron 1979),
        95 %, over cases.
        """
        rows: list[Row] = []
        for name in self.classes():
            for metric in self.metrics():
                values = np.array(list(self.values(metric, name).values()))
                finite = values[np.isfinite(values)]
                low, high = bootstrap_interval(finite)
                rows.append(
                    {
                        "class": name,
                        "metric": metric,
                        "cases": len(finite),
                        "infinite": len(values) - len(finite),
                        "mean": float(finite.mean()) if len(finite) else math.nan,
                        "sd": float(finite.std(ddof=1)) if len(finite) > 1 else math.nan,
                        "median": float(np.median(finite)) if len(finite) else math.nan,
                        "95 % low": low,
                        "95 % high": high,
                    }
                )
        return rows

    def worst(self, count: int = 5, metric: str = "Dice") -> list[CaseResult]:
        """Return the cases with the lowest mean of a metric."""
        known = [case for case in self.good if not math.isnan(case.mean(metric))]
        return sorted(known, key=lambda case: case.mean(metric))[:count]

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over cases, of each the mean over its classes."""
        values = [v for case in self.good if not math.isnan(v := case.mean(metric))]
        return float(np.mean(values)) if values else math.nan


def bootstrap_interval(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
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


# --- pairs --------------------------------------------------------------------------------------
def find_pairs(
    masks: str | Path, truths: str | Path, images: str | Path | None = None
) -> tuple[list[Pair], list[CaseResult], tuple[str, ...]]:
    """Match masks to truths by name.

    Parameters
    ----------
    masks
        A file, or a folder with `CASE.nii.gz` or `CASE/mask.nii.gz` for each case.
    truths
        A file, a folder with `CASE.nii.gz`, or a dataset.json (or its folder).
    images
        A folder of images with the same names, for the pictures; a dataset.json brings its own.

    Returns
    -------
    The pairs; the masks that have no truth, with the reason; the classes' names, if known.

    Raises
    ------
    ConfigError
        If there is no pair at all.
    """
    masks, truths = Path(masks), Path(truths)
    classes: tuple[str, ...] = ()
    pictures = {} if images is None else _by_name(Path(images))
    index = truths / INDEX if truths.is_dir() else truths
    if index.name == INDEX and index.is_file():
        dataset = open_dataset(index)
        classes = dataset.classes
        labels = {io.stem(case.label): case.label for case in dataset.cases}
        pictures = {io.stem(case.label): case.image for case in dataset.cases} | pictures
    elif truths.is_dir():
        labels = _by_name(truths)
    elif masks.is_file():
        labels = {io.stem(masks): truths}
    else:
        what = "is one file" if truths.exists() else "does not exist"
        msg = f"{truths} {what}. A folder of truths or a dataset.json is needed for these masks."
        raise ConfigError(msg)
    if not labels:
        msg = f"{truths} holds no truths: CASE.nii.gz is needed."
        raise ConfigError(msg)
    found = {io.stem(masks): masks} if masks.is_file() else _by_name(masks)
    if masks.is_file() and len(found) == 1 and next(iter(found)) not in labels:
        found = {_case_of(masks): masks}
    if not found:
        msg = f"{masks} holds no masks: CASE.nii.gz or CASE/mask.nii.gz is needed."
        raise ConfigError(msg)
    pairs = [
        Pair(name, path, labels[name], pictures.get(name))
        for name, path in sorted(found.items())
        if name in labels
    ]
    alone = [
        CaseResult(name, error=f"{truths} has no truth of this name.")
        for name in sorted(set(found) - set(labels))
    ]
    if not pairs:
        msg = (
            f"No mask has a truth of its name: masks are called {_some(found)}, "
            f"truths {_some(labels)}."
        )
        raise ConfigError(msg)
    return pairs, alone, classes


def _some(names: Mapping[str, Path]) -> str:
    return ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")  # noqa: PLR2004


def _case_of(path: Path) -> str:
    name = io.stem(path)
    return path.parent.name if name == MASK else name


def _by_name(folder: Path) -> dict[str, Path]:
    """Return {case: file} of a folder: files, and the masks in folders of their own."""
    if not folder.is_dir():
        msg = f"{folder} is no folder and no volume file that is there."
        raise ConfigError(msg)
    there = [p for p in sorted(folder.iterdir()) if p.name.endswith(io.SUFFIXES)]
    deeper = [
        p / f"{MASK}{end}"
        for p in sorted(folder.iterdir())
        if p.is_dir()
        for end in io.SUFFIXES
        if (p / f"{MASK}{end}").is_file()
    ]
    return {_case_of(path): path for path in [*deeper, *there] if not path.name.startswith(".")}


# --- evaluation ---------------------------------------------------------------------------------
def evaluate_case(
    pair: Pair, classes: Sequence[str] = (), tolerance: float = 1.0, *, picture: bool = False
) -> CaseResult:
    """Evaluate one pair; what is wrong with it is told in the result, not raised."""
    try:
        mask, place = io.read_labels(pair.mask)
        truth, there = io.read_labels(pair.truth)
        truth = onto_grid(truth, there, place, mask.shape)
        about = io.read_about(pair.mask)
        names: Sequence[str] = [c[0] for c in about["classes"]] if about is not None else classes
        matching = match(_named(mask, names), _named(truth, classes or names))
        comparison = Comparison(*relabel(mask, truth, matching), place, matching.classes)
        worst = next(iter(comparison.worst_slices(0, None)), None)
        rows = tuple(comparison.rows(tolerance))
    except AttnUNetError as error:
        return CaseResult(pair.name, error=str(error))
    except Exception as error:
        return CaseResult(pair.name, error=f"{type(error).__name__}: {error}")
    drawn = b""
    if picture:
        with suppress(Exception):  # the numbers stand without it
            drawn = _draw(pair, comparison, worst)
    return CaseResult(pair.name, rows, worst, drawn)


def _named(labels: np.ndarray[Any, Any], names: Sequence[str]) -> dict[int, str | None]:
    """Return the values that occur or that have a name."""
    known: dict[int, str | None] = dict(enumerate(names))
    return dict.fromkeys(labels_in(labels)) | known


def _draw(pair: Pair, comparison: Comparison, index: int | None) -> bytes:
    """Return the worst slice as PNG; the middle of the truth where nothing is wrong."""
    image = np.zeros(comparison.mask.shape, np.float32)
    if pair.image is not None:
        volume = io.read(pair.image)[0]
        grid, shape = comparison.geometry, comparison.mask.shape
        image = onto_grid(np.asarray(volume.data[0]), volume.geometry, grid, shape)
    inspection = Inspection(
        image,
        comparison.geometry,
        [],
        comparison.mask,
        comparison.truth,
        comparison.classes,
    )
    place = index if index is not None else figure.busiest(inspection, 0, 1)[0]
    style = figure.Style(
        colours=[ClassInfo.numbered(i, n).colour for i, n in enumerate(comparison.classes)]
    )
    buffer = BytesIO()
    figure.draw(inspection, 0, [place], style).savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def evaluate(
    pairs: Sequence[Pair],
    classes: Sequence[str] = (),
    tolerance: float = 1.0,
    *,
    workers: int | None = None,
    pictures: bool = False,
) -> Iterator[CaseResult]:
    """Evaluate pairs on several processes; yield each as it is done.

    Parameters
    ----------
    pairs, classes
        From `find_pairs`.
    tolerance
        Of the surface Dice, in the geometry's unit.
    workers
        How many processes; None takes one per processor, 1 takes none of their own.
    pictures
        Whether to draw the worst slice of each.
    """
    count = min(workers or os.cpu_count() or 1, len(pairs))
    one = partial(evaluate_case, classes=classes, tolerance=tolerance, picture=pictures)
    if count <= 1:
        yield from map(one, pairs)
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        try:
            futures = {pool.submit(one, pair): pair for pair in pairs}
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenExecutor as error:  # a process was killed, for its memory perhaps
                    yield CaseResult(futures[future].name, error=f"Not finished: {error}")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def paired(first: Report, second: Report) -> list[Row]:
    """Compare two sets of masks of the same cases, per class and metric that both have.

    Returns
    -------
    Means, the mean difference (second minus first) with its 95 % bootstrap interval, and the p of
    the Wilcoxon signed-rank test (two-sided; Wilcoxon 1945): NaN where no case differs.
    """
    from scipy import stats  # noqa: PLC0415  (slow to import)

    rows: list[Row] = []
    for name in first.classes():
        for metric in (m for m in first.metrics() if m in second.metrics()):
            a, b = first.values(metric, name), second.values(metric, name)
            both = [c for c in a if c in b and math.isfinite(a[c]) and math.isfinite(b[c])]
            x, y = (np.array([values[case] for case in both]) for values in (a, b))
            change = y - x
            low, high = bootstrap_interval(change)
            differ = bool(both) and bool(np.any(change))
            rows.append(
                {
                    "class": name,
                    "metric": metric,
                    "cases": len(both),
                    "first": float(x.mean()) if both else math.nan,
                    "second": float(y.mean()) if both else math.nan,
                    "difference": float(change.mean()) if both else math.nan,
                    "95 % low": low,
                    "95 % high": high,
                    "second larger": int((change > 0).sum()),
                    "second smaller": int((change < 0).sum()),
                    "Wilcoxon p": float(stats.wilcoxon(x, y).pvalue) if differ else math.nan,
                }
            )
    return rows
