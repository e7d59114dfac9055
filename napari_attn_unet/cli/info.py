"""`attn-unet info`: what a checkpoint says about itself."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="print a checkpoint's card",
        description="Print what a checkpoint was trained for, on what, and what it scored.",
    )
    command.add_argument(
        "checkpoint", help="a checkpoint file, or the name of one that ships (hippocampus, phantom)"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load the checkpoint, which checks it, and print its card."""
    from napari_attn_unet.network import checkpoint  # noqa: PLC0415  (what starts fast imports no torch)

    loaded = checkpoint.load(options.checkpoint)
    print(loaded.card.describe())
    print(f"{'file':<14} {loaded.path}")
    print(f"{'sha256':<14} {loaded.sha256}")
    return 0
