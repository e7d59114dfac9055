"""`attn-unet compare-models`: two checkpoints, or two sets of masks, on the same cases."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_attn_unet.cli.evaluate import add_evaluation_options, evaluated, write
from napari_attn_unet.cli.inspect import driven
from napari_attn_unet.cli.predict import number_in, parse_bytes
from napari_attn_unet.errors import AttnUNetError, CheckpointError, ConfigError

if TYPE_CHECKING:
    from napari_attn_unet.io.datasets import CasePaths


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
        "dataset", type=Path, metavar="DATASET", help="a folder in Decathlon layout"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    command.add_argument(
        "--holdout",
        type=number_in(0, 1, above=True),
        metavar="SHARE",
        help="only the cases that `train --holdout SHARE --seed SEED` leaves out of training",
    )
    command.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda:0, mps")
    command.add_argument("--precision", default="f32", choices=("f32", "bf16"))
    command.add_argument("--memory-limit", type=parse_bytes, metavar="SIZE", help="such as 2GB")
    add_evaluation_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write everything; return 1 if a case failed."""
    from napari_attn_unet import output  # noqa: PLC0415  (what starts fast imports nothing slow)
    from napari_attn_unet.gates.inspection import write_csv  # noqa: PLC0415
    from napari_attn_unet.io import open_dataset  # noqa: PLC0415
    from napari_attn_unet.report.cases import find_pairs, paired  # noqa: PLC0415

    output.make_folder(options.out)
    if any(options.out.iterdir()):
        msg = f"{options.out} is not empty; name a new folder, so that no older result mixes in."
        raise ConfigError(msg)
    for source in (options.first, options.second):
        _require(source)
    dataset = open_dataset(options.dataset).complete()
    cases = list(dataset.cases)
    if options.holdout is not None:
        cases = dataset.split(options.holdout, options.seed)[1]
    wanted = {case.name for case in cases}
    reports = []
    for name in ("first", "second"):
        source, out = getattr(options, name), options.out / name
        masks = Path(source) if Path(source).is_dir() else _predicted(source, cases, out, options)
        pairs, _, classes = find_pairs(masks, options.dataset / "dataset.json")
        pairs = [pair for pair in pairs if pair.name in wanted]
        about = {"masks of": str(source), "dataset": str(options.dataset)}
        report = evaluated(pairs, classes, options, title=f"{name}: {source}", about=about)
        reports.append(report)
        for case in report.failed:
            print(f"{name}, {case.name}: {case.error}", file=sys.stderr)
    rows = paired(*reports)
    write_csv(options.out / "paired.csv", rows)
    for name, report in zip(("first", "second"), reports, strict=True):
        write(report, options.out / name, rows if name == "second" else ())
    print("| class | metric | first | second | difference (95 %) | Wilcoxon p | cases |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        if row["metric"].startswith(("Dice", "HD95", "ASSD", "surface Dice")):
            print(
                f"| {row['class']} | {row['metric']} | {_number(row['first'])} "
                f"| {_number(row['second'])} | {_number(row['difference'], '+.4f')} "
                f"({_number(row['95 % low'], '+.4f')} to {_number(row['95 % high'], '+.4f')}) "
                f"| {_number(row['Wilcoxon p'], '.3g')} | {row['cases']} |"
            )
    print(f"{options.out}: paired.csv, first/report.html, second/report.html")
    done = min(len(report.good) for report in reports)
    if done < len(wanted):
        print(f"{len(wanted) - done} of {len(wanted)} cases lack a result.", file=sys.stderr)
        return 1
    return 0


def _require(source: str) -> None:
    """Raise a `ConfigError` unless it is a folder or a checkpoint, before any work."""
    from napari_attn_unet.network.checkpoint import load  # noqa: PLC0415  (what starts fast: no torch)

    if not Path(source).is_dir():
        try:
            load(source)
        except CheckpointError as error:
            msg = f"{source} is no folder of masks. {error}"
            raise ConfigError(msg) from error


def _number(value: float, form: str = ".4f") -> str:
    return "–" if math.isnan(value) else format(value, form)


def _predicted(
    checkpoint: str, cases: list[CasePaths], out: Path, options: argparse.Namespace
) -> Path:
    """Segment the cases with a checkpoint; return the folder of the masks."""
    from napari_attn_unet import io  # noqa: PLC0415  (what starts fast imports nothing slow)
    from napari_attn_unet.engine.predictor import Predictor  # noqa: PLC0415

    predictor = Predictor(checkpoint, options.device, options.precision, options.memory_limit)
    channels = predictor.checkpoint.config.in_channels
    for i, case in enumerate(cases, 1):
        try:
            volume = io.read(case.image, channels)[0]
            steps = predictor.steps(volume)
            prediction = driven(steps, f"{checkpoint} {i}/{len(cases)} {case.name}")
            io.write_prediction(prediction, out / "masks" / case.name, gates=False)
        except AttnUNetError as error:
            print(f"{case.name}: {error}", file=sys.stderr)
    return out / "masks"
