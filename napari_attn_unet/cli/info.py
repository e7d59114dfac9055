"""`attn-unet info`: what a checkpoint says about itself."""

from __future__ import annotations

import argparse
import hashlib
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
    """Print the card, which the file's header holds; return 0.

    A `.pt` or `.pth` file has no header: torch has to load it, which also checks its weights.
    """
    from napari_attn_unet.network.card import read_card  # noqa: PLC0415  (what starts fast)
    from napari_attn_unet.network.library import resolve  # noqa: PLC0415

    path = resolve(options.checkpoint)
    if path.suffix in (".pt", ".pth"):
        from napari_attn_unet.network.checkpoint import load  # noqa: PLC0415  (torch)

        card = load(path).card
    else:
        card = read_card(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    print(card.describe())
    print(f"{'file':<14} {path}")
    print(f"{'sha256':<14} {digest}")
    return 0
