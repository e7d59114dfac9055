"""Masks against truths, case by case: read, compared, and the worst slice drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet import io
from napari_attn_unet.errors import reason
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.report import figure
from napari_attn_unet.report.cases import CaseResult, Report
from napari_attn_unet.report.orientation import is_known
from napari_attn_unet.report.pairs import Pair, Pairs, find_pairs, names_of
from napari_attn_unet.report.slices import Style
from napari_attn_unet.scores.comparison import Comparison
from napari_attn_unet.scores.grids import onto_grid
from napari_attn_unet.scores.matching import labels_in, match, relabel


def evaluate(  # noqa: PLR0913  (each is named by its caller)
    masks: str | Path,
    truths: str | Path,
    *,
    images: str | Path | None = None,
    tolerance: float = 1.0,
    workers: int | None = 1,
    pictures: bool = False,
) -> Report:
    """Compare masks with their truths; a bad pair does not stop the others.

    Parameters
    ----------
    masks, truths, images
        Files or folders; see `find_pairs`.
    tolerance
        Of the surface Dice, in the unit of the masks' geometry (mm, or voxels without one).
    workers, pictures
        See `evaluate_pairs`. With several workers, call it under `if __name__ == "__main__"`.

    Returns
    -------
    Report
        Cases sorted by name. `Report.failed` has masks that could not be evaluated or have no
        truth, `Report.missing` truths that have no mask, each with the reason.

    Raises
    ------
    ConfigError
        If there is no pair at all, or several files are one case.
    DatasetError
        If `truths` is a dataset.json that cannot be used.
    FileError
        If a folder cannot be read.
    """
    found = find_pairs(masks, truths, images)
    cases = evaluate_pairs(
        found.pairs, found.classes, tolerance, workers=workers, pictures=pictures
    )
    about = {"predictions": str(masks), "truths": str(truths)}
    return report_of([*cases, *unpaired(found)], "Evaluation", about)


def report_of(cases: Sequence[CaseResult], title: str, about: Mapping[str, str]) -> Report:
    """Return a report of cases, sorted by name."""
    return Report(tuple(sorted(cases, key=lambda case: case.name)), title, about)


def unpaired(found: Pairs) -> list[CaseResult]:
    """Return what has no partner: masks as failed cases, truths as missing ones."""
    return [
        *(CaseResult(name, error=reason) for name, reason in found.alone.items()),
        *(CaseResult(name, error=why, missing=True) for name, why in found.missing.items()),
    ]


def evaluate_pairs(
    pairs: Sequence[Pair],
    classes: Mapping[int, str] | None = None,
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
    cut = list[Pair]()
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        try:
            futures = {pool.submit(one, pair): pair for pair in pairs}
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenExecutor:  # a process was killed, for its memory perhaps
                    cut.append(futures[future])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    for pair in cut:  # each in a process of its own, so that one of them takes no other with it
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            try:
                yield pool.submit(one, pair).result()
            except BrokenExecutor as error:
                yield CaseResult(pair.name, error=f"Not finished: {error}")


def evaluate_case(
    pair: Pair,
    classes: Mapping[int, str] | None = None,
    tolerance: float = 1.0,
    *,
    picture: bool = False,
) -> CaseResult:
    """Evaluate one pair; what is wrong with it is told in the result, not raised."""
    try:
        mask, place = io.read_labels(pair.mask)
        truth, truth_place = io.read_labels(pair.truth)
        there = onto_grid(truth, truth_place, place, mask.shape, on="mask")
        truth, place = there.labels, place.beside(truth_place)
        named = names_of(pair.mask)
        matching = match(_named(mask, named or classes), _named(truth, classes or named))
        comparison = Comparison(*relabel(mask, truth, matching), place, matching.classes)
        worst = next(iter(comparison.worst_slices(0, None)), None)
        rows = tuple(comparison.every_row(tolerance))
    except Exception as error:
        return CaseResult(pair.name, error=reason(error))
    drawn, failure = b"", ""
    if picture:
        try:
            drawn = _draw(pair, comparison, worst)
        except Exception as error:  # the numbers stand without it
            failure = reason(error)
    return CaseResult(pair.name, rows, worst, drawn, picture_error=failure, note=there.note)


def _named(labels: npt.NDArray[Any], names: Mapping[int, str] | None) -> dict[int, str | None]:
    """Return the values that occur or that have a name."""
    return dict[int, str | None].fromkeys(labels_in(labels)) | dict(names or {})


def _draw(pair: Pair, comparison: Comparison, index: int | None) -> bytes:
    """Return the worst slice as PNG; the middle of the truth where nothing is wrong."""
    image, known = np.zeros(comparison.mask.shape, np.float32), False
    if pair.image is not None:
        volume = io.read(pair.image)[0]
        grid, shape = comparison.geometry, comparison.mask.shape
        values, known = np.asarray(volume.data[0]), is_known(volume.metadata)
        image = onto_grid(values, volume.geometry, grid, shape, what="image", on="mask").labels
    inspection = Inspection(
        image,
        comparison.geometry,
        [],
        comparison.mask,
        comparison.truth,
        comparison.classes,
    )
    place = index if index is not None else figure.spread_slices(inspection, 0, 1)[0]
    classes = [ClassInfo.numbered(i, n) for i, n in enumerate(comparison.classes)]
    buffer = BytesIO()
    style = Style(classes=classes, patient=comparison.geometry if known else None)
    figure.draw(inspection, 0, [place], style).savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
