"""`attn-unet predict`: NIfTI files in, masks and gate maps out."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_attn_unet.errors import AttnUNetError, ConfigError

if TYPE_CHECKING:
    from napari_attn_unet.network.card import Card
    from napari_attn_unet.volume import Volume

_BYTES = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="segment NIfTI volumes",
        description=(
            "Segment volumes and write DIR/<image name>/mask.nii.gz for each, on the very grid of "
            "the image. One bad file does not stop the others; the exit code is then 1."
        ),
    )
    command.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help=".nii or .nii.gz")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
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


def add_run_options(command: argparse.ArgumentParser) -> None:
    """Add what every command that runs a network takes."""
    command.add_argument(
        "--checkpoint", default="hippocampus", help="file or name (default: %(default)s)"
    )
    command.add_argument("--device", default="auto", help="auto, cpu, cuda:0, mps")
    command.add_argument("--precision", default="f32", choices=("f32", "bf16"))
    command.add_argument(
        "--memory-limit",
        type=parse_bytes,
        metavar="SIZE",
        help="such as 2GB; default: 60%% of free",
    )


def parse_bytes(text: str) -> int:
    """Return a size in bytes: "2GB" -> 2_000_000_000."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([kmgt]?)b?", text.strip().lower())
    if not match:
        msg = f"{text!r} is no size; write it like 2GB or 500MB."
        raise argparse.ArgumentTypeError(msg)
    size = int(float(match[1]) * _BYTES[match[2]])
    if size < _BYTES["m"]:
        msg = f"{text!r} is {size:,} bytes, too little for any run; write it like 2GB or 500MB."
        raise argparse.ArgumentTypeError(msg)
    return size


def number_in(low: float, high: float, *, above: bool = False) -> Callable[[str], float]:
    """Return a reader of a number between two bounds; `above` leaves the lower one out."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or (above and value == low):
            bounds = f"from {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
            msg = f"a number {bounds} is needed, not {text!r}."
            raise argparse.ArgumentTypeError(msg)
        return value

    return read


def advise(card: Card, volume: Volume) -> None:
    """Warn where an image is far larger than those that a checkpoint was trained on."""
    note = card.larger_than_seen(volume.shape, volume.geometry.spacing_mm)
    if note is not None:
        print(f"{volume.name}: {note}: crop it to the region first.", file=sys.stderr)


def run(options: argparse.Namespace) -> int:
    """Segment every image; return 1 if any failed."""
    from tqdm import tqdm  # noqa: PLC0415  (what starts fast imports nothing slow)

    from napari_attn_unet import io, output  # noqa: PLC0415
    from napari_attn_unet.engine.predictor import Predictor  # noqa: PLC0415

    names = Counter(io.stem(path) for path in options.images)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        msg = (
            f"Several images are called {', '.join(twice)}, so their outputs would overwrite each "
            "other. Run them in separate calls with separate --out folders."
        )
        raise ConfigError(msg)
    predictor = Predictor(
        options.checkpoint, options.device, options.precision, options.memory_limit
    )
    output.make_folder(options.out)
    failed = 0
    for path in options.images:
        folder = options.out / io.stem(path)
        try:
            volumes = io.read(path, predictor.checkpoint.config.in_channels)
            advise(predictor.checkpoint.card, volumes[0])
            steps = predictor.steps(
                volumes,
                probabilities=options.probabilities,
                store=folder / "maps.zarr" if options.zarr else None,
            )
            with tqdm(
                total=100,
                desc=io.stem(path),
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
            ) as bar:
                while True:
                    try:
                        bar.update(100 * next(steps).done - bar.n)
                    except StopIteration as stop:
                        prediction = stop.value
                        break
            if options.zarr:  # they are written
                prediction = replace(prediction, gates=(), probabilities=None)
            io.write_prediction(prediction, folder, gates=options.gates)
        except AttnUNetError as error:
            failed += 1
            print(f"{path}: {error}", file=sys.stderr)
            continue
        points = f"{len(volumes)} time points, together " if len(volumes) > 1 else ""
        sizes = ", ".join(
            f"{name} {mm3:,.0f} mm³" if mm3 is not None else f"{name} {count:,} voxels"
            for name, count, mm3 in prediction.class_sizes().values()
        )
        print(f"{folder}: {points}{sizes}")
    if failed:
        print(f"{failed} of {len(options.images)} images failed.", file=sys.stderr)
    return 1 if failed else 0
