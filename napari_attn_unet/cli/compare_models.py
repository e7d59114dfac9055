"""`attn-unet compare-models`: two checkpoints, or two sets of masks, on the same cases."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_attn_unet.cli.options import (
    add_evaluation_options,
    add_machine_options,
    add_overwrite,
    driven,
    evaluated,
    number_in,
    predictor_of,
    read_one,
    tell_failures,
)
from napari_attn_unet.errors import CheckpointError, ConfigError, reason
from napari_attn_unet.table import Row, column, counted, markdown, score, text, write_csv

if TYPE_CHECKING:
    from napari_attn_unet.io.datasets import CasePaths, Dataset
    from napari_attn_unet.report.cases import CaseResult, PairedRow, Report
    from napari_attn_unet.report.pairs import Pair

SIDES = ("first", "second")
NAMES = (
    "paired.csv",
    *(f"{side}/{name}" for side in SIDES for name in ("*.csv", "report.html")),
    *(f"{side}/masks/**/{name}" for side in SIDES for name in ("mask.nii*", "prediction.json")),
)
TOLD = ("dice", "hd95", "assd", "surface_dice")
"""Metrics that are printed; paired.csv has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told(Row):
    """A `PairedRow` on the terminal, to four decimals; the interval is part of a cell."""

    class_name: str = column("class")
    metric: str = column("metric")
    first: str = column("first")
    second: str = column("second")
    difference: str = column("difference (95 %)")
    p: str = column("Wilcoxon p")
    cases: int = column("cases")


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "compare-models",
        help="two checkpoints on the same cases, paired",
        description=(
            "Evaluate two checkpoints, or two folders of masks, on a dataset's cases and compare "
            "them pair by pair: mean difference with its 95 % bootstrap interval, and the Wilcoxon "
            "signed-rank test. Writes first/, second/ (masks, tables, reports) and paired.csv."
        ),
    )
    for name in ("first", "second"):
        command.add_argument(
            name, metavar=name.upper(), help="checkpoint (file or name), or a folder of masks"
        )
    command.add_argument(
        "dataset", type=Path, metavar="DATASET", help="a folder with a dataset.json, or that file"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    command.add_argument(
        "--holdout",
        type=number_in(0, 1, above=True),
        metavar="SHARE",
        help="only the cases that `train --holdout SHARE --seed SEED` leaves out of training",
    )
    command.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    add_overwrite(command)
    add_machine_options(command)
    add_evaluation_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write everything; return 1 if a case failed."""
    from napari_attn_unet import output  # noqa: PLC0415  (what starts fast imports nothing slow)
    from napari_attn_unet.io import open_dataset  # noqa: PLC0415

    masks = [source for source in (options.first, options.second) if Path(source).is_dir()]
    asked = {"overwrite": options.overwrite, "inputs": masks}
    output.claim(options.out, NAMES, **asked)
    for source in (options.first, options.second):
        _require(source)
    dataset = open_dataset(options.dataset)
    cases = list(dataset.cases)
    if options.holdout is not None:
        cases = dataset.split(options.holdout, options.seed)[1]
    found = {
        name: _found(Path(source), options.dataset, cases)
        for name in ("first", "second")
        if Path(source := getattr(options, name)).is_dir()
    }
    with output.result(options.out, NAMES, **asked) as part:
        reports = _write(part, cases, found, dataset, options)
    print(f"{options.out}: paired.csv, first/report.html, second/report.html")
    done = set.intersection(*({case.name for case in report.good} for report in reports))
    if len(done) < len(cases):
        verb = "lacks" if len(cases) - len(done) == 1 else "lack"
        total = counted(len(cases), "case")
        print(f"{len(cases) - len(done)} of {total} {verb} a result.", file=sys.stderr)
        return 1
    return 1 if any(report.failed for report in reports) else 0


def _write(
    out: Path,
    cases: Sequence[CasePaths],
    found: Mapping[str, tuple[list[Pair], Sequence[CaseResult]]],
    dataset: Dataset,
    options: argparse.Namespace,
) -> list[Report]:
    """Write masks, tables and pages into a folder; return both reports."""
    from napari_attn_unet.report.cases import paired  # noqa: PLC0415
    from napari_attn_unet.report.html import write_report  # noqa: PLC0415
    from napari_attn_unet.report.pairs import note_on_names  # noqa: PLC0415

    reports = []
    for name in ("first", "second"):
        source = getattr(options, name)
        pairs, others = found.get(name) or _predicted(source, cases, out / name, options)
        if name not in found:
            for note in note_on_names(pairs, dataset.labels):
                print(note, file=sys.stderr)
        report = evaluated(
            pairs,
            dataset.labels,
            options,
            title=f"{name}: {source}",
            about={"masks of": str(source), "dataset": str(options.dataset)},
            others=others,
        )
        reports.append(report)
        tell_failures(report, f"{name}, ")
    rows = paired(*reports)
    write_csv(out / "paired.csv", rows)
    for name, report in zip(("first", "second"), reports, strict=True):
        write_report(report, out / name, rows if name == "second" else ())
    print(markdown([_told(row) for row in rows if row.name in TOLD]), end="")
    return reports


def _found(
    masks: Path, dataset: Path, cases: Sequence[CasePaths]
) -> tuple[list[Pair], list[CaseResult]]:
    """Return a folder's masks of the cases, and what has no partner among them."""
    from napari_attn_unet.report.evaluation import unpaired  # noqa: PLC0415  (starts slow)
    from napari_attn_unet.report.pairs import find_pairs  # noqa: PLC0415

    found = find_pairs(masks, dataset)
    for note in found.notes:
        print(note, file=sys.stderr)
    wanted = {case.name for case in cases}
    others = [case for case in unpaired(found) if case.name in wanted or not case.missing]
    return [pair for pair in found.pairs if pair.name in wanted], others


def _require(source: str) -> None:
    """Raise a `ConfigError` unless it is a folder or a checkpoint, before any work."""
    from napari_attn_unet.network.checkpoint import load  # noqa: PLC0415  (what starts fast: no torch)

    if not Path(source).is_dir():
        try:
            load(source)
        except CheckpointError as error:
            msg = f"{source} is no folder of masks. {error}"
            raise ConfigError(msg) from error


def _told(row: PairedRow) -> _Told:
    change, low, high = (score(v, signed=True) for v in (row.difference, row.low, row.high))
    return _Told(
        class_name=row.class_name,
        metric=row.metric,
        first=score(row.first),
        second=score(row.second),
        difference=f"{change} ({low} to {high})",
        p=text(row.p),
        cases=row.cases,
    )


def _predicted(
    checkpoint: str, cases: Sequence[CasePaths], out: Path, options: argparse.Namespace
) -> tuple[list[Pair], list[CaseResult]]:
    """Segment the cases with a checkpoint; return the pairs, and the cases that failed."""
    from napari_attn_unet import io  # noqa: PLC0415  (what starts fast imports nothing slow)
    from napari_attn_unet.report.cases import CaseResult  # noqa: PLC0415
    from napari_attn_unet.report.pairs import MASK, Pair  # noqa: PLC0415

    predictor = predictor_of(options, checkpoint)
    pairs, failed = list[Pair](), list[CaseResult]()
    for i, case in enumerate(cases, 1):
        folder = out / "masks" / case.name
        try:
            steps = predictor.steps(read_one(case.image, predictor))
            prediction = driven(steps, f"{checkpoint} {i}/{len(cases)} {case.name}")
            io.write_prediction(prediction, folder, gates=False)
        except Exception as error:  # whatever it is, it does not stop the next
            failed.append(CaseResult(case.name, error=reason(error)))
            continue
        pairs.append(Pair(case.name, folder / f"{MASK}.nii.gz", case.label, case.image))
    return pairs, failed
