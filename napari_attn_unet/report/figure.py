"""Figures and films: slices × (image, mask, gates, truth), drawn with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import FileError
from napari_attn_unet.gates.inspection import AXES, Inspection
from napari_attn_unet.output import replacing
from napari_attn_unet.table import text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = (".png", ".svg", ".pdf")
FILMS = (".gif", ".mp4")
FRAMES_PER_SECOND = 8
_TRUTH = "#ffffff"


@dataclass(frozen=True, slots=True)
class Style:
    """How a figure looks; the defaults are those of the layers.

    Attributes
    ----------
    limits
        Intensities shown black and white; None takes the 0.5th and 99.5th percentile.
    colormap, opacity, gate_limits
        Of the gate maps; the name of a matplotlib colormap.
    mask_opacity
        Of the filled mask.
    colours
        (r, g, b) in 0..1 of every class, the background first.
    """

    limits: tuple[float, float] | None = None
    colormap: str = "inferno"
    opacity: float = 0.6
    gate_limits: tuple[float, float] = (0.0, 1.0)
    mask_opacity: float = 0.5
    colours: Sequence[tuple[float, float, float]] = field(default_factory=tuple)


def busiest(inspection: Inspection, axis: int, count: int) -> list[int]:
    """Return `count` slices spread evenly over those that the mask (or truth) takes up."""
    structure = inspection.structure(None, truth=inspection.mask is None)
    others = tuple(a for a in range(3) if a != axis)
    found = np.flatnonzero(structure.any(axis=others))
    first, last = (found[0], found[-1]) if len(found) else (0, structure.shape[axis] - 1)
    spread = np.linspace(first, last, count + 2)[1:-1]
    return sorted({round(float(s)) for s in spread})


def draw(
    inspection: Inspection,
    axis: int,
    slices: Sequence[int],
    style: Style | None = None,
    title: str = "",
) -> Figure:
    """Return a figure: a row per slice; a column each for the image, the mask and every gate.

    The truth, where there is one, is a white contour over the mask and the gates. Every panel has
    true proportions; the first has a scale bar where the geometry has a unit.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (slow to import)

    style = style or Style()
    columns = ["image"]
    columns += ["mask"] if inspection.mask is not None else []
    columns += ["truth"] if inspection.truth is not None else []
    columns += [gate.name for gate in inspection.gates.values()]
    across = [a for a in range(3) if a != axis]
    spacing = inspection.geometry.spacing
    height, width = (inspection.image.shape[a] * spacing[a] for a in across)
    panel_width = 2.2
    panel_height = min(max(panel_width * height / width, 0.8), 5.0)
    figure = Figure(
        figsize=(panel_width * len(columns) + 0.9, panel_height * len(slices) + 0.7),
        layout="constrained",
        facecolor="white",
    )
    panels = figure.subplots(len(slices), len(columns), squeeze=False)
    limits = style.limits or tuple(np.percentile(inspection.image, (0.5, 99.5)))
    drawn = None
    for row, index in enumerate(slices):
        for column, name in enumerate(columns):
            ax = panels[row, column]
            drawn = _panel(ax, inspection, axis, index, name, style, limits) or drawn
            if row == 0:
                ax.set_title(name, fontsize=9)
            if column == 0:
                ax.set_ylabel(_position(inspection, axis, index), fontsize=8)
    _scale_bar(panels[-1, 0], inspection, across[1])
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=panels[:, -1], fraction=0.08, pad=0.03)
        bar.set_label("attention coefficient α", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _panel(  # noqa: PLR0913  (one panel's worth)
    ax: Any,
    inspection: Inspection,
    axis: int,
    index: int,
    name: str,
    style: Style,
    limits: tuple[float, float],
) -> Any:
    """Draw one slice; return what the colour bar explains, if that is on it."""
    across = [a for a in range(3) if a != axis]
    spacing = inspection.geometry.spacing
    aspect = spacing[across[0]] / spacing[across[1]]
    low, high = limits
    ax.imshow(
        inspection.image.take(index, axis),
        cmap="gray",
        vmin=low,
        vmax=high if high > low else low + 1,
        aspect=aspect,
        interpolation="nearest",
    )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.autoscale(enable=False)
    result = None
    labels = {"mask": inspection.mask, "truth": inspection.truth}.get(name)
    if labels is not None:
        ax.imshow(
            _coloured(labels.take(index, axis), style),
            aspect=aspect,
            interpolation="nearest",
        )
    elif name != "image":
        level = next(k for k, gate in inspection.gates.items() if gate.name == name)
        cover = inspection.cover(level)
        result = ax.imshow(
            cover.spread(cover.values, math.nan, axis, index),  # NaN is transparent
            cmap=style.colormap,
            vmin=style.gate_limits[0],
            vmax=style.gate_limits[1],
            alpha=style.opacity,
            aspect=aspect,
            interpolation="nearest",
        )
    if inspection.truth is not None and name not in ("image", "truth"):
        truth = inspection.truth.take(index, axis) != 0
        if truth.any() and not truth.all():
            ax.contour(truth, levels=[0.5], colors=_TRUTH, linewidths=0.8)
    return result


def _coloured(labels: npt.NDArray[Any], style: Style) -> npt.NDArray[np.float64]:
    """Return (Y, X, 4) of labels in their classes' colours; background is transparent."""
    from matplotlib import colormaps  # noqa: PLC0415  (slow to import)

    result = np.zeros((*labels.shape, 4))
    for label in np.unique(labels):
        if label == 0:
            continue
        known = label < len(style.colours)
        colour = style.colours[label] if known else colormaps["tab10"](int(label) % 10)[:3]
        result[labels == label] = (*colour, style.mask_opacity)
    return result


def _position(inspection: Inspection, axis: int, index: int) -> str:
    place = inspection.geometry
    if place.spacing_mm is None:
        return f"{AXES[axis]} {index}"
    return f"{AXES[axis]} {index} · {text(index * place.spacing[axis])} {place.unit}"


def _scale_bar(ax: Any, inspection: Inspection, along: int) -> None:
    """Draw a bar of a round length, about a quarter of the panel, in its lower left.

    In the image's unit; none where that is unknown.
    """
    if inspection.geometry.spacing_mm is None:
        return
    spacing = inspection.geometry.spacing
    voxels = inspection.image.shape[along]
    quarter = voxels * spacing[along] / 4
    power = 10 ** math.floor(math.log10(quarter))
    length = max(n * power for n in (1, 2, 5) if n * power <= quarter)
    left, bottom = ax.get_xlim()[0], ax.get_ylim()[0]
    height = abs(ax.get_ylim()[1] - bottom)
    start, y = left + 0.05 * voxels, bottom - 0.06 * height
    ax.plot([start, start + length / spacing[along]], [y, y], color="white", linewidth=2)
    told = f"{length:g} {inspection.geometry.unit}"
    ax.text(start, y - 0.03 * height, told, color="white", fontsize=7, va="bottom")


def save(figure: Figure, path: str | Path, dpi: int = 200) -> None:
    """Write a figure as PNG, SVG or PDF, by the path's ending.

    Raises
    ------
    FileError
        If the ending is another, or the file cannot be written.
    """
    path = Path(path)
    check_ending(path, FIGURES)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def film(
    inspection: Inspection, axis: int, path: str | Path, style: Style | None = None
) -> Generator[float, None, None]:
    """Write a film through all slices along an axis as GIF or MP4; yield the share that is done.

    Raises
    ------
    FileError
        If the ending is another, the file cannot be written, or MP4 lacks its encoder.
    """
    import imageio.v3 as iio  # noqa: PLC0415  (slow to import)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    path = Path(path)
    check_ending(path, FILMS)
    frames = []
    style = style or Style()
    if style.limits is None:  # one contrast for all
        low, high = np.percentile(inspection.image, (0.5, 99.5))
        style = replace(style, limits=(float(low), float(high)))
    count = inspection.image.shape[axis]
    for index in range(count):
        figure = draw(inspection, axis, [index], style)
        figure.set_dpi(100)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        frame = np.asarray(canvas.buffer_rgba())[..., :3]
        frames.append(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2].copy())
        yield (index + 1) / (count + 1)
    options: dict[str, Any] = (
        {"duration": 1000 / FRAMES_PER_SECOND, "loop": 0}
        if path.suffix.lower() == ".gif"
        else {"fps": FRAMES_PER_SECOND, "codec": "libx264"}
    )
    with replacing(path) as temporary:
        iio.imwrite(temporary, np.stack(frames), **options)
    yield 1.0


def check_ending(path: Path, known: Sequence[str]) -> None:
    """Raise a `FileError` unless a file of this ending can be written here."""
    if path.suffix.lower() not in known:
        msg = f"{path.name!r} must end in {', '.join(known)}."
        raise FileError(msg)
    if path.suffix.lower() == ".mp4" and find_spec("imageio_ffmpeg") is None:
        msg = "MP4 needs an encoder: pip install imageio-ffmpeg. Or write a .gif."
        raise FileError(msg)
