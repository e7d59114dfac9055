"""The probe: every number under the cursor."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QTableWidget,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet.gates.inspection import AXES, Row
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.navigate import camera
from napari_attn_unet.plugin.kit.tables import fill, save
from napari_attn_unet.plugin.kit.text import Text

HINT = "Move the cursor over the image."


class ProbeTab(QWidget):
    """The values under the cursor, and the points that were pinned."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self.rows: list[Row] = []
        self.values = Text()
        self.values.setText(HINT)
        self.pin = QCheckBox("a click pins the point")
        self.pin.setToolTip("While ticked, a click on the image adds its values to the table.")
        self.table = QTableWidget()
        self.table.setToolTip("Pinned points. Double-click a row to go there.")
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save the pinned points as CSV.")
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Forget the pinned points.")
        line = QHBoxLayout()
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
        state.dock.append(state.viewer.mouse_move_callbacks, self._moved)
        state.dock.append(state.viewer.mouse_drag_callbacks, self._pressed)

    def row(self, position: tuple[float, ...]) -> Row:
        """Return what lies at a point in world coordinates; empty outside the image."""
        state = self._state
        if state.image is None or state.result is None:
            return {}
        intensity = value_at(state.image, position)
        if intensity is None:
            return {}
        row: Row = dict(zip(AXES, (float(p) for p in position[-3:]), strict=True))
        row["intensity"] = intensity
        for name, layer in state.result.probabilities.items():
            row[f"p({name})"] = value_at(layer, position)
        names = state.class_names
        for name, labels in (("label", state.mask), ("truth", state.truth)):
            if labels is not None:
                found = value_at(labels, position)
                known = found is not None and 0 <= int(found) < len(names)
                row[name] = names[int(found)] if known and found is not None else found
        for level, gate in state.result.gates.items():
            row[f"α gate {level}"] = value_at(gate, position)
        return row

    def _moved(self, viewer: Any, _: Any) -> None:
        row = self.row(tuple(viewer.cursor.position))
        if not row:
            self.values.setText(HINT)
            return
        self.values.setText("\n".join(f"{name}: {_text(v)}" for name, v in row.items()))
        # The status line itself belongs to napari's own readout, which would write over ours.
        viewer.help = "  ".join(f"{k} {_text(v)}" for k, v in row.items() if k not in AXES)

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
        if row:
            self.rows.append(row)
            self._points.append(position)
            self._fill()

    def _fill(self) -> None:
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        fill(self.table, [{c: row.get(c, "") for c in columns} for row in self.rows])

    def _go_to(self, row: int, _: int) -> None:
        viewer, point = self._state.viewer, self._points[row]
        viewer.dims.point = point
        camera(viewer).center = tuple(point[a] for a in viewer.dims.displayed)[-3:]

    def _clear(self) -> None:
        self.rows, self._points = [], []
        self._fill()

    def _save(self) -> None:
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        rows = [{c: row.get(c, "") for c in columns} for row in self.rows]
        save(self, "points.csv", rows, self.values.setText)


def value_at(layer: Layer, position: tuple[float, ...]) -> float | None:
    """Return the value of a layer's voxel at a point in world coordinates; None outside."""
    data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    place = layer.world_to_data(position[-layer.ndim :])
    index = tuple(int(np.floor(p + 0.5)) for p in place)
    if any(not 0 <= i < n for i, n in zip(index, data.shape, strict=True)):
        return None
    return float(np.asarray(data[index]))


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
