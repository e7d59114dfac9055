"""`attn-unet phantom`: a labelled synthetic dataset, to try training on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from napari_attn_unet.errors import ConfigError


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "phantom",
        help="write a synthetic labelled dataset",
        description="Write synthetic volumes and their truth in the Decathlon's layout, for train.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("out", type=Path, metavar="DIR", help="folder to write")
    command.add_argument("--cases", type=int, default=24, help="number of volumes")
    command.add_argument("--size", type=int, nargs=3, default=(48, 48, 48), help="voxels (Z Y X)")
    command.add_argument("--seed", type=int, default=0, help="seed of the first volume")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write images, labels and dataset.json."""
    from napari_attn_unet import io, phantom  # noqa: PLC0415  (what starts fast imports little)

    if options.cases < 1:
        msg = f"A dataset needs at least 1 case, but --cases is {options.cases}. Ask for more."
        raise ConfigError(msg)
    entries = []
    for seed in range(options.seed, options.seed + options.cases):
        volume, truth = phantom.make(tuple(options.size), seed)
        entry = {kind: f"{kind}sTr/phantom_{seed:03d}.nii.gz" for kind in ("image", "label")}
        io.write(options.out / entry["image"], volume.data[0], volume.geometry)
        io.write(options.out / entry["label"], truth, volume.geometry)
        entries.append(entry)
    about = {
        "name": "Phantom",
        "description": "Synthetic lobes among look-alikes, made by attn-unet phantom",
        "reference": "made by this program",
        "licence": "CC0-1.0",
        "modality": {"0": "synthetic"},
        "labels": {str(i): name for i, name in enumerate(phantom.CLASSES)},
        "training": entries,
    }
    path = options.out / "dataset.json"
    path.write_text(json.dumps(about, indent=1), encoding="utf-8")
    print(f"Wrote {options.cases} cases to {options.out}")
    return 0
