"""`attn-unet figure`: slices × (image, mask, gates, truth) as a picture or a film."""

from __future__ import annotations

import argparse
from glob import escape
from pathlib import Path
from typing import Any

from napari_attn_unet.cli.options import (
    add_overwrite,
    add_run_options,
    driven,
    inputs_of,
    number_in,
    predictor_of,
    read_one,
    read_truth,
)
from napari_attn_unet.errors import ConfigError


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "figure",
        help="draw slices with mask and gates",
        description=(
            "Segment a NIfTI volume and draw slices of the image, the mask, every gate and, if "
            "given, the truth. The ending of FILE says what is written: .png, .svg, .pdf; or "
            ".gif or (with the package imageio-ffmpeg) .mp4, a film through all slices."
        ),
    )
    command.add_argument("image", type=Path, metavar="IMAGE", help=".nii or .nii.gz")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="what to write")
    command.add_argument("--truth", type=Path, help="labels to draw as a contour")
    command.add_argument("--axis", choices="zyx", default="z", help="to slice across (default: z)")
    command.add_argument(
        "--slices",
        metavar="N,N,…",
        help="indices of the slices; default: four spread over the mask",
    )
    command.add_argument(
        "--colormap", default="inferno", help="matplotlib's name (default: inferno)"
    )
    command.add_argument(
        "--opacity",
        type=number_in(0, 1),
        default=0.6,
        help="of the gates, 0 to 1 (default: 0.6)",
    )
    add_overwrite(command)
    add_run_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the picture or film; return 0."""
    import numpy as np  # noqa: PLC0415  (what starts fast imports nothing slow)
    from matplotlib import colormaps  # noqa: PLC0415

    from napari_attn_unet import io, output  # noqa: PLC0415
    from napari_attn_unet.gates.inspection import Inspection  # noqa: PLC0415
    from napari_attn_unet.report import figure  # noqa: PLC0415

    figure.check_ending(options.out, (*figure.FIGURES, *figure.FILMS))
    if options.colormap not in colormaps:
        msg = f"matplotlib has no colormap {options.colormap!r}; try inferno, viridis or magma."
        raise ConfigError(msg)
    if options.slices is not None and options.out.suffix.lower() in figure.FILMS:
        msg = "--slices is for pictures; a film goes through all slices."
        raise ConfigError(msg)
    asked: dict[str, Any] = {"overwrite": options.overwrite, "inputs": inputs_of(options)}
    place = options.out.parent, [escape(options.out.name)]
    output.claim(*place, **asked)
    predictor = predictor_of(options)
    volume = read_one(options.image, predictor)
    axis = "zyx".index(options.axis)
    slices = _slices(options.slices, volume.shape[axis])
    truth = read_truth(options.truth, volume)
    prediction = driven(predictor.steps(volume), "segment")
    inspection = Inspection(
        np.asarray(volume.data[0]), volume.geometry, prediction.gates, prediction.mask, truth
    )
    style = figure.Style(
        colormap=options.colormap,
        opacity=options.opacity,
        colours=[colour for _, colour in prediction.classes],
    )
    with output.result(*place, **asked) as part:
        path = part / options.out.name
        if options.out.suffix.lower() in figure.FILMS:
            driven(figure.film(inspection, axis, path, style), "film", float)
        else:
            chosen = slices or figure.busiest(inspection, axis, 4)
            picture = figure.draw(inspection, axis, chosen, style, io.stem(options.image))
            figure.save(picture, path)
    print(options.out)
    return 0


def _slices(text: str | None, count: int) -> list[int]:
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
