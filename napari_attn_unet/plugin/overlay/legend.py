"""The legend on the canvas: classes with colour and volume, the gate's name and its scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from napari.components.overlays import TextOverlay
from napari.layers import Image, Labels, Layer

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import grid
from napari_attn_unet.plugin.layers import CLASSES
from napari_attn_unet.plugin.overlay.told import told_of
from napari_attn_unet.plugin.placement import geometry_of
from napari_attn_unet.plugin.results import labels_at
from napari_attn_unet.prediction import class_counts, size_in_words
from napari_attn_unet.report.picture import MOST_CLASSES as MOST
from napari_attn_unet.report.picture import gate_hue

SIZE = 10
PAPER, INK = (0.08, 0.08, 0.1, 0.75), (1.0, 1.0, 1.0, 1.0)
"""Under the words, as the class colours are made for dark; and of words without a colour."""
LIGHT_PAPER = (0.93, 0.93, 0.93, 0.9)
"""Under words in a colour that cannot be read on the dark one."""
_DARK = 0.3
"""Luma below which a colour cannot."""
REST_MS = 300
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
        dock.on_close(self._close)
        self.follow()

    def follow(self) -> None:
        """Tell of what is chosen now."""
        result, mask = self._choice.result, self._choice.mask
        self._unwatch()
        self._gates = {} if result is None else dict(result.gates)
        self._mask = mask if isinstance(mask, Labels) and CLASSES in mask.metadata else None
        self._sizes = {}
        for layer in (*self._gates.values(), self._mask):
            if layer is not None:
                for event in _events(layer):
                    event.connect(self._changed)
        if self._mask is not None:
            for event in _painting(self._mask):
                event.connect(self._painted)
            self._counting.now()
        self._later.start()

    def _unwatch(self) -> None:
        for layer in (*self._gates.values(), self._mask):
            if layer is not None:
                for event in _events(layer):
                    event.disconnect(self._changed)
        if self._mask is not None:
            for event in _painting(self._mask):
                event.disconnect(self._painted)

    def _changed(self, _: Any = None) -> None:
        self._later.start()

    def _painted(self, _: Any = None) -> None:
        self.recount()

    def recount(self) -> None:
        """Tell the volumes of what the mask has become."""
        self._counting.ask()

    # --- volumes --------------------------------------------------------------------------------
    def _prepare(self) -> Callable[[], workers.Work] | None:
        mask = self._mask
        if mask is None:
            return None
        labels, geometry = labels_at(mask, self._viewer), geometry_of(mask)
        classes = mask.metadata[CLASSES]

        def steps() -> workers.Work:
            yield None
            counts = class_counts(labels, len(classes))
            return mask, [size_in_words(n, geometry) for n in counts]

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
                lines.append(("top_left", told, (*info.colour, 1.0)))
            if len(classes) > MOST:
                lines.append(("top_left", f"and {len(classes) - MOST} more", INK))
        shown = (
            []
            if beside
            else [
                (k, la) for k, la in self._gates.items() if la.visible and la in self._viewer.layers
            ]
        )
        if len(shown) == 1:
            ((level, layer),) = shown
            hue = gate_hue(layer.metadata.get(CLASSES, ()))
            lines.append(("top_right", f"gate {level} · α", (*hue, 1.0)))
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
        for name, (position, text, colour) in zip(names, lines, strict=True):
            if name in overlays:
                line = overlays[name]
                line.text, line.position, line.color = text, position, colour
                line.box_color = _paper(colour)
                line.visible = True
            else:
                overlays[name] = TextOverlay(
                    text=text,
                    position=position,
                    color=colour,
                    font_size=SIZE,
                    box_color=_paper(colour),
                    visible=True,
                )
        for name in set(self._names) - set(names):
            overlays.pop(name, None)
        self._names = names

    def _close(self) -> None:
        self._unwatch()
        self._bar.restore()
        self._write([])


def _paper(colour: Sequence[float]) -> tuple[float, float, float, float]:
    red, green, blue = colour[:3]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    return LIGHT_PAPER if luma < _DARK else PAPER


def _events(layer: Layer) -> list[Any]:
    return [layer.events.visible, layer.events.colormap]


def _painting(mask: Labels) -> list[Any]:
    return [mask.events.paint, mask.events.labels_update, mask.events.data]
