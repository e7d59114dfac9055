"""Gates at a glance: a row per gate, one look for all, solo, contours."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import ALL_COLORMAPS
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleRangeSlider, QLabeledDoubleSlider

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.plugin.inspect.contours import Contours
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.choices import combo
from napari_attn_unet.plugin.kit.columns import Table
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.tables import cell
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.layers import ATTENTION, CLASSES, gate_colormap
from napari_attn_unet.report.picture import gate_line

COLUMNS = ("", "gate", "grid", "mean ± sd", "shut, open", "entropy", "histogram")
ROW = 30
COEFFICIENT, SHARE = "coefficient α", "share of the total (× mean)"
NEAREST, SMOOTH = "nearest", "linear"
COLORMAPS = (ATTENTION, "inferno", "viridis", "magma", "plasma", "turbo", "gray", "hsv")


class GatesTab(QWidget):
    """A table of the gates and what all their layers share."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._solo = Looks()
        self._watched: list[Image] = []
        self.contours = Contours(state)
        self._busy = False
        self.table = Table("gates", ("gate", "mean", "histogram"))
        self.table.setColumnCount(len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.arrange()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setToolTip(
            "One row per gate, the finest first. Tick to show it; click a row to show it alone, "
            "click again to go back."
        )
        down = self.table.verticalHeader()
        if down is not None:
            down.setDefaultSectionSize(ROW)
        self.verdict = Text()
        self.opacity = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 1)
        self.opacity.setValue(0.4)
        self.opacity.setToolTip("Opacity of all gate maps.")
        self.colormap = combo(
            "Colours of all gate maps, clear where a gate is shut. 'attention' is one hue that no "
            "class has."
        )
        known = (ATTENTION, *ALL_COLORMAPS)
        self.colormap.addItems([name for name in COLORMAPS if name in known])
        self.contrast = QLabeledDoubleRangeSlider(Qt.Orientation.Horizontal)
        self.contrast.setRange(0, 1)
        self.contrast.setEdgeLabelMode(self.contrast.EdgeLabelMode.NoLabel)
        self.contrast.setValue((0, 1))
        self.contrast.setContentsMargins(12, 0, 12, 0)  # or the handles' numbers are cut
        self.contrast.setToolTip("Values that get the colormap's ends, in all gate maps.")
        self.smooth = QCheckBox("smooth")
        self.smooth.setToolTip(
            "Interpolate between a gate's own voxels on screen. Numbers, contours and files keep "
            "the voxels."
        )
        self.view = combo(
            "Show each gate's coefficients, or each voxel's share of the map's total as a multiple "
            "of its mean: a map that is 0.9 to 1.0 everywhere shows what little it selects."
        )
        self.view.addItems([COEFFICIENT, SHARE])
        self.contour = QCheckBox("contour of α ≥")
        self.contour.setToolTip(
            "Outline where a gate's map reaches the threshold, for every gate that is shown; in 3D "
            "its surface."
        )
        self.threshold = QDoubleSpinBox()
        self.threshold.setDecimals(3)
        self.threshold.setRange(0.0, 1.0)
        self.threshold.setSingleStep(0.05)
        self.threshold.setValue(0.5)
        self.threshold.setToolTip("Threshold of the contour.")
        self._arrange()
        self._connect()

    def _connect(self) -> None:
        self.table.itemChanged.connect(self._ticked)
        self.table.cellClicked.connect(self._clicked)
        self.opacity.valueChanged.connect(self._restyle)
        self.smooth.toggled.connect(self._restyle)
        self.colormap.currentTextChanged.connect(self._restyle)
        self.contrast.valueChanged.connect(self._restyle)
        self.view.currentTextChanged.connect(self._view_changed)
        self.contour.toggled.connect(self._contour_changed)
        self.threshold.valueChanged.connect(self._contour_changed)
        self._state.chosen.connect(self._chosen)
        self._state.ready.connect(self._ready)
        self._state.dock.on_close(self._close)

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.addWidget(self.table)
        column.addWidget(self.verdict)
        form = QFormLayout()
        form.addRow("opacity", self.opacity)
        form.addRow("colormap", self.colormap)
        form.addRow("contrast", self.contrast)
        form.addRow("show", self.view)
        line = QHBoxLayout()
        line.addWidget(self.contour)
        line.addWidget(self.threshold)
        line.addStretch()
        form.addRow(line)
        form.addRow(self.smooth)
        column.addLayout(form)
        column.addStretch()

    @property
    def gates(self) -> dict[int, Image]:
        """The gates' layers that are still there, by level."""
        return self._state.gates

    # --- the table ------------------------------------------------------------------------------
    def _chosen(self) -> None:
        self._busy = True
        self._solo.restore()
        self.verdict.setText("")
        self._watch(list(self.gates.values()))
        self.table.setRowCount(len(self.gates))
        for row, (level, layer) in enumerate(self.gates.items()):
            eye = QTableWidgetItem()
            flags = Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled
            eye.setFlags(flags)  # type: ignore[arg-type]  # PyQt5's stubs make it an int
            eye.setCheckState(_check(layer.visible))
            eye.setData(Qt.ItemDataRole.UserRole, level)
            eye.setToolTip("Show or hide this gate's map.")
            self.table.setItem(row, 0, eye)
            self.table.setItem(row, 1, QTableWidgetItem(f"gate {level}"))
            grid = "×".join(map(str, layer.data.shape[-3:]))
            self.table.setItem(row, 2, QTableWidgetItem(grid))
            cell(self.table, row, 2).setToolTip(f"Its own grid, {2**level} times coarser.")
            for column in range(3, len(COLUMNS)):
                self.table.setItem(row, column, QTableWidgetItem("…"))
        if self.gates:
            first = next(iter(self.gates.values()))
            self.opacity.setValue(first.opacity)
            self.colormap.setCurrentText(first.colormap.name.split(" (")[0])
            self.smooth.setChecked(first.interpolation2d != NEAREST)
            self.view.setCurrentText(COEFFICIENT)
            self.contrast.setRange(0, 1)
            self.contrast.setValue(tuple(first.contrast_limits))
        rows = max(1, self.table.rowCount())
        self.table.setFixedHeight(self.table.header().height() + ROW * rows + 6)
        self._busy = False

    def _watch(self, gates: list[Image]) -> None:
        """Hear when these gates are shown or hidden, and no others."""
        for layer in self._watched:
            layer.events.visible.disconnect(self._shown)
        self._watched = gates
        for layer in gates:
            layer.events.visible.connect(self._shown)

    def _contour_changed(self, _: Any = None) -> None:
        self.contours.threshold = self.threshold.value() if self.contour.isChecked() else None
        self.contours.draw()

    def _ready(self, inspection: Inspection) -> None:
        self._busy = True
        words = []
        for row in range(self.table.rowCount()):
            level = self._level(row)
            if level not in inspection.gates:
                continue
            s = inspection.statistics(level)
            texts = (
                f"{s.mean:.2f} ± {s.deviation:.2f}",
                f"{s.low:.0%}, {s.high:.0%}",
                f"{s.entropy:.3f}",
            )
            for column, text in enumerate(texts, 3):
                cell(self.table, row, column).setText(text)
            cell(self.table, row, 4).setToolTip(
                "Share of voxels below 0.05 (shut) and above 0.95 (open)."
            )
            cell(self.table, row, 5).setToolTip(
                "Entropy as a share of the largest possible: 1 where all values are equal."
            )
            cell(self.table, row, 6).setText("")
            colour, _ = gate_line(level, len(inspection.gates), self._state.classes)
            self.table.setCellWidget(row, 6, _histogram(s.histogram, colour))
            if s.verdict:
                words.append(f"Gate {level} {s.verdict}.")
        self.verdict.setText("\n".join(words))
        self._busy = False
        self.contours.draw()

    def _level(self, row: int) -> int:
        return int(cell(self.table, row, 0).data(Qt.ItemDataRole.UserRole))

    def _ticked(self, item: QTableWidgetItem) -> None:
        if self._busy or item.column() != 0:
            return
        layer = self.gates.get(self._level(item.row()))
        if layer is not None:
            layer.visible = item.checkState() == Qt.CheckState.Checked

    def _shown(self, _: Any = None) -> None:
        """Tick what the layer list, or anyone else, has shown or hidden."""
        self._busy = True
        for row in range(self.table.rowCount()):
            layer = self.gates.get(self._level(row))
            if layer is not None:
                cell(self.table, row, 0).setCheckState(_check(layer.visible))
        self._busy = False
        self.contours.draw()

    # --- solo -----------------------------------------------------------------------------------
    def _clicked(self, row: int, column: int) -> None:
        if column == 0:
            return
        level = self._level(row)
        if self._solo and self.solo_level == level:
            self.solo(None)
        else:
            self.solo(level)

    @property
    def solo_level(self) -> int | None:
        """The gate that is shown alone, if solo is on."""
        if not self._solo:
            return None
        shown = [level for level, layer in self.gates.items() if layer.visible]
        return shown[0] if len(shown) == 1 else None

    def solo(self, level: int | None) -> None:
        """Show one gate alone; None goes back to what was shown before."""
        gates = self.gates
        if level is None:
            self._solo.restore()
            self.table.clearSelection()
            return
        for other, layer in gates.items():
            self._solo.change(layer, visible=other == level)
        for row in range(self.table.rowCount()):
            if self._level(row) == level:
                self.table.selectRow(row)

    def step(self, by: int) -> None:
        """Show the next gate alone, or the one before."""
        levels = list(self.gates)
        if levels:
            now = self.solo_level
            start = levels.index(now) if now in levels else (-1 if by > 0 else 0)
            self.solo(levels[(start + by) % len(levels)])

    # --- one look for all -----------------------------------------------------------------------
    def _restyle(self, _: Any = None) -> None:
        if self._busy:
            return
        low, high = self.contrast.value()
        for level, layer in self.gates.items():
            layer.opacity = self.opacity.value()
            layer.colormap = gate_colormap(
                self.colormap.currentText(), layer.metadata.get(CLASSES, ())
            )
            layer.interpolation2d = SMOOTH if self.smooth.isChecked() else NEAREST
            unit = self._unit(level)
            layer.contrast_limits = (low * unit, max(high, low + 1e-3) * unit)

    def _unit(self, level: int) -> float:
        """Return the coefficient that the contrast slider calls 1."""
        inspection = self._state.inspection
        if self.view.currentText() == COEFFICIENT or inspection is None:
            return 1.0
        return inspection.statistics(level).mean if level in inspection.gates else 1.0

    def _view_changed(self, view: str) -> None:
        if self._busy:
            return
        self._busy = True
        top = 1.0
        inspection = self._state.inspection
        if view == SHARE and inspection is not None:
            for gate in inspection.gates.values():
                high = float(np.percentile(gate.coefficients, 99.9))
                top = max(top, 1.1 * high / max(float(gate.coefficients.mean()), 1e-6))
        self.contrast.setRange(0, top)  # type: ignore[arg-type]  # its double variant's own
        self.contrast.setValue((0.0, top))
        self._busy = False
        self._restyle()

    def _close(self) -> None:
        self._solo.restore()
        self._watch([])


def _check(on: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if on else Qt.CheckState.Unchecked


def _histogram(shares: tuple[float, ...], colour: str) -> QLabel:
    """Return a small picture of a histogram; the height is the square root, to see the small."""
    width, height = 2 * len(shares), 24
    picture = QPixmap(width, height)
    picture.fill(QColor(0, 0, 0, 0))
    painter = QPainter(picture)
    top = max(shares) or 1.0
    for i, share in enumerate(shares):
        bar = round((share / top) ** 0.5 * (height - 2))
        painter.fillRect(2 * i, height - bar, 2, bar, QColor(colour))
    painter.end()
    label = QLabel()
    label.setPixmap(picture)
    label.setToolTip("Share of voxels by coefficient, 0 left to 1 right; square-root heights.")
    return label
