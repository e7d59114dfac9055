"""`attn-unet demo`: napari with the bundled MRI sample, already segmented."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from napari_attn_unet.cli.options import add_overwrite
from napari_attn_unet.errors import DeviceError

SCREEN = "-screen 0 1920x1200x24"


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="open napari with the bundled MRI, segmented",
        description=(
            "Open napari with the bundled MRI sample, the Segment widget and the finished result. "
            "Without a display the same runs on a virtual one (Xvfb) and ends by itself. "
            "Either way a screenshot, the mask and the gate maps are written."
        ),
    )
    command.add_argument(
        "--out", type=Path, default=Path("out/demo"), metavar="DIR", help="default: %(default)s"
    )
    add_overwrite(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Start the window in a process of its own, on a virtual display if there is none."""
    from napari_attn_unet import io, output  # noqa: PLC0415  (what starts fast: nothing slow)

    output.claim(options.out, io.RESULT, overwrite=options.overwrite)
    command = [sys.executable, "-m", "napari_attn_unet.plugin.demo", str(options.out)]
    command += ["--overwrite"] if options.overwrite else []
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        if shutil.which("xvfb-run") is None:
            msg = (
                "There is no display, and xvfb-run, which makes a virtual one, is not installed. "
                "On Debian or Ubuntu: sudo apt-get install xvfb xauth."
            )
            raise DeviceError(msg)
        command = ["xvfb-run", "-a", "-s", SCREEN, *command, "--close"]
    return subprocess.run(command, check=False).returncode  # noqa: S603  (our own module)
