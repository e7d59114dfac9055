"""Films: through all slices along an axis, one gate large, every gate beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.output import replacing
from napari_attn_unet.prediction import Colour
from napari_attn_unet.report.figure import LEGEND, check_ending, fitting
from napari_attn_unet.report.gif import GifWriter
from napari_attn_unet.report.panels import LIGHT, Panel, bar, legend
from napari_attn_unet.report.slices import Slices, Style
from napari_attn_unet.report.words import LONGEST, arranged, lines_for, notes_of, of_gate, wrapped

FILMS = (".gif", ".mp4")
FRAMES_PER_SECOND = 8
PAGE = "#15171a"
_DPI = 100
_WIDTH, _HIGHEST = 6.8, 4.4
"""Inches, of the film and of its large panel: 680 pixels wide at most."""
_IN_A_COLUMN = 4
"""Small panels above each other."""
_GAP, _MARGIN, _TRACK, _FOOT = 0.06, 0.1, 0.42, 0.3
_LINE, _NOTE = 0.18, 0.13
"""Heights of a line: of what stands on top, and of a note."""
_SIZES = {"title": 9.0, "large": 9.0, "small": 6.0, "note": 7.0}
"""Of letters, in points."""
_INSET = 0.03
"""Share of a panel that its words keep from its side."""
_SAMPLES = 5
"""Frames that a film's colours are taken from."""

Frame = npt.NDArray[np.uint8]


def film(  # noqa: PLR0913  (each is named by its caller)
    inspection: Inspection,
    axis: int,
    path: str | Path,
    style: Style | None = None,
    level: int | None = None,
    *,
    title: str = "",
    notes: Sequence[str] = (),
) -> Generator[float, None, None]:
    """Write a film through all slices along an axis as GIF or MP4; yield the share that is done.

    Each frame goes to the file as it is drawn: a film of many takes no more memory than one of
    few. Closing the generator leaves what was there.

    Parameters
    ----------
    inspection, axis, style, title, notes
        As of `figure.draw`.
    path
        Ends in `.gif`, or in `.mp4` where the package imageio-ffmpeg is installed.
    level
        Of the gate that is shown large; None takes the finest.

    Raises
    ------
    FileError
        If the ending is another, the file cannot be written, or MP4 lacks its encoder.
    """
    path = Path(path)
    check_ending(path, FILMS)
    slices = Slices(inspection, axis, style or Style())
    if level not in inspection.gates:
        level = min(inspection.gates, default=None)
    scene = Scene(slices, level, title, notes)
    some = np.unique(np.linspace(0, slices.count - 1, _SAMPLES).round().astype(int))
    with replacing(path) as temporary:
        gif = path.suffix.lower() == ".gif"
        colours = [scene.frame(int(i)) for i in some] if gif else []
        writer = (
            GifWriter(temporary, colours, scene.colours, FRAMES_PER_SECOND)
            if gif
            else _mp4(temporary)
        )
        with writer as file:
            del colours
            for index in range(slices.count):
                file.append(scene.frame(index))
                yield (index + 1) / (slices.count + 1)
    yield 1.0


class _Writer(Protocol):
    def append(self, frame: Frame) -> None: ...


@contextmanager
def _mp4(path: Path) -> Iterator[_Writer]:
    import imageio.v2 as iio  # noqa: PLC0415  (slow to import)

    options: dict[str, Any] = {"fps": FRAMES_PER_SECOND, "codec": "libx264", "macro_block_size": 2}
    opened: Any = iio.get_writer(path, format="FFMPEG", **options)
    with opened as writer:

        class Appended:
            def append(self, frame: Frame) -> None:
                # Its colours are stored for two by two pixels.
                height, width = (n // 2 * 2 for n in frame.shape[:2])
                writer.append_data(frame[:height, :width])

        yield Appended()


class Scene:
    """What a film shows: one gate large, small panels beside it, slice and legend below.

    Parameters
    ----------
    slices
        Of what.
    level
        Of the large gate; None where there are no gates.
    title, notes
        As of `figure.draw`.
    """

    def __init__(
        self, slices: Slices, level: int | None, title: str = "", notes: Sequence[str] = ()
    ) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  (slow)
        from matplotlib.figure import Figure  # noqa: PLC0415  (slow to import)

        self._slices = slices
        self._alpha: list[tuple[Any, int, Callable[[list[str]], str]]] = []  # text, level, words
        gates = slices.inspection.gates
        small: list[int | None] = [None, *gates] if gates else []
        rows = min(len(small), _IN_A_COLUMN)
        columns = math.ceil(len(small) / rows) if rows else 0
        ratio = slices.size[1] / slices.size[0]
        room = _WIDTH - 2 * _MARGIN - columns * _GAP
        height = min(room / (ratio * (1 + columns / max(rows, 2))), _HIGHEST)
        self._handles = legend(slices, LIGHT)
        each = (height - (rows - 1) * _GAP) / max(rows, 2)
        across = 2 * _MARGIN + height * ratio + columns * (_GAP + each * ratio)
        across = max(across, 4.0)  # for the legend
        within = across - 2 * _MARGIN
        above = wrapped(title, within, _SIZES["title"], bold=True)
        told = notes_of(slices.inspection, notes)
        below = [line for note in told for line in wrapped(note, within, _SIZES["note"])]
        self._base = len(below) * _NOTE + (0.05 if below else 0.0)
        top = height + _TRACK + self._foot(across) + self._base
        along = top + len(above) * _LINE + _MARGIN
        self._figure = Figure(figsize=(across, along), dpi=_DPI, facecolor=PAGE)
        self._canvas: Any = FigureCanvasAgg(self._figure)
        self._size = across, along

        large = (_MARGIN, top - height, height * ratio, height)
        self._panels = [self._panel(large, level)]
        self._panels[0].letter()
        self._panels[0].scale_bar()
        if level is not None:
            # The letter of the upper side stands in the middle.
            self._tell(self._panels[0], level, 0.45 * height * ratio)
        for number, which in enumerate(small):
            column, row = divmod(number, rows)
            left = _MARGIN + height * ratio + _GAP + column * (each * ratio + _GAP)
            place = (left, top - each - row * (each + _GAP), each * ratio, each)
            self._panels.append(self._small(place, which, marked=which == level))
        self._track(top - height)
        self._below(level is not None)
        self._say(above, below)
        self._moving = [a for p in self._panels for a in p.artists] + [self._mark, self._told]
        self._moving += [text for text, *_ in self._alpha]
        for artist in self._moving:
            artist.set_animated(True)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(self._figure.bbox)

    @property
    def colours(self) -> list[Colour]:
        """What a film may not lose: the classes' colours, the gates' hue, black and white."""
        classes = [info.colour for info in self._slices.classes]
        return [*classes[1:], self._slices.hue, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)]

    def _axes(self, place: tuple[float, float, float, float]) -> Any:
        """Return axes at left, bottom, width and height in inches."""
        across, along = self._size
        left, bottom, width, height = place
        return self._figure.add_axes(
            (left / across, bottom / along, width / across, height / along)
        )

    def _panel(self, place: tuple[float, float, float, float], level: int | None) -> Panel:
        bare = level is None and bool(self._slices.inspection.gates)
        return Panel(self._axes(place), self._slices, level, outlined=not bare)

    def _tell(self, panel: Panel, level: int, room: float) -> None:
        """Write a gate's name on the large panel, and what its α is on each slice."""
        name, size = self._slices.inspection.gates[level].name, _SIZES["large"]
        lines = lines_for(of_gate(name, LONGEST), room * (1 - 2 * _INSET), size)
        text = panel.write(_INSET, 0.97, name, va="top", fontsize=size, linespacing=1.25)
        self._alpha.append((text, level, lambda words: arranged(words, lines)))

    def _tell_below(self, panel: Panel, level: int, room: float) -> None:
        """Write the same on a small one: what counts is in the middle."""
        name, size = self._slices.inspection.gates[level].name, _SIZES["small"]
        panel.write(_INSET, 0.96, name, va="top")
        _, *means = of_gate(name, LONGEST)
        lines = lines_for(means, room * (1 - 2 * _INSET), size)
        if lines:
            text = panel.write(_INSET, 0.04, " ", va="bottom", fontsize=size, linespacing=1.1)
            self._alpha.append((text, level, lambda words: arranged(words[1:], lines)))

    def _say(self, above: Sequence[str], below: Sequence[str]) -> None:
        """Write what stands on top and at the bottom."""
        across, along = self._size
        # A file's name may hold what matplotlib takes for mathematics.
        usual: dict[str, Any] = {"x": _MARGIN / across, "color": LIGHT, "parse_math": False}
        top: dict[str, Any] = {"y": 1 - 0.06 / along, "va": "top", "weight": "bold"}
        self._figure.text(s="\n".join(above), fontsize=_SIZES["title"], **top, **usual)
        bottom: dict[str, Any] = {"y": 0.06 / along, "va": "bottom"}
        self._figure.text(s="\n".join(below), fontsize=_SIZES["note"], **bottom, **usual)

    def _small(
        self, place: tuple[float, float, float, float], level: int | None, *, marked: bool
    ) -> Panel:
        """Return a panel beside the large one; that of the gate shown there is marked."""
        panel = self._panel(place, level)
        if level is None:
            panel.write(_INSET, 0.96, "image", va="top")
            return panel
        self._tell_below(panel, level, place[2])
        if marked:
            panel.ax.patch.set_visible(False)
            for spine in panel.ax.spines.values():
                spine.set(visible=True, color=self._slices.hue, linewidth=1.5)
        return panel

    def _foot(self, across: float) -> float:
        self._columns = fitting(self._handles, across - 1.9) if self._handles else 1
        return _FOOT + 0.17 * max(math.ceil(len(self._handles) / self._columns) - 1, 0)

    def _track(self, below: float) -> None:
        """Draw where along the axis there is something, and the mark that moves over it."""
        across = self._size[0]
        ax = self._axes((_MARGIN, below - _TRACK + 0.08, across - 2 * _MARGIN, 0.14))
        ax.set_axis_off()
        area = self._slices.area()
        count = self._slices.count
        ax.set_xlim(-0.5, count - 0.5)
        ax.set_ylim(0, max(int(area.max()), 1) * 1.15)
        ax.axhline(0, color=LIGHT, alpha=0.5, linewidth=1)
        ax.fill_between(np.arange(count), area, step="mid", color=LIGHT, alpha=0.3, linewidth=0)
        (self._mark,) = ax.plot([0, 0], [0, ax.get_ylim()[1]], color="white", linewidth=2)
        self._told = ax.text(
            0, 1.1, "", transform=ax.transAxes, color=LIGHT, fontsize=7.5, va="bottom"
        )

    def _below(self, gated: bool) -> None:
        across, along = self._size
        if self._handles:
            self._figure.legend(
                handles=self._handles,
                loc="lower left",
                bbox_to_anchor=(_MARGIN / across, (self._base + 0.07) / along),
                ncols=self._columns,
                labelcolor=LIGHT,
                **LEGEND,
            )
        if gated:
            ax = self._axes((across - _MARGIN - 1.25, self._base + 0.17, 1.2, 0.1))
            bar(ax, self._slices, LIGHT, upright=False)
            place = (across - _MARGIN - 1.33) / across, (self._base + 0.22) / along
            middle: dict[str, Any] = {"ha": "right", "va": "center"}
            self._figure.text(*place, "α", color=LIGHT, fontsize=8, **middle)

    def frame(self, index: int) -> Frame:
        """Return the picture of a slice, (rows, columns, 3)."""
        for panel in self._panels:
            panel.show(index)
        self._mark.set_xdata([index, index])
        self._told.set_text(self._slices.position(index))
        for text, level, words in self._alpha:
            name = self._slices.inspection.gates[level].name
            text.set_text(words(of_gate(name, self._slices.means(index, level))))
        self._canvas.restore_region(self._still)
        for panel in self._panels:
            ax = panel.ax
            for artist in panel.artists:
                ax.draw_artist(artist)
            for artist in (*ax.lines, *ax.texts, *ax.spines.values()):  # these stand above
                ax.draw_artist(artist)
        for artist in (self._mark, self._told):
            artist.axes.draw_artist(artist)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()
