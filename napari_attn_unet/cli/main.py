"""Entry point of `attn-unet`: reads the command and runs its module."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from napari_attn_unet import __version__, output
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
from napari_attn_unet.errors import AttnUNetError, reason

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
    """Run one command; return its exit code. An error is one line, never a trace."""
    output.plain_console()
    try:
        try:
            code = _run(parser().parse_args(arguments))
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # or it fails when nobody can say so any more
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        output.mute_console()
        return BROKEN_PIPE
    except OSError as error:  # such as a full disk that stdout is written to
        print(f"attn-unet: the output cannot be written: {reason(error)}.", file=sys.stderr)
        output.mute_console()
        return 1
    return code


def _run(options: argparse.Namespace) -> int:
    """Run a command; say in a line what went wrong."""
    try:
        return int(options.run(options))
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        print(f"\nattn-unet {options.command}: stopped.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if sys.flags.dev_mode:  # python -X dev: for whoever looks for the fault
            raise
        print(f"attn-unet {options.command}: {reason(error)}", file=sys.stderr)
        if not isinstance(error, (AttnUNetError, MemoryError, OSError)):
            told = "This is a fault of the program. `python -X dev -m napari_attn_unet.cli"
            print(f"{told} {options.command} …` shows where; please report it.", file=sys.stderr)
        return 1
