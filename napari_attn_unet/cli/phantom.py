"""`attn-unet phantom`: a labelled synthetic dataset, to try training on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_attn_unet.cli.options import WithDefaults, add_overwrite
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.table import counted

NAMES = ("dataset.json", "imagesTr/phantom_*.nii.gz", "labelsTr/phantom_*.nii.gz")


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "phantom",
        help="write a synthetic labelled dataset",
        description="Write synthetic volumes and their truth in the Decathlon's layout, for train.",
        formatter_class=WithDefaults,
    )
    command.add_argument("out", type=Path, metavar="DIR", help="folder to write")
    command.add_argument("--cases", type=int, default=24, help="number of volumes")
    command.add_argument(
        "--size", type=int, nargs=3, default=(48, 48, 48), metavar=("Z", "Y", "X"), help="voxels"
    )
    command.add_argument("--seed", type=int, default=0, help="seed of the first volume")
    add_overwrite(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write images, labels and dataset.json."""
    from napari_attn_unet import io, output, phantom  # noqa: PLC0415  (what starts fast imports little)

    if options.cases < 1:
        msg = f"A dataset needs at least 1 case, but --cases is {options.cases}. Ask for more."
        raise ConfigError(msg)
    entries = []
    with output.result(options.out, NAMES, overwrite=options.overwrite) as part:
        for seed in range(options.seed, options.seed + options.cases):
            volume, truth = phantom.make(tuple(options.size), seed)
            entry = {kind: f"{kind}sTr/phantom_{seed:03d}.nii.gz" for kind in ("image", "label")}
            io.write(part / entry["image"], volume.data[0], volume.geometry)
            io.write(part / entry["label"], truth, volume.geometry)
            entries.append(entry)
        text = json.dumps(_about(entries, phantom.CLASSES), indent=1)
        (part / "dataset.json").write_text(text, encoding="utf-8")
    print(f"Wrote {counted(options.cases, 'case')} to {options.out}")
    return 0


def _about(entries: list[dict[str, str]], classes: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "Phantom",
        "description": "Synthetic lobes among look-alikes, made by attn-unet phantom",
        "reference": "made by this program",
        "licence": "CC0-1.0",
        "modality": {"0": "synthetic"},
        "labels": {str(i): name for i, name in enumerate(classes)},
        "training": entries,
    }
