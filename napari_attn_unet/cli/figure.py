"""`attn-unet figure`: slices × (image, gates with the mask's outline) as a picture or a film."""

from __future__ import annotations

import argparse
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

from napari_attn_unet.cli.options import (
    add_overwrite,
    add_run_options,
    driven,
    inputs_of,
    parse_count,
    predictor_of,
    read_one,
    read_truth,
    tell_nothing_found,
)
from napari_attn_unet.cli.pictures import add_picture_options, slices_of, style_of
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
    command.add_argument("--truth", type=Path, help="labels to draw as a dashed outline")
    command.add_argument(
        "--time",
        type=parse_count,
        metavar="N",
        help="which time point of a series to draw, counted from 1",
    )
    add_picture_options(command)
    command.add_argument(
        "--gate",
        type=parse_count,
        metavar="N",
        help="which a film shows large (default: 1, the finest)",
    )
    add_overwrite(command)
    add_run_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the picture or film; return 0."""
    import numpy as np  # noqa: PLC0415  (what starts fast imports nothing slow)

    from napari_attn_unet import io, output  # noqa: PLC0415
    from napari_attn_unet.gates.inspection import Inspection  # noqa: PLC0415
    from napari_attn_unet.report import figure, film  # noqa: PLC0415
    from napari_attn_unet.report.orientation import is_known, is_placed  # noqa: PLC0415
    from napari_attn_unet.report.words import heading  # noqa: PLC0415

    figure.check_ending(options.out, (*figure.FIGURES, *film.FILMS))
    style = style_of(options)
    moving = options.out.suffix.lower() in film.FILMS
    if options.slices is not None and moving:
        msg = "--slices is for pictures; a film goes through all slices."
        raise ConfigError(msg)
    if options.gate is not None and not moving:
        msg = "--gate is for films; a picture shows every gate."
        raise ConfigError(msg)
    asked: dict[str, Any] = {"overwrite": options.overwrite, "inputs": inputs_of(options)}
    place = options.out.parent, [escape(options.out.name)]
    output.claim(*place, **asked)
    predictor = predictor_of(options)
    which = "choose one with --time, counted from 1"
    volume = read_one(options.image, predictor, options.time, otherwise=which)
    axis = "zyx".index(options.axis)
    slices = slices_of(options, volume.shape[axis])
    truth, notes = read_truth(options.truth, volume)
    prediction = driven(predictor.steps(volume), "segment")
    inspection = Inspection(
        np.asarray(volume.data[0]),
        volume.geometry,
        prediction.gates,
        prediction.mask,
        truth,
        [info.name for info in prediction.classes],
    )
    if options.gate is not None and options.gate not in inspection.gates:
        msg = f"--gate needs one from 1 to {len(inspection.gates)}; got {options.gate}."
        raise ConfigError(msg)
    style = replace(
        style,
        classes=prediction.classes,
        patient=volume.geometry if is_known(volume.metadata) else None,
        placed=is_placed(volume.metadata),
    )
    point = f"time point {options.time}" if options.time else ""
    title = heading(io.stem(options.image), point, prediction.provenance["checkpoint"])
    with output.result(*place, **asked) as part:
        path = part / options.out.name
        if moving:
            steps = film.film(inspection, axis, path, style, options.gate, title=title, notes=notes)
            driven(steps, "film", float)
        else:
            chosen = slices or figure.spread_slices(inspection, axis, 4)
            picture = figure.draw(inspection, axis, chosen, style, title, notes=notes)
            figure.save(picture, path)
    tell_nothing_found(options.image.name, prediction.mask)
    print(options.out)
    return 0
