"""The strip: every gate of the slice on screen, side by side below the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import camera, plane_at, to_layer
from napari_attn_unet.plugin.layers import CLASSES, GATE, OUTPUT
from napari_attn_unet.plugin.overlay.painter import Pane, Plane
from napari_attn_unet.plugin.overlay.sides import Sides
from napari_attn_unet.plugin.overlay.slices import Slices, size_of
from napari_attn_unet.report.orientation import View

EMPTY = "Segment an image, and every gate of the slice on screen is shown here."
CHANGE = "Δ probability of "
"""What the layers of a knock-out's effect are called, before the class."""
_SPATIAL = 3
_EFFECTS = ("errors", "Grad-CAM")
"""Helper layers that are shown, beside Δ probabilities."""


class Strip(QWidget):
    """One small picture per gate, and of the truth, errors, Δ and Grad-CAM where they are.

    All follow slider, axis, zoom, class and brush; while the canvas is in 3D, the slice before. A
    click brings one to the canvas, a second one puts back what was there.

    Parameters
    ----------
    dock
        With it the strip stops to follow.
    choice, sides
        What is looked at, and how it is turned.
    """

    def __init__(self, dock: Dock, choice: Choice, sides: Sides) -> None:
        super().__init__()
        self._dock, self.viewer = dock, dock.viewer
        viewer = dock.viewer
        self._choice, self._sides = choice, sides
        self._solo = Looks()
        self._view: View | None = None
        self.cells: dict[str, tuple[Pane, Layer]] = {}
        """Panes and their layers, by caption."""
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(2)
        self._hint = QLabel(EMPTY)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._hint.setWordWrap(True)
        self._line.addWidget(self._hint)
        self._later = dock.timer(0, self.draw)
        self._listing = dock.timer(0, self._list)
        self.slices = Slices(dock, choice, sides.place, self.ask)
        dims, eye = viewer.dims, camera(viewer)
        dock.connect(dims.events.current_step, self._stepped)
        for event in (dims.events.order, dims.events.ndisplay):
            dock.connect(event, self.ask)
        for event in (eye.events.zoom, eye.events.center, viewer.canvas.events.size):
            dock.connect(event, self.ask)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            dock.connect(event, self._layers_changed)
        dock.connect(sides.changed, self.ask)
        dock.connect(choice.changed, self._layers_changed)
        dock.on_close(self._close)
        self._list()

    # --- what there is --------------------------------------------------------------------------
    def _layers_changed(self, _: Any = None) -> None:
        self._listing.start()

    def _wanted(self) -> dict[str, Layer]:
        """Return the layers that are shown, by caption."""
        choice, there = self._choice, self.viewer.layers
        wanted: dict[str, Layer] = {}
        if choice.result is not None:
            wanted |= {f"gate {level}": layer for level, layer in choice.result.gates.items()}
        if choice.truth is not None:
            wanted["truth"] = choice.truth
        for layer in there:
            about = layer.metadata.get(OUTPUT, {})
            if "image" in about and choice.image and not choice.is_of(about, choice.image):
                continue
            if about.get("effect") in _EFFECTS or self._is_change(layer):
                wanted[_caption(layer)] = layer
        return {name: layer for name, layer in wanted.items() if layer in there}

    def _is_change(self, layer: Layer) -> bool:
        """Whether a layer is what a knock-out did to the probability of the class looked at."""
        about = layer.metadata.get(OUTPUT, {})
        if not isinstance(layer, Image) or not about.get("effect"):
            return False
        mask, label = self._choice.mask, self._choice.label
        classes = () if mask is None else mask.metadata.get(CLASSES, ())
        of = classes[label].name if label is not None and label < len(classes) else ""
        return str(layer.name).startswith(CHANGE + (f"{of} · " if of else ""))

    def _list(self) -> None:
        """Make a pane for every layer that is wanted, and none for others."""
        wanted = self._wanted()
        shown = {name: layer for name, (_, layer) in self.cells.items()}
        if list(shown.items()) != list(wanted.items()):
            if _gates(shown) != _gates(wanted):
                self._solo.restore()  # or it would hold gates that are gone
            for pane, _ in self.cells.values():
                pane.let_go()
                self._line.removeWidget(pane)
                pane.deleteLater()
            self.cells = {}
            for name, layer in wanted.items():
                pane = Pane(name, "", noted=True)
                pane.clicked.connect(partial(self._clicked, name))
                self.cells[name] = pane, layer
                self._line.addWidget(pane)
        self._hint.setVisible(not self.cells)
        self.slices.follow([*wanted.values(), self._choice.image, self._choice.mask])
        self.ask()

    # --- drawing --------------------------------------------------------------------------------
    def ask(self, _: Any = None) -> None:
        """Draw once all that has just changed is known."""
        if self.isVisible() and not self._dock.is_closed:
            self._later.start()

    def _stepped(self, _: Any = None) -> None:
        """Draw at once: Qt then puts canvas and strip on screen together, not one after the other.

        What the step has asked for until now is drawn with it.
        """
        if self.isVisible() and not self._dock.is_closed:
            self._later.stop()
            self.draw()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Draw what has changed while nothing was seen (Qt calls this)."""
        super().showEvent(event)
        self.ask()

    def draw(self) -> None:
        """Draw the slice on screen."""
        image = self._choice.image
        if not self.isVisible():
            return
        if image is None or image not in self.viewer.layers:
            for pane, _ in self.cells.values():
                pane.show_plane(None)
            return
        on_canvas = self._sides.view
        if on_canvas is None and (self._view is None or self.viewer.dims.ndisplay == 2):  # noqa: PLR2004
            return
        self._view = view = on_canvas or self._view
        assert view is not None  # noqa: S101  (for the type checker)
        part = None if on_canvas is None else self._part(view)
        index = plane_at(self.viewer, image, view.axis)
        layers = [layer for _, layer in self.cells.values()]
        planes = self.slices.planes(view, index, layers)
        most = _most(planes or [])
        for i, (name, (pane, layer)) in enumerate(self.cells.items()):
            if planes is not None:
                plane = replace(planes[i], part=part)
                note = self._note(layer, plane.means)
                tip = self._tooltip(layer, plane.means, is_most=i == most)
                pane.tell(name, tip, note, is_noteworthy=i == most)
                pane.show_plane(plane, marked=bool(layer.visible))
            elif self.slices.problem:
                pane.tell(name, self.slices.problem)
                pane.show_plane(None)

    def _note(self, layer: Layer, means: tuple[float, float] | None) -> str:
        if means is not None:
            return f"in {means[0]:.2f} · out {means[1]:.2f}"
        return "no mask here" if GATE in layer.metadata and self._choice.mask is not None else ""

    def _tooltip(self, layer: Layer, means: tuple[float, float] | None, *, is_most: bool) -> str:
        if GATE not in layer.metadata:
            return f"{layer.name}: a click shows or hides it on the canvas."
        told = f"{layer.name}: a click shows it on the canvas, a second one what was there before."
        if means is not None:
            inside = "the mask" if self._choice.label is None else "the class"
            told += (
                f" Its mean attention coefficient α on this slice: {means[0]:.2f} inside {inside}, "
                f"{means[1]:.2f} outside. A gate that is open everywhere looks at nothing."
            )
        if is_most:
            told += " Of all gates, this one tells inside from outside most."
        return told

    def _part(self, view: View) -> tuple[float, float, float, float] | None:
        """Return the part of the slice that the canvas shows; None where it shows all of it."""
        image, dims = self._choice.image, self.viewer.dims
        assert image is not None  # noqa: S101  (for the type checker: it is drawn)
        eye = camera(self.viewer)
        half = np.asarray(self.viewer.canvas.size, float) / eye.zoom / 2
        corners = []
        for sign in (-1, 1):
            point = np.asarray(dims.point, float)
            for axis, centre, reach in zip(dims.displayed, eye.center[-2:], half, strict=True):
                point[axis] = centre + sign * reach
            corners.append(to_layer(self.viewer, image, point.tolist())[-_SPATIAL:])
        size = np.asarray(size_of(image))
        low, high = np.sort(np.asarray(corners), axis=0)
        low, high = np.maximum(low, -0.5), np.minimum(high, size - 0.5)
        ends = []
        for axis, flipped in ((view.rows, view.flip_rows), (view.columns, view.flip_columns)):
            if high[axis] <= low[axis]:
                return None  # the slice lies outside the canvas
            start = size[axis] - 1 - high[axis] if flipped else low[axis]
            ends.append((start, high[axis] - low[axis]))
        (top, height), (left, width) = ends
        return float(top), float(left), float(height), float(width)

    # --- a click --------------------------------------------------------------------------------
    def _clicked(self, name: str) -> None:
        _, layer = self.cells[name]
        if GATE not in layer.metadata:
            layer.visible = not layer.visible
            return
        gates = [la for _, la in self.cells.values() if GATE in la.metadata]
        shown = [la for la in gates if la.visible]
        if self._solo and shown == [layer]:
            self._solo.restore()
            return
        for other in gates:
            self._solo.change(other, visible=other is layer)

    def _close(self) -> None:
        for pane, _ in self.cells.values():
            pane.let_go()
        self._solo.restore()


def _most(planes: Sequence[Plane]) -> int | None:
    """Return which gate is more open inside the mask than outside by the most; None if none is."""
    more = {i: p.means[0] - p.means[1] for i, p in enumerate(planes) if p.means is not None}
    best = max(more, key=lambda i: more[i], default=None)
    return best if best is not None and more[best] > 0 else None


def _gates(cells: dict[str, Layer]) -> list[Layer]:
    return [layer for layer in cells.values() if GATE in layer.metadata]


def _caption(layer: Layer) -> str:
    """Return a short name: "Δ Anterior", "Grad-CAM Anterior, level 2", "errors"."""
    name = str(layer.name.split(" · ")[0])
    return name.replace(CHANGE, "Δ ").replace("Grad-CAM of ", "Grad-CAM ")
