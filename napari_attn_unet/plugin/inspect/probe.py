"""The probe: every number under the cursor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.gates.inspection import AXES
from napari_attn_unet.plugin.inspect.pins import Pins
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.navigate import camera, to_layer
from napari_attn_unet.plugin.kit.tables import cell, fill, save
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.table import Row, column, text

HINT = "Move the cursor over the image."


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRow(Row):
    """What lies at a point (z, y, x) in world coordinates.

    Attributes
    ----------
    number
        Of a pinned point, which it has on the canvas too.
    t
        Of a series.
    probabilities, coefficients
        {class: probability} and {gate's level: coefficient}; None outside that layer.
    label, truth
        Name of the class, or its number; NaN outside that layer, None without one.
    """

    number: int | None = column("point", None)
    t: float | None = column("t", None)
    z: float = column("z")
    y: float = column("y")
    x: float = column("x")
    intensity: float = column("intensity")
    probabilities: Mapping[str, float | None] = column("p({key})")
    label: str | float | None = column("label", None)
    truth: str | float | None = column("truth", None)
    coefficients: Mapping[int, float | None] = column("α gate {key}")


class ProbeTab(QWidget):
    """The values under the cursor, and the points that were pinned."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self.rows: list[PointRow] = []
        self.values = Text()
        self.values.setText(HINT)
        self.pin = QCheckBox("a click pins")
        self.pin.setToolTip(
            "While ticked, a click on the image adds its values to the table, and a numbered point "
            "to the canvas."
        )
        self.table = Table("points", ("point", "z", "y", "x", "label"))
        self.table.setToolTip("Pinned points. Double-click a row to go there.")
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save the pinned points as CSV.")
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Forget the pinned points, and take them off the canvas.")
        line = QHBoxLayout()
        line.setSpacing(2)
        line.addWidget(self.pin, 1)
        line.addWidget(self.save)
        line.addWidget(self.clear)
        column = QVBoxLayout(self)
        column.addWidget(self.values)
        column.addLayout(line)
        column.addWidget(self.table, 1)
        self.save.clicked.connect(self._save)
        self.clear.clicked.connect(self._clear)
        self.table.cellDoubleClicked.connect(self._go_to)
        self._points: list[tuple[float, ...]] = []
        self.pins = Pins(state)
        self._image = state.image
        state.chosen.connect(self._chosen)
        state.dock.append(state.viewer.mouse_move_callbacks, self._moved)
        state.dock.append(state.viewer.mouse_drag_callbacks, self._pressed)

    def row(self, position: tuple[float, ...]) -> PointRow | None:
        """Return what lies at a point in world coordinates; None outside the image."""
        state = self._state
        if state.image is None or state.result is None:
            return None
        intensity = self._value(state.image, position)
        if intensity is None:
            return None
        *before, z, y, x = (float(p) for p in position)
        result = state.result
        return PointRow(
            t=before[-1] if before and state.image.ndim > len("zyx") else None,
            z=z,
            y=y,
            x=x,
            intensity=intensity,
            probabilities={n: self._value(la, position) for n, la in result.probabilities.items()},
            label=self._class_at(state.mask, position),
            truth=self._class_at(state.truth, position),
            coefficients={n: self._value(gate, position) for n, gate in result.gates.items()},
        )

    def _value(self, layer: Layer, position: tuple[float, ...]) -> float | None:
        return value_at(self._state.viewer, layer, position)

    def _class_at(self, layer: Layer | None, position: tuple[float, ...]) -> str | float | None:
        """Return the class of a point, or its label if that has no name; None without a layer."""
        if layer is None:
            return None
        found = self._value(layer, position)
        if found is None:
            return math.nan
        names = self._state.class_names
        return names[int(found)] if 0 <= int(found) < len(names) else found

    def _moved(self, viewer: Any, _: Any) -> None:
        row = self.row(tuple(viewer.cursor.position))
        if row is None:
            self.values.setText(HINT)
            return
        cells = {title: text(value) for title, value in row.cells().items()}
        self.values.setText("\n".join(f"{title}: {value}" for title, value in cells.items()))
        # The status line itself belongs to napari's own readout, which would write over ours.
        viewer.help = "  ".join(f"{k} {v}" for k, v in cells.items() if k not in AXES)

    def _pressed(self, viewer: Any, event: Any) -> Any:
        start = np.asarray(event.pos, dtype=float)
        yield
        while event.type == "mouse_move":
            yield
        still = np.linalg.norm(np.asarray(event.pos, dtype=float) - start) < 4  # noqa: PLR2004
        if self.pin.isChecked() and still and event.button == 1:
            self.add(tuple(viewer.cursor.position))

    def add(self, position: tuple[float, ...]) -> None:
        """Pin a point in world coordinates."""
        row = self.row(position)
        if row is not None:
            self.rows.append(replace(row, number=len(self.rows) + 1))
            self._points.append(position)
            self._fill()

    def _chosen(self) -> None:
        """Forget another image's points; of this one's, say what is chosen now."""
        before, self._image = self._image, self._state.image
        if self._image is not before:
            self.values.setText(HINT)
            self._points = []
        found = [(point, self.row(point)) for point in self._points]
        there = [(point, row) for point, row in found if row is not None]
        had, self._points = len(self.rows), [point for point, _ in there]
        self.rows = [replace(row, number=i) for i, (_, row) in enumerate(there, 1)]
        if had:
            self._fill()

    def _fill(self) -> None:
        fill(self.table, self.rows)
        image = self._state.image
        if self._points and image is not None:
            self.pins.show(image, self._points)
        else:
            self.pins.clear()

    def _go_to(self, row: int, _: int) -> None:
        number = int(cell(self.table, row, 0).text())  # a click on a header may have sorted
        viewer, point = self._state.viewer, self._points[number - 1]
        viewer.dims.point = point
        camera(viewer).center = tuple(point[a] for a in viewer.dims.displayed)[-3:]

    def _clear(self) -> None:
        self.rows, self._points = [], []
        self._fill()

    def _save(self) -> None:
        save(self, "points.csv", self.rows, self.values.setText)


def value_at(viewer: Any, layer: Layer, position: tuple[float, ...]) -> float | None:
    """Return the value of a layer's voxel at a point of the viewer's; None outside."""
    data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    index = tuple(int(np.floor(p + 0.5)) for p in to_layer(viewer, layer, position))
    if any(not 0 <= i < n for i, n in zip(index, data.shape, strict=True)):
        return None
    return float(np.asarray(data[index]))
