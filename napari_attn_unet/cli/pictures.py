"""What the commands that draw share: which slices, and how they look."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_attn_unet.cli.options import number_in
from napari_attn_unet.errors import ConfigError

if TYPE_CHECKING:
    from napari_attn_unet.report.orientation import Convention
    from napari_attn_unet.report.slices import Style


ORIENTATIONS: Mapping[str, Convention] = {
    "radiological": "radiological",
    "neurological": "neurological",
    "stored": "as stored",
}
"""What a shell takes without quotes, by what it means."""


def add_picture_options(command: argparse.ArgumentParser) -> None:
    """Add which slices a picture shows, and how it looks."""
    command.add_argument("--axis", choices="zyx", default="z", help="to slice across (default: z)")
    command.add_argument(
        "--slices",
        metavar="N,N,…",
        help="indices of the figure's slices; default: four spread over the mask",
    )
    command.add_argument(
        "--orientation",
        choices=tuple(ORIENTATIONS),
        default="radiological",
        help="the patient's left on the right of the picture, on its left, or the voxels as they "
        "are stored (default: radiological)",
    )
    command.add_argument(
        "--colormap",
        default="attention",
        help="of the gates: attention, one hue that no class has, or one of matplotlib's names "
        "(default: attention)",
    )
    command.add_argument(
        "--contrast",
        type=_contrast,
        metavar="LOW,HIGH",
        help="intensities shown black and white (default: the 0.5th and 99.5th percentile); "
        "--contrast=-100,400 where one is below 0",
    )
    command.add_argument(
        "--opacity",
        type=number_in(0, 1),
        help="of a gate where α is 1 (default: as on the canvas)",
    )


def style_of(options: argparse.Namespace) -> Style:
    """Return how the pictures look that the options of `add_picture_options` ask for.

    Raises
    ------
    ConfigError
        If there is no such colormap.
    """
    import numpy as np  # noqa: PLC0415  (what starts fast imports nothing slow)
    from matplotlib import colormaps  # noqa: PLC0415

    from napari_attn_unet.report import picture  # noqa: PLC0415
    from napari_attn_unet.report.slices import Style  # noqa: PLC0415

    own = options.colormap == "attention"
    if not own and options.colormap not in colormaps:
        msg = (
            f"matplotlib has no colormap {options.colormap!r}; try inferno, viridis or magma, or "
            "leave it out for the gates' own hue."
        )
        raise ConfigError(msg)
    shades = np.linspace(0, 1, 256)
    table = None if own else picture.clear_at_zero(colormaps[options.colormap](shades))
    return Style(
        limits=options.contrast,
        table=table,
        opacity=picture.GATE_OPACITY if options.opacity is None else options.opacity,
        convention=ORIENTATIONS[options.orientation],
    )


def slices_of(options: argparse.Namespace, count: int) -> list[int]:
    """Return the slices asked for, of so many along the axis; none if that is left to us.

    Raises
    ------
    ConfigError
        If one of them is no index.
    """
    text = options.slices
    if text is None:
        return []
    try:
        slices = [int(part) for part in text.split(",")]
    except ValueError:
        slices = [-1]
    if any(not 0 <= index < count for index in slices):
        msg = f"--slices needs indices from 0 to {count - 1}, such as 10,20; got {text!r}."
        raise ConfigError(msg)
    return slices


def _contrast(text: str) -> tuple[float, float]:
    """Return two numbers, the second the larger: "0,900" -> (0.0, 900.0)."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high:
        msg = f"two numbers, the second the larger, are needed, such as 0,900; not {text!r}."
        raise argparse.ArgumentTypeError(msg)
    return low, high
