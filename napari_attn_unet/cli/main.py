"""Entry point of `attn-unet`: reads the command and runs its module."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from napari_attn_unet import __version__
from napari_attn_unet.cli import (
    compare_models,
    demo,
    evaluate,
    figure,
    info,
    inspect,
    phantom,
    predict,
    train,
)
from napari_attn_unet.errors import AttnUNetError

INTERRUPTED = 130
BROKEN_PIPE = 141


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    result = argparse.ArgumentParser(
        prog="attn-unet",
        description="Segment 3D images with an Attention U-Net and see where its gates look.",
        epilog="Each command has a --help of its own. In napari: Plugins → Attention U-Net.",
    )
    result.add_argument("--version", action="version", version=f"attn-unet {__version__}")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = (
        demo,
        predict,
        inspect,
        figure,
        evaluate,
        compare_models,
        info,
        train,
        phantom,
    )
    for module in modules:
        module.add_parser(commands)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. A deliberate error is one line, never a trace."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except AttnUNetError as error:
        print(f"attn-unet {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nattn-unet {options.command}: stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
