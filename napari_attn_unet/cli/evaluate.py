"""`attn-unet evaluate`: masks against truths, with tables and a report."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_attn_unet.cli.options import (
    add_evaluation_options,
    add_overwrite,
    evaluated,
    tell_failures,
)
from napari_attn_unet.table import counted, score

if TYPE_CHECKING:
    from napari_attn_unet.report.cases import Report

NAMES = ("cases.csv", "summary.csv", "report.html")
METRICS = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}
"""{field of a `ScoreRow`: its name}: what can have a bound."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="masks against truths: tables and a report",
        description=(
            "Compare masks with truths and write into DIR: cases.csv (a row per case and class), "
            "summary.csv (mean, sd, median, 95 % bootstrap interval) and report.html, which holds "
            "plots and the worst slice of each case. A bad pair, or a mask without a truth, is "
            "listed and does not stop the others; the exit code is then 1. Truths without a mask "
            "are listed, too; with --fail-under, the exit code is then 1."
        ),
    )
    command.add_argument(
        "predictions",
        type=Path,
        metavar="PREDICTIONS",
        help="a mask, or a folder with CASE.nii.gz or CASE/mask.nii.gz (what predict writes)",
    )
    command.add_argument(
        "truths",
        type=Path,
        metavar="TRUTHS",
        help="a file, a folder with CASE.nii.gz, or a dataset.json, which pairs other names, too",
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    command.add_argument(
        "--images", type=Path, metavar="DIR", help="images of the same names, for the pictures"
    )
    add_overwrite(command)
    add_evaluation_options(command)
    command.add_argument(
        "--fail-under",
        type=parse_bound,
        action="append",
        default=[],
        metavar="METRIC=VALUE",
        help="exit with 1 if the mean over cases and classes, to four decimals, is lower, or if a "
        f"truth has no mask; {', '.join(METRICS)}; such as dice=0.85",
    )
    command.set_defaults(run=run)


def parse_bound(text: str) -> tuple[str, float]:
    """Return a metric and its bound: "dice=0.85" -> ("dice", 0.85)."""
    name, _, value = text.partition("=")
    metric = name.strip().lower()
    try:
        bound = float(value)
    except ValueError:
        bound = math.nan
    if metric not in METRICS or not 0 <= bound <= 1:
        msg = (
            f"{text!r} is no bound; write METRIC=VALUE, such as dice=0.85: the metric one of "
            f"{', '.join(METRICS)}, the value from 0 to 1."
        )
        raise argparse.ArgumentTypeError(msg)
    return metric, bound


def tell(report: Report) -> None:
    """Print the Dice of every class, the worst cases, and what could not be evaluated."""
    for row in report.summary():
        if row.name == "dice":
            spread = (
                f"sd {score(row.deviation)}, median {score(row.median)}, 95 % {score(row.low)} to "
                f"{score(row.high)}, {row.cases} cases"
                if row.cases > 1
                else "one case, so no interval"
            )
            if not row.cases:
                print(f"{row.class_name}: Dice is not defined, as no mask and no truth has it")
                continue
            print(f"{row.class_name}: Dice {score(row.mean)} ({spread})")
    for case in report.worst(3):
        print(f"lowest: {case.name}, mean Dice {score(case.mean('dice'))}")
    tell_failures(report)


def run(options: argparse.Namespace) -> int:
    """Write everything; return 1 if a pair is bad or a bound is not kept."""
    from napari_attn_unet import output  # noqa: PLC0415  (what starts fast imports nothing slow)
    from napari_attn_unet.report.evaluation import unpaired  # noqa: PLC0415
    from napari_attn_unet.report.html import write_report  # noqa: PLC0415
    from napari_attn_unet.report.pairs import find_pairs  # noqa: PLC0415

    output.claim(options.out, NAMES, overwrite=options.overwrite)
    found = find_pairs(options.predictions, options.truths, options.images)
    for note in found.notes:
        print(note, file=sys.stderr)
    about = {"predictions": str(options.predictions), "truths": str(options.truths)}
    report = evaluated(
        found.pairs,
        found.classes,
        options,
        title="Evaluation",
        about=about,
        others=unpaired(found),
    )
    write_report(report, options.out)
    tell(report)
    print(f"{options.out}: cases.csv, summary.csv, report.html")
    code = 0
    if report.failed:
        masks = counted(len(report.failed) + len(report.good), "mask")
        print(f"{len(report.failed)} of {masks} could not be evaluated.", file=sys.stderr)
        code = 1
    for metric, bound in options.fail_under:
        if not _kept(report.mean(metric), METRICS[metric], bound):
            code = 1
    if report.missing and options.fail_under:
        print("A bound is kept only if every truth has a mask.", file=sys.stderr)
        code = 1
    return code


def _kept(mean: float, name: str, bound: float) -> bool:
    """Print a mean over cases and classes beside its bound; return whether it keeps that.

    What is printed is what is compared.
    """
    if math.isnan(mean):
        print(f"Mean {name} is not defined: no case has any class.", file=sys.stderr)
        return False
    shown = score(mean)
    kept = float(shown) >= bound
    words = f"Mean {name} is {shown}, {'not ' if kept else ''}under {bound!r}."
    print(words, file=sys.stdout if kept else sys.stderr)
    return kept
