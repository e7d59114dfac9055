"""The legend on the canvas: classes with colour and volume, the gate's name and its scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.components.overlays import TextOverlay
from napari.layers import Image, Labels, Layer

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import grid
from napari_attn_unet.plugin.layers import BOX, CLASSES, OUTPUT
from napari_attn_unet.plugin.overlay.told import Colour, told_of
from napari_attn_unet.plugin.placement import geometry_of
from napari_attn_unet.plugin.results import beside, labels_at
from napari_attn_unet.prediction import class_counts, size_in_words
from napari_attn_unet.report.picture import MOST_CLASSES as MOST

SIZE = 10
PAPER, INK = (0.08, 0.08, 0.1, 0.75), (1.0, 1.0, 1.0, 1.0)
"""Under the words, as the class colours are made for dark; and of words without a colour."""
LIGHT_PAPER = (0.93, 0.93, 0.93, 0.9)
"""Under words in a colour that is read better on it."""
READABLE = 4.5
"""Contrast that small words need; WCAG 2.2, success criterion 1.4.3."""
REST_MS = 300
_SPATIAL = 3
_BAR: dict[str, Any] = {
    "colorbar__size": (10, 90),
    "colorbar__font_size": 8,
    "colorbar__position": "top_right",
    "colorbar__visible": True,
}


class Legend:
    """Says on the canvas what the colours are, for as long as they are there.

    Parameters
    ----------
    dock
        With it everything stops.
    choice
        Whose mask and gates are told.
    """

    def __init__(self, dock: Dock, choice: Choice) -> None:
        self._dock, self._viewer, self._choice = dock, dock.viewer, choice
        self._names: list[str] = []
        self._gates: dict[int, Image] = {}
        self._masks: list[Labels] = []
        self._time: tuple[int, ...] = ()
        self._mask: Labels | None = None
        self._sizes: dict[int, str] = {}
        self._bar = Looks()
        self._barred: Image | None = None
        self._counting = Latest(dock, self._prepare, self._counted, lambda _: None, rest_ms=REST_MS)
        self._later = dock.timer(0, self._draw)
        self._told = told_of(dock.viewer)
        dock.connect(choice.changed, self.follow)
        dock.connect(self._told.changed, self._changed)
        dock.connect(grid(self._viewer).events.enabled, self._changed)
        dock.connect(self._viewer.dims.events.current_step, self._stepped)
        dock.on_close(self._close)
        self.follow()

    def follow(self) -> None:
        """Tell of what is chosen now."""
        result, mask = self._choice.result, self._choice.mask
        self._unwatch()
        self._gates = {} if result is None else dict(result.gates)
        self._mask = mask if isinstance(mask, Labels) and CLASSES in mask.metadata else None
        self._masks = [] if self._mask is None else [self._mask]
        if result is not None and mask is result.mask:  # several boxes are seen together
            self._masks += [r.mask for r in beside(result, self._viewer) if r.mask is not None]
        self._sizes = {}
        for layer in (*self._gates.values(), *self._masks):
            for event in _events(layer):
                event.connect(self._changed)
        for layer in self._masks:
            for event in _painting(layer):
                event.connect(self._painted)
        if self._masks:
            self._counting.now()
        self._later.start()

    def _unwatch(self) -> None:
        for layer in (*self._gates.values(), *self._masks):
            for event in _events(layer):
                event.disconnect(self._changed)
        for layer in self._masks:
            for event in _painting(layer):
                event.disconnect(self._painted)

    def _changed(self, _: Any = None) -> None:
        self._later.start()

    def _painted(self, _: Any = None) -> None:
        self.recount()

    def _stepped(self, _: Any = None) -> None:
        """Of a series, tell the volumes of the time on screen."""
        dims = self._viewer.dims
        time = tuple(dims.current_step[: dims.ndim - _SPATIAL])
        if time != self._time and self._mask is not None and self._mask.ndim > _SPATIAL:
            self._counting.ask()
        self._time = time

    def recount(self) -> None:
        """Tell the volumes of what the mask has become."""
        self._counting.ask()

    # --- volumes --------------------------------------------------------------------------------
    def _prepare(self) -> Callable[[], workers.Work] | None:
        mask = self._mask
        if mask is None:
            return None
        each = [(labels_at(one, self._viewer), geometry_of(one)) for one in self._masks]
        classes = mask.metadata[CLASSES]

        def steps() -> workers.Work:
            words: list[list[str]] = []
            for labels, geometry in each:
                yield None
                counts = class_counts(labels, len(classes))
                words.append([size_in_words(n, geometry) for n in counts])
            return mask, [_sum(sizes) for sizes in zip(*words, strict=True)]

        return steps

    def _counted(self, found: tuple[Labels, list[str]]) -> None:
        mask, sizes = found
        if mask is self._mask:
            self._sizes = dict(enumerate(sizes))
            self._later.start()

    # --- what is written ------------------------------------------------------------------------
    def _draw(self) -> None:
        lines: list[tuple[str, str, Any]] = []  # where, what, in which colour
        beside = grid(self._viewer).enabled  # where each cell has its title
        mask = None if beside else self._mask
        if mask is not None and mask.visible and mask in self._viewer.layers:
            classes = list(enumerate(mask.metadata[CLASSES]))[1:]
            for label, info in classes[:MOST]:
                told = f"■ {info.name}  {self._sizes.get(label, '')}".rstrip()
                colour = mask.get_color(label)  # as it is shown, whoever has changed it
                lines.append(("top_left", told, INK if colour is None else tuple(colour)))
            if len(classes) > MOST:
                lines.append(("top_left", f"and {len(classes) - MOST} more", INK))
            if len(self._masks) > 1:
                boxes = " + ".join(str(one.metadata[OUTPUT].get(BOX)) for one in self._masks)
                lines.append(("top_left", boxes, INK))
        shown = (
            []
            if beside
            else [
                (k, la) for k, la in self._gates.items() if la.visible and la in self._viewer.layers
            ]
        )
        if len(shown) == 1:
            ((level, layer),) = shown
            lines.append(
                ("top_right", f"gate {level} · attention α", tuple(layer.colormap.map(1.0)[0]))
            )
            if layer is not self._barred:
                self._bar.restore()
                self._bar.change(layer, **_BAR)
            self._barred = layer
        else:
            self._bar.restore()
            self._barred = None
        if len(shown) > 1:
            lines.append(("top_right", f"{len(shown)} gates over each other", INK))
        lines += [(line.position, line.text, line.colour or INK) for line in self._told.lines]
        self._write(lines)

    def _write(self, lines: list[tuple[str, str, Any]]) -> None:
        overlays = self._viewer.canvas.overlays
        names = [f"attn-unet legend {i}" for i in range(len(lines))]
        for name, (position, text, wanted) in zip(names, lines, strict=True):
            colour, paper = readable(wanted)
            if name in overlays:
                line = overlays[name]
                line.text, line.position, line.color = text, position, colour
                line.box_color = paper
                line.visible = True
            else:
                overlays[name] = TextOverlay(
                    text=text,
                    position=position,
                    color=colour,
                    font_size=SIZE,
                    box_color=paper,
                    visible=True,
                )
        for name in set(self._names) - set(names):
            overlays.pop(name, None)
        self._names = names

    def _close(self) -> None:
        self._unwatch()
        self._bar.restore()
        self._write([])


def _sum(sizes: Sequence[str]) -> str:
    """Return "2,384 + 2,354 mm³" of sizes that all have the unit of the last."""
    *others, last = sizes
    return " + ".join([*(size.rpartition(" ")[0] for size in others), last])


def readable(colour: Sequence[float]) -> tuple[Colour, Colour]:
    """Return a colour for words, and one of what lies under them, between which one can read.

    The paper is the one that the colour stands out from; where that is not enough, the words are
    made lighter, or darker, and keep their hue.
    """
    paper = max((PAPER, LIGHT_PAPER), key=lambda p: contrast(colour, p))
    end = 1.0 if paper is PAPER else 0.0
    for share in np.linspace(0, 1, 11):
        red, green, blue = (c + (end - c) * share for c in colour[:3])
        if contrast((red, green, blue), paper) >= READABLE:
            break
    return (float(red), float(green), float(blue), 1.0), paper


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the contrast ratio, 1 to 21, of two sRGB colours in 0..1; WCAG 2.2."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]  # noqa: PLR2004
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


def _events(layer: Layer) -> list[Any]:
    return [layer.events.visible, layer.events.colormap]


def _painting(mask: Labels) -> list[Any]:
    return [mask.events.paint, mask.events.labels_update, mask.events.data]
