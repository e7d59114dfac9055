"""What the picture looks like, wherever it is drawn: canvas, strip, plots, figures, films.

`docs/picture.md` gives the reasons. Planes are (Y, X): row and column of one slice.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_attn_unet.prediction import ClassInfo, Colour

GATE_HUES: Mapping[str, Colour] = {
    "magenta": (1.0, 0.2, 0.85),
    "teal": (0.0, 0.85, 0.7),
    "yellow": (1.0, 0.85, 0.0),
    "violet": (0.65, 0.45, 1.0),
}
"""The first is every gate's; where a class comes near it, the one furthest from all classes is."""
_NEAR = 0.09
"""Of the circle of hues: what lies nearer looks alike over grey."""
GATE_OPACITY = 0.75
"""Of a gate's or a class's map as a whole: where α is 1, the anatomy still shows."""
LESS: Colour = (0.1, 0.45, 1.0)
MORE: Colour = (1.0, 0.35, 0.05)
"""Ends of every scale that diverges: blue loses or lies inside, orange gains or lies outside."""
MOST_CLASSES = 8
"""Classes told in a legend; a longer one would cover the picture."""
_COLOURLESS = 0.15
"""Saturation below which a class has no hue."""
_DASHES = ("-", "--", "-.", ":")
_LIGHTNESS = 0.74, 0.46
"""Of the finest gate's curve and the coarsest's; both readable on black and on white."""
PERCENTILES = 0.5, 99.5
_SAMPLES = 1_000_000
"""Voxels looked at, at most, for an image's contrast."""

ERROR_COLOURS: Mapping[int, str] = {1: "#a8a8a8", 2: "#d7191c", 3: "#86f09a", 4: "#2a2ad0"}
"""Of the kinds of errors (`scores.comparison.KINDS`): true and false positive, false negative,
wrong class. No class of the palette and no gate looks like one of them; they are told apart by
lightness alone, and by those who do not tell red from green."""

Segments = npt.NDArray[np.float32]


def gate_hue(classes: Sequence[ClassInfo]) -> Colour:
    """Return the colour (r, g, b) of all gates; see `gate_hue_name`."""
    return GATE_HUES[gate_hue_name(classes)]


def gate_hue_name(classes: Sequence[ClassInfo]) -> str:
    """Return which of `GATE_HUES` is that of all gates: one that no class has.

    Parameters
    ----------
    classes
        Of the network, the background first.
    """
    hues = [
        colorsys.rgb_to_hsv(*info.colour)[0]
        for info in classes[1:]
        if colorsys.rgb_to_hsv(*info.colour)[1] > _COLOURLESS
    ]

    def nearest(name: str) -> float:
        hue = colorsys.rgb_to_hsv(*GATE_HUES[name])[0]
        return min((_apart(hue, other) for other in hues), default=1.0)

    first = next(iter(GATE_HUES))
    return first if nearest(first) >= _NEAR else max(GATE_HUES, key=nearest)


def _apart(hue: float, other: float) -> float:
    between = abs(hue - other) % 1.0
    return min(between, 1.0 - between)


def gate_line(level: int, levels: int, classes: Sequence[ClassInfo]) -> tuple[str, str]:
    """Return the colour "#rrggbb" and matplotlib's dash of a gate's curve.

    Parameters
    ----------
    level
        Of the gate, 1 the finest.
    levels
        How many gates there are.
    classes
        As of `gate_hue`.
    """
    hue, _, saturation = colorsys.rgb_to_hls(*gate_hue(classes))
    light, dark = _LIGHTNESS
    share = (level - 1) / max(levels - 1, 1)
    colour = colorsys.hls_to_rgb(hue, light + share * (dark - light), saturation)
    return hexadecimal(colour), _DASHES[(level - 1) % len(_DASHES)]


def hexadecimal(colour: Colour) -> str:
    """Return a colour (r, g, b) in 0..1 as "#rrggbb"."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def ramp(colour: Colour) -> npt.NDArray[np.float32]:
    """Return (256, 4) RGBA from coefficient 0, which is transparent, to 1, which is solid."""
    return clear_at_zero(np.tile(np.asarray(colour, np.float32), (256, 1)))


def clear_at_zero(colours: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return (N, 4): colours (N, 3 or 4), from coefficient 0 to 1, as opaque as that is large."""
    table = np.empty((len(colours), 4), np.float32)
    table[:, :3] = colours[:, :3]
    table[:, 3] = np.linspace(0.0, 1.0, len(table))
    return table


def limits(image: npt.NDArray[np.generic]) -> tuple[float, float]:
    """Return the intensities shown black and white, which a few bright voxels do not move.

    Of an image that is nearly all one value, as a sparse one is, its least and largest.
    """
    image = np.squeeze(image)
    step = max(1, math.ceil((image.size / _SAMPLES) ** (1 / max(image.ndim, 1))))
    some = np.asarray(image[(slice(None, None, step),) * image.ndim], np.float64)
    some = some[np.isfinite(some)]
    if not some.size:
        return 0.0, 1.0
    low, high = np.percentile(some, PERCENTILES)
    if high <= low:
        low, high = some.min(), some.max()
    return float(low), float(high) if high > low else float(low) + 1.0


def grey(plane: npt.NDArray[np.generic], contrast: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """Return a plane (Y, X) of an image as 0 (black) to 255."""
    low, high = contrast
    scaled = (np.asarray(plane, np.float32) - low) * (255 / ((high - low) or 1.0))
    return np.asarray(np.nan_to_num(scaled).clip(0, 255), np.uint8)


def compose(
    plane: npt.NDArray[np.uint8],
    coefficients: npt.NDArray[np.floating] | None = None,
    table: npt.NDArray[np.float32] | None = None,
    opacity: float = 1.0,
) -> npt.NDArray[np.uint8]:
    """Return (Y, X, 3): a grey plane with a map's colour over it.

    Parameters
    ----------
    plane
        (Y, X), as of `grey`.
    coefficients
        (Y, X) in 0..1 on the same voxels; NaN where the map does not reach.
    table
        As of `ramp`.
    opacity
        Of the map as a whole, in 0..1.
    """
    if coefficients is None or table is None:
        return np.repeat(plane[..., np.newaxis], 3, axis=-1)
    known = np.isfinite(coefficients)
    index = (np.where(known, coefficients, 0.0) * 255 + 0.5).clip(0, 255).astype(np.intp)
    index[~known] = _UNKNOWN
    blends = _blends(np.asarray(table, np.float32).tobytes(), float(opacity))
    mixed = blends.take((index << 8) + plane)
    return np.ascontiguousarray(mixed.view(np.uint8).reshape(*plane.shape, 4)[..., :3])


_UNKNOWN = 256
"""Row of the blends for voxels that the map does not reach."""


@lru_cache(maxsize=16)
def _blends(table: bytes, opacity: float) -> npt.NDArray[np.uint32]:
    """Return the pixel of each of 256 coefficients, and of none, over each of 256 greys.

    Looked up, a slice takes a third of the time that mixing it takes.
    """
    over = np.frombuffer(table, np.float32).reshape(-1, 1, 4)
    base = np.arange(256, dtype=np.float32)[:, np.newaxis]
    result = np.zeros((_UNKNOWN + 1, 256, 4), np.uint8)
    result[:_UNKNOWN, :, :3] = base + over[..., 3:] * opacity * (over[..., :3] * 255 - base) + 0.5
    result[_UNKNOWN, :, :3] = base
    return result.view(np.uint32).ravel()


def outlines(labels: npt.NDArray[np.integer]) -> dict[int, Segments]:
    """Return the outline of every label but 0, along the edges of its voxels.

    Parameters
    ----------
    labels
        (Y, X).

    Returns
    -------
    outlines
        {label: (N, 2, 2)}: start and end (row, column) of straight pieces. Voxel i reaches from
        i − 0.5 to i + 0.5; pieces of one line that touch are one.
    """
    values, index = _numbered(labels)
    boxes = ndimage.find_objects(index)
    result: dict[int, Segments] = {}
    for number, value in values.items():
        box = boxes[number - 1]
        if box is None:
            continue
        inside = np.pad(index[box] == number, 1)
        across, along = _runs(inside), _runs(inside.T)[..., ::-1]
        corner = [part.start for part in box]
        result[value] = np.concatenate([across, along]) + np.asarray(corner, np.float32)
    return result


def _numbered(labels: npt.NDArray[np.integer]) -> tuple[dict[int, int], npt.NDArray[np.intp]]:
    """Return {number from 1: label} of every label but 0, and each pixel's number.

    Of bytes, as masks are, number and label are one: nothing need be sorted.
    """
    if labels.dtype in (np.bool_, np.uint8):
        present = np.flatnonzero(np.bincount(labels.ravel(), minlength=1)).tolist()
        return {label: label for label in present if label}, labels.astype(np.intp)
    values, index = np.unique(labels, return_inverse=True)
    numbers = {number: label for number, label in enumerate(values.tolist(), 1) if label}
    return numbers, index.reshape(labels.shape) + 1


def _runs(inside: npt.NDArray[np.bool_]) -> Segments:
    """Return the pieces (N, 2, 2) between rows of a padded plane, in voxels of the plane itself."""
    edges = np.pad(inside[1:] != inside[:-1], ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(edges, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, stops = np.nonzero(steps == -1)
    pieces = np.empty((len(rows), 2, 2), np.float32)
    # Row r lies between the padded rows r and r + 1: at r − 1 + 0.5 of the plane's own.
    pieces[:, :, 0] = (rows - 0.5)[:, np.newaxis]
    pieces[:, 0, 1], pieces[:, 1, 1] = starts - 1.5, stops - 1.5
    return pieces
