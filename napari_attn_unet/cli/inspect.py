"""`attn-unet attention`: what the gates say about an image, as tables, maps and a figure."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_attn_unet.cli.predict import add_run_options, advise, number_in
from napari_attn_unet.errors import ShapeError

if TYPE_CHECKING:
    from napari_attn_unet.engine.predictor import Predictor
    from napari_attn_unet.volume import Volume

TABLES = "gates.csv, profile.csv, agreement.csv, agreement_slices.csv, gradcam.csv, knockout.csv"


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "attention",
        help="what the gates look at, and whether it matters",
        description=(
            "Segment a NIfTI volume and write into DIR what the Inspect widget shows: the mask, "
            f"the gates' maps, {TABLES}, and figure.png."
        ),
    )
    command.add_argument("image", type=Path, metavar="IMAGE", help=".nii or .nii.gz")
    command.add_argument("--truth", type=Path, help="labels to compare with, .nii or .nii.gz")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
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
    command.set_defaults(run=run)


def driven(steps: Generator[Any, Any, Any], name: str) -> Any:
    """Drive steps to their end beside a progress bar; return what they return."""
    from tqdm import tqdm  # noqa: PLC0415  (what starts fast imports nothing slow)

    with tqdm(
        total=100, desc=name, bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    ) as bar:
        while True:
            try:
                bar.update(100 * next(steps).done - bar.n)
            except StopIteration as stop:
                bar.update(100 - bar.n)
                return stop.value


def read_truth(path: Path | None, volume: Any) -> Any:
    """Read labels and bring them onto the grid of a volume; None stays None."""
    from napari_attn_unet import io  # noqa: PLC0415  (what starts fast imports nothing slow)
    from napari_attn_unet.volume import onto_grid  # noqa: PLC0415

    if path is None:
        return None
    labels, geometry = io.read_labels(path)
    there = onto_grid(labels, geometry, volume.geometry, volume.shape)
    if there is not labels:
        print(
            f"{path.name} lies on another grid {labels.shape} than {volume.name} {volume.shape}: "
            "each voxel takes the nearest label.",
            file=sys.stderr,
        )
    return there


def read_one(path: Path, predictor: Predictor) -> Volume:
    """Read one volume for a predictor; warn where it is far larger than those trained on."""
    from napari_attn_unet import io  # noqa: PLC0415  (what starts fast imports nothing slow)

    (volume, *more) = io.read(path, predictor.checkpoint.config.in_channels)
    if more:
        msg = f"{path.name} is a series of {len(more) + 1} volumes; give one volume."
        raise ShapeError(msg)
    advise(predictor.checkpoint.card, volume)
    return volume


def run(options: argparse.Namespace) -> int:
    """Write everything; return 0."""
    from napari_attn_unet import io, output  # noqa: PLC0415  (starts fast)
    from napari_attn_unet.engine.predictor import Predictor  # noqa: PLC0415
    from napari_attn_unet.report import export  # noqa: PLC0415  (starts fast)

    predictor = Predictor(
        options.checkpoint, options.device, options.precision, options.memory_limit
    )
    volume = read_one(options.image, predictor)
    truth = read_truth(options.truth, volume)
    output.make_folder(options.out)
    steps = export.write(
        predictor,
        volume,
        options.out,
        truth=truth,
        name=io.stem(options.image),
        top=options.top,
        gradcam=not options.no_gradcam,
        knockouts=not options.no_knockout,
    )
    for row in driven(steps, io.stem(options.image)).statistics_rows():
        print(f"{row['gate']}: mean {row['mean']:.2f}, sd {row['sd']:.2f}  {row['verdict']}")
    print(f"{options.out}: the mask, the maps, the tables and figure.png")
    return 0
