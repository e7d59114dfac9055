"""The strip: every gate of the slice on screen, side by side below the canvas."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_attn_unet.plugin.choice import Choice
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import camera, plane_on_screen, to_layer
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.overlay.painter import Picture
from napari_attn_unet.plugin.overlay.sides import Sides
from napari_attn_unet.plugin.overlay.slices import Slices, size_of
from napari_attn_unet.report.orientation import View

EMPTY = "Segment an image, and every gate of the slice on screen is shown here."
_SPATIAL = 3
_IN_3D = "The 3D view has no slice: press the cube button for 2D."
_EFFECTS = ("errors", "Grad-CAM")
"""Helper layers that are shown, beside Δ probabilities."""


class Strip(QWidget):
    """One small picture per gate, and of the truth, errors, Δ and Grad-CAM where they are.

    All follow slider, axis, zoom and brush. A click brings one to the canvas, a second one puts
    back what was there.

    Parameters
    ----------
    dock
        With it the strip stops to follow.
    choice, sides
        What is looked at, and how it is turned.
    """

    def __init__(self, dock: Dock, choice: Choice, sides: Sides) -> None:
        super().__init__()
        self.viewer = viewer = dock.viewer
        self._choice, self._sides = choice, sides
        self._slices = Slices(viewer, choice, sides.place)
        self._solo = Looks()
        self._watched: list[tuple[Any, Any]] = []
        self.cells: dict[str, tuple[Picture, Layer]] = {}
        """Pictures and their layers, by caption."""
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(2)
        self._hint = QLabel(EMPTY)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._hint.setWordWrap(True)
        self._line.addWidget(self._hint)
        self._later = dock.timer(0, self.draw)
        self._listing = dock.timer(0, self._list)
        dims, eye = viewer.dims, camera(viewer)
        for event in (dims.events.current_step, dims.events.order, dims.events.ndisplay):
            dock.connect(event, self.ask)
        for event in (eye.events.zoom, eye.events.center, sides.changed):
            dock.connect(event, self.ask)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            dock.connect(event, self._layers_changed)
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
            effect = layer.metadata.get(OUTPUT, {}).get("effect")
            name = layer.name.split(" · ")[0]
            is_change = isinstance(layer, Image) and effect is not None and name.startswith("Δ")
            if effect in _EFFECTS or is_change:
                wanted[name] = layer
        return {name: layer for name, layer in wanted.items() if layer in there}

    def _list(self) -> None:
        """Make a picture for every layer that is wanted, and none for others."""
        wanted = self._wanted()
        shown = {name: layer for name, (_, layer) in self.cells.items()}
        if list(shown.items()) != list(wanted.items()):
            for picture, _ in self.cells.values():
                picture.let_go()
                self._line.removeWidget(picture)
                picture.deleteLater()
            self.cells = {}
            for name, layer in wanted.items():
                picture = Picture(name, f"{layer.name}: a click shows it on the canvas.")
                picture.clicked.connect(partial(self._clicked, name))
                self.cells[name] = picture, layer
                self._line.addWidget(picture)
        self._hint.setVisible(not self.cells)
        self._watch()
        self.ask()

    def _watch(self) -> None:
        self._unwatch()
        layers = [layer for _, layer in self.cells.values()]
        layers += [self._choice.image, self._choice.mask]
        for layer in dict.fromkeys(la for la in layers if la is not None):
            events = [layer.events.visible, layer.events.data, layer.events.opacity]
            if isinstance(layer, Image):
                events += [layer.events.colormap, layer.events.contrast_limits]
            if isinstance(layer, Labels):
                events += [layer.events.paint, layer.events.labels_update, layer.events.colormap]
            for event in events:
                event.connect(self.ask)
                self._watched.append((event, self.ask))

    def _unwatch(self) -> None:
        for event, slot in self._watched:
            event.disconnect(slot)
        self._watched = []

    # --- drawing --------------------------------------------------------------------------------
    def ask(self, _: Any = None) -> None:
        """Draw once all that has just changed is known."""
        self._later.start()

    def draw(self) -> None:
        """Draw the slice on screen."""
        image, view = self._choice.image, self._sides.view
        looking = None if image is None else plane_on_screen(self.viewer, image)
        if not self.isVisible() or image is None:
            return
        if view is None or looking is None:
            for picture, _ in self.cells.values():
                picture.setToolTip(_IN_3D)
            return
        part = self._part(view)
        for picture, layer in self.cells.values():
            plane = self._slices.plane(view, looking[1], layer)
            if plane is not None:
                plane = replace(plane, part=part)
            picture.show_plane(plane, marked=bool(layer.visible))

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
        if "gate" not in layer.metadata:
            layer.visible = not layer.visible
            return
        gates = [la for _, la in self.cells.values() if "gate" in la.metadata]
        shown = [la for la in gates if la.visible]
        if self._solo and shown == [layer]:
            self._solo.restore()
            return
        for other in gates:
            self._solo.change(other, visible=other is layer)

    def _close(self) -> None:
        self._unwatch()
        for picture, _ in self.cells.values():
            picture.let_go()
        self._solo.restore()
