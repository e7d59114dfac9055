"""`attn-unet predict`: NIfTI files in, masks and gate maps out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_attn_unet.cli.options import (
    add_overwrite,
    add_run_options,
    advise,
    driven,
    going_on,
    inputs_of,
    predictor_of,
)
from napari_attn_unet.table import counted


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="segment NIfTI volumes",
        description=(
            "Segment volumes and write DIR/<image name>/mask.nii.gz for each, on the very grid of "
            "the image; images of one name keep the folders that tell them apart. One bad file "
            "does not stop the others; the exit code is then 1."
        ),
    )
    command.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help=".nii or .nii.gz")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    add_overwrite(command)
    add_run_options(command)
    command.add_argument(
        "--gates", action="store_true", help="also write gate1.nii.gz (finest), gate2.nii.gz, …"
    )
    command.add_argument(
        "--probabilities", action="store_true", help="also write probabilities.nii.gz"
    )
    command.add_argument(
        "--zarr",
        action="store_true",
        help="write gate maps and probabilities to maps.zarr while they are computed, never all of "
        "them in memory, instead of to .nii.gz",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Segment every image; return 1 if any failed."""
    from napari_attn_unet import io, output  # noqa: PLC0415  (what starts fast: nothing slow)
    from napari_attn_unet.io import ome_zarr  # noqa: PLC0415

    names = io.case_names(options.images)
    asked: dict[str, Any] = {"overwrite": options.overwrite, "inputs": inputs_of(options)}
    for name in names:
        output.claim(options.out / name, io.RESULT, **asked)
    if options.zarr:
        ome_zarr.require()
    predictor = predictor_of(options)
    failed: list[str] = []
    for path, name in zip(options.images, names, strict=True):
        folder = options.out / name
        with (
            going_on(str(path), failed),
            output.result(folder, io.RESULT, **asked) as part,
        ):
            volumes = io.read(path, predictor.checkpoint.config.in_channels)
            advise(predictor.checkpoint.card, volumes[0])
            steps = predictor.steps(
                volumes,
                probabilities=options.probabilities,
                store=part / "maps.zarr" if options.zarr else None,
            )
            prediction = driven(steps, name)
            if options.zarr:  # they are written
                prediction = replace(prediction, gates=(), probabilities=None)
            io.write_prediction(prediction, part, gates=options.gates)
        if str(path) in failed:
            continue
        print(f"{folder}: {prediction.sizes_in_words()}")
    if failed:
        images = counted(len(options.images), "image")
        print(f"{len(failed)} of {images} failed.", file=sys.stderr)
    return 1 if failed else 0
