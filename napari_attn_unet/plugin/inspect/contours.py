"""Contours: {α ≥ threshold} of every gate that is shown, outlines in 2D, surfaces in 3D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Surface
from napari.utils.colormaps.standardize_color import transform_color

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.layers import CLASSES, OUTPUT, remove, selection_kept
from napari_attn_unet.plugin.overlay.lines import Lines, Strokes, trace
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.report.picture import gate_line


@dataclass(frozen=True, slots=True)
class _Wish:
    """What contours are drawn of; two that are equal look alike."""

    inspection: Inspection
    threshold: float
    axis: int | None
    """That the slices lie along; None in 3D."""


class Contours:
    """Lines and surfaces that follow the gates' visibility, and go when the dock closes.

    They are computed on a thread: a surface of a fine gate takes longer than a window may wait.

    Attributes
    ----------
    threshold
        None draws nothing.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._surfaces: dict[int, Surface] = {}
        self.lines: dict[int, Strokes] = {}
        """The outlines in 2D, by level."""
        self._drawn: dict[int, _Wish] = {}
        self.threshold: float | None = None
        self._computing = Latest(
            state.dock, self._prepare, self._show, lambda error: state.failed.emit(str(error))
        )
        for event in (state.viewer.dims.events.ndisplay, state.viewer.dims.events.order):
            state.dock.connect(event, self.draw)
        state.dock.on_close(self._clear)

    def _clear(self) -> None:
        self.threshold = None
        self.draw()

    @property
    def busy(self) -> bool:
        """Whether contours are on their way."""
        return self._computing.busy

    def draw(self, _: Any = None) -> None:
        """Take away what is not wanted now; draw what is, as soon as it is computed."""
        wanted, wish = self._wanted(), self._wish()
        for level, drawn in list(self._drawn.items()):
            if level not in wanted or wish is None or drawn.axis != wish.axis:
                self._remove(level)
        self._computing.now()

    def _wanted(self) -> dict[int, Image]:
        """Return the gates that are shown, by level."""
        inspection = self._state.inspection
        if self.threshold is None or inspection is None or self._state.image is None:
            return {}
        gates = self._state.gates.items()
        return {k: la for k, la in gates if la.visible and k in inspection.gates}

    def _wish(self) -> _Wish | None:
        if self.threshold is None or self._state.inspection is None:
            return None
        image, viewer = self._state.image, self._state.viewer
        looking = None if image is None else plane_on_screen(viewer, image)
        axis = None if looking is None else looking[0]
        return _Wish(self._state.inspection, self.threshold, axis)

    def _remove(self, level: int) -> None:
        remove(self._state.viewer, [self._surfaces.pop(level, None)])
        if level in self.lines:
            self.lines.pop(level).close()
        self._drawn.pop(level, None)

    def _prepare(self) -> Callable[[], workers.Work] | None:
        wish = self._wish()
        levels = [level for level in self._wanted() if self._drawn.get(level) != wish]
        if wish is None or not levels:
            return None
        axis = wish.axis

        def steps() -> workers.Work:
            made: dict[int, Any] = {}
            for level in levels:
                yield None
                if axis is None:
                    made[level] = _surface(wish.inspection, level, wish.threshold)
                else:
                    inside = _inside(wish.inspection, level, wish.threshold)
                    made[level] = yield from trace(inside, axis)
            return wish, made

        return steps

    def _show(self, result: tuple[_Wish, dict[int, Any]]) -> None:
        wish, made = result
        if wish != self._wish():
            return
        with selection_kept(self._state.viewer):
            for level, gate in self._wanted().items():
                if level in made:
                    self._show_one(level, gate, made[level], wish)

    def _show_one(self, level: int, gate: Image, data: Any, wish: _Wish) -> None:
        colour = gate_line(level, len(self._state.gates), gate.metadata.get(CLASSES, ()))[0]
        if isinstance(data, Lines):
            self._draw_lines(level, data, colour)
        else:
            self._draw_surface(level, data, gate, f"gate {level} ≥ {wish.threshold:g}", colour)
        self._drawn[level] = wish

    def _draw_lines(self, level: int, lines: Lines, colour: str) -> None:
        assert self._state.image is not None  # noqa: S101  (for the type checker: it is wanted)
        if level not in self.lines:
            self.lines[level] = Strokes(self._state.dock, f"gate {level}")
        table = np.tile(transform_color(colour), (len(lines.pieces), 1))
        self.lines[level].show(lines, self._state.image, table)

    def _draw_surface(self, level: int, data: Any, gate: Image, name: str, colour: str) -> None:
        viewer, old = self._state.viewer, self._surfaces.get(level)
        if data is None:
            remove(viewer, [self._surfaces.pop(level, None)])
        elif old is not None and old in viewer.layers:
            old.data = data
            old.name = name
        else:
            colours: Any = [colour, colour]
            about: dict[str, Any] = {"name": name, "metadata": {OUTPUT: {"effect": "contour"}}}
            shown = Surface(data, colormap=colours, opacity=0.6, **about, **transforms(gate, 3))
            self._surfaces[level] = viewer.add_layer(shown)


def _surface(inspection: Inspection, level: int, threshold: float) -> Any:
    """Return vertices in voxels of the gate's map, and faces; None where it reaches it nowhere."""
    from skimage.measure import marching_cubes  # noqa: PLC0415  (slow to import)

    values = inspection.gates[level].coefficients
    if not (values >= threshold).any():
        return None
    # Padded, so that it is closed at the volume's border.
    vertices, faces, _, _ = marching_cubes(np.pad(values, 1), threshold)
    return vertices - 1, faces


def _inside(inspection: Inspection, level: int, threshold: float) -> Any:
    """Return 1 where a gate reaches the threshold, on the image's grid."""
    inside = (inspection.gates[level].coefficients >= threshold).astype(np.uint8)
    return inspection.cover(level).spread(inside, 0)
