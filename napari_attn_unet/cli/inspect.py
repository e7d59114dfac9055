"""`attn-unet inspect`: what the gates say about an image, as tables, maps and a figure."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_attn_unet.cli.options import (
    add_overwrite,
    add_run_options,
    driven,
    inputs_of,
    number_in,
    predictor_of,
    read_one,
    read_truth,
    tell_nothing_found,
)
from napari_attn_unet.cli.pictures import add_picture_options, slices_of, style_of

TABLES = "gates.csv, profile.csv, agreement.csv, agreement_slices.csv, gradcam.csv, knockout.csv"

ALIAS = "attention"


def add_parser(commands: Any) -> None:
    """Add the command to the parser by both its names; each shows its own usage."""
    told = f"what the gates look at, and whether it matters (also: {ALIAS})"
    _add_options(commands.add_parser("inspect", help=told, description=_description(ALIAS)))
    _add_options(commands.add_parser(ALIAS, description=_description("inspect")))


def _description(other: str) -> str:
    return (
        "Segment a NIfTI volume and write into DIR what the Inspect widget shows: the mask, "
        f"the gates' maps, {TABLES}, and figure.png. `attn-unet {other}` is the same command."
    )


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("image", type=Path, metavar="IMAGE", help=".nii or .nii.gz")
    command.add_argument("--truth", type=Path, help="labels to compare with, .nii or .nii.gz")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    add_overwrite(command)
    add_run_options(command)
    command.add_argument(
        "--top",
        type=number_in(0, 100, above=True),
        default=5.0,
        metavar="PERCENT",
        help="of agreement (default: 5)",
    )
    command.add_argument("--no-knockout", action="store_true", help="leave out knockout.csv")
    command.add_argument(
        "--no-gradcam", action="store_true", help="leave out Grad-CAM, which needs most memory"
    )
    add_picture_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write everything; return 0."""
    from napari_attn_unet import io, output  # noqa: PLC0415  (what starts fast: nothing slow)
    from napari_attn_unet.report.inspect import write_inspection  # noqa: PLC0415

    asked: dict[str, Any] = {"overwrite": options.overwrite, "inputs": inputs_of(options)}
    output.claim(options.out, io.RESULT, **asked)
    style = style_of(options)
    predictor = predictor_of(options)
    volume = read_one(options.image, predictor)
    axis = "zyx".index(options.axis)
    slices = slices_of(options, volume.shape[axis])
    truth, notes = read_truth(options.truth, volume)
    with output.result(options.out, io.RESULT, **asked) as part:
        steps = write_inspection(
            predictor,
            volume,
            part,
            truth=truth,
            name=io.stem(options.image),
            top=options.top,
            gradcam=not options.no_gradcam,
            knockouts=not options.no_knockout,
            axis=axis,
            slices=slices,
            style=style,
            notes=notes,
        )
        inspection = driven(steps, io.stem(options.image))
    if inspection.mask is not None:
        tell_nothing_found(options.image.name, inspection.mask)
    if inspection.covered_words():
        print(inspection.covered_words())
    for row in inspection.statistics_rows():
        print(f"{row.gate}: mean {row.mean:.2f}, sd {row.deviation:.2f}  {row.verdict}")
    print(f"{options.out}: the mask, the maps, the tables and figure.png")
    return 0
