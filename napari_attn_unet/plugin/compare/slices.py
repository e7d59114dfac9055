"""Slice by slice: curves tied to the viewer, and the worst slices first."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_attn_unet.gates.inspection import AXES
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.navigate import go_to_slice, plane_on_screen
from napari_attn_unet.plugin.kit.plots import ErrorPlot
from napari_attn_unet.plugin.kit.tables import save
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.scores.comparison import SliceRow


class SlicesTab(QWidget):
    """Dice, areas and wrong voxels of every slice of the axis on screen."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._axis = 0
        self._last: tuple[int, int] | None = None
        self.plot = ErrorPlot()
        self.plot.setToolTip("Click or drag to move the viewer to a slice.")
        self.previous = QPushButton("◂ less wrong")
        self.previous.setToolTip("Go to the slice before in the order of wrong voxels (Shift-W).")
        self.next = QPushButton("next worst ▸")
        self.next.setToolTip(
            "Go to the slice with most wrong voxels, then the next (W). Beyond the last it begins "
            "anew."
        )
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save the numbers of every slice, along all three axes, as CSV.")
        self.message = Text()
        line = QHBoxLayout()
        line.setSpacing(2)
        for widget in (self.previous, self.next, self.save):
            line.addWidget(widget)
        line.addStretch()
        column = QVBoxLayout(self)
        column.addLayout(line)
        column.addWidget(self.message)
        column.addWidget(self.plot, 1)
        note = QLabel("Wrong: voxels of the slice whose label differs.")
        note.setWordWrap(True)
        column.addWidget(note)
        self.plot.picked.connect(self.go_to)
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        self.save.clicked.connect(self._save)
        state.chosen.connect(self.refresh)
        state.changed.connect(lambda _: self.refresh())
        dims = state.viewer.dims.events
        state.dock.connect(dims.current_step, self._moved)
        state.dock.connect(dims.order, self._turned)
        state.dock.connect(dims.ndisplay, self._turned)
        state.dock.connect(state.viewer.events.theme, self._themed)
        self._themed()

    def _themed(self, _: Any = None) -> None:
        self.plot.set_theme(self._state.viewer.theme)

    def _turned(self, _: Any = None) -> None:
        looking = self._looking()
        if looking is not None and looking[0] != self._axis:
            self.refresh()

    def _looking(self) -> tuple[int, int] | None:
        mask = self._state.mask
        return None if mask is None else plane_on_screen(self._state.viewer, mask)

    def refresh(self) -> None:
        """Draw the curves of the axis on screen."""
        comparison, looking = self._state.comparison, self._looking()
        if comparison is None:
            return
        self._axis = looking[0] if looking is not None else self._axis
        curves = comparison.slices(self._axis, self._state.label)
        state = self._state
        self.plot.show_slices(curves, AXES[self._axis], state.colour(state.label))
        self._moved()

    def _moved(self, _: Any = None) -> None:
        looking = self._looking()
        if looking is not None and looking[0] == self._axis:
            self.plot.set_slice(looking[1])

    def go_to(self, index: int) -> None:
        """Move the viewer to a slice along the plot's axis."""
        mask, looking = self._state.mask, self._looking()
        if mask is not None and looking is not None and looking[0] == self._axis:
            go_to_slice(self._state.viewer, mask, self._axis, index)

    def step(self, by: int) -> None:
        """Go to the next worst slice, or the one before it."""
        comparison, looking = self._state.comparison, self._looking()
        if comparison is None:
            return
        if looking is None:
            self.message.setText("Slices are for the 2D view: press the cube button below.")
            return
        worst = comparison.worst_slices(looking[0], self._state.label)
        if not worst:
            self.message.setText("No slice has a wrong voxel.")
            return
        known = looking == self._last and looking[1] in worst  # else begin with the worst
        at = worst.index(looking[1]) if known else -1 if by > 0 else 0
        place = (at + by) % len(worst)
        self._axis, self._last = looking[0], (looking[0], worst[place])
        self.go_to(worst[place])
        curves = comparison.slices(looking[0], self._state.label)
        self.message.setText(
            f"Slice {AXES[looking[0]]} = {worst[place]}, number {place + 1} of {len(worst)}: "
            f"{curves['wrong'][worst[place]]:,.0f} wrong voxels, "
            f"Dice {curves['Dice'][worst[place]]:.3f}."
        )

    def rows(self) -> list[SliceRow]:
        """Return the numbers of every slice, class and axis."""
        comparison = self._state.comparison
        return [] if comparison is None else comparison.slice_rows()

    def _save(self) -> None:
        save(self, "slices.csv", self.rows(), self.message.setText)
