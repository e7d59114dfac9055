"""Contours: {α ≥ threshold} of every gate that is shown, outlines in 2D, surfaces in 3D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Surface

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.report.picture import gate_line


@dataclass(frozen=True, slots=True)
class _Wish:
    """What contours are drawn of; two that are equal look alike."""

    inspection: Inspection
    threshold: float
    in_3d: bool


class Contours:
    """Helper layers that follow the gates' visibility, and go when the dock closes.

    They are computed on a thread: a surface of a fine gate takes longer than a window may wait.

    Attributes
    ----------
    threshold
        None draws nothing.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._layers: dict[int, Labels | Surface] = {}
        self._drawn: dict[int, _Wish] = {}
        self.threshold: float | None = None
        self._computing = Latest(
            state.dock, self._prepare, self._show, lambda error: state.failed.emit(str(error))
        )
        state.dock.connect(state.viewer.dims.events.ndisplay, self.draw)
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
        there, wanted, wish = self._state.viewer.layers, self._wanted(), self._wish()
        for level, shown in list(self._layers.items()):
            is_kind = wish is not None and isinstance(shown, Surface) == wish.in_3d
            if level not in wanted or shown not in there or not is_kind:
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
        in_3d = self._state.viewer.dims.ndisplay == 3  # noqa: PLR2004
        return _Wish(self._state.inspection, self.threshold, in_3d)

    def _remove(self, level: int) -> None:
        remove(self._state.viewer, [self._layers.pop(level, None)])
        self._drawn.pop(level, None)

    def _prepare(self) -> Callable[[], workers.Work] | None:
        wish = self._wish()
        levels = [level for level in self._wanted() if self._drawn.get(level) != wish]
        if wish is None or not levels:
            return None
        contour = _surface if wish.in_3d else _outline

        def steps() -> workers.Work:
            made = {}
            for level in levels:
                yield None
                made[level] = contour(wish.inspection, level, wish.threshold)
            return wish, made

        return steps

    def _show(self, result: tuple[_Wish, dict[int, Any]]) -> None:
        wish, made = result
        if wish != self._wish():
            return
        selected = set(self._state.viewer.layers.selection)
        for level, gate in self._wanted().items():
            if level in made:
                self._show_one(level, gate, made[level], wish)
        there = self._state.viewer.layers
        there.selection = selected & set(there)

    def _show_one(self, level: int, gate: Image, data: Any, wish: _Wish) -> None:
        self._drawn[level] = wish
        name = f"gate {level} ≥ {wish.threshold:g}"
        colour, _ = gate_line(level, len(wish.inspection.gates), self._state.classes)
        old = self._layers.get(level)
        if data is None:
            remove(self._state.viewer, [self._layers.pop(level, None)])
            return
        if old is not None and old in self._state.viewer.layers:
            old.data = data
            old.name = name
            return
        about: dict[str, Any] = {"name": name, "metadata": {OUTPUT: {"effect": "contour"}}}
        shown: Labels | Surface
        if wish.in_3d:
            colours: Any = [colour, colour]
            shown = Surface(data, colormap=colours, opacity=0.6, **about, **transforms(gate, 3))
        else:
            assert self._state.image is not None  # noqa: S101  (for the type checker: it is wanted)
            shown = Labels(data, opacity=1.0, **about, **transforms(self._state.image, 3))
            shown.colormap = {0: "transparent", level: colour, None: "transparent"}
            shown.contour = 1
            shown.editable = False
        self._layers[level] = self._state.viewer.add_layer(shown)


def _surface(inspection: Inspection, level: int, threshold: float) -> Any:
    """Return vertices in voxels of the gate's map, and faces; None where it reaches it nowhere."""
    from skimage.measure import marching_cubes  # noqa: PLC0415  (slow to import)

    values = inspection.gates[level].coefficients
    if not (values >= threshold).any():
        return None
    # Padded, so that it is closed at the volume's border.
    vertices, faces, _, _ = marching_cubes(np.pad(values, 1), threshold)
    return vertices - 1, faces


def _outline(inspection: Inspection, level: int, threshold: float) -> Any:
    """Return labels on the image's grid, where a line of one voxel is thin."""
    inside = (inspection.gates[level].coefficients >= threshold).astype(np.uint8) * np.uint8(level)
    return inspection.cover(level).spread(inside, 0)
