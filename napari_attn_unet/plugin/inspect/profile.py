"""Curves over the slices: where along the volume the gates and the mask have something."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_attn_unet.gates.inspection import AXES, Inspection
from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.choices import combo
from napari_attn_unet.plugin.kit.navigate import go_to_slice, plane_on_screen
from napari_attn_unet.plugin.kit.plots import ProfilePlot
from napari_attn_unet.plugin.kit.text import Text

ANY = "any class"


class ProfileTab(QWidget):
    """The profile plot, tied to the viewer's slider in both directions."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._axis = 0
        self.plot = ProfilePlot()
        self.plot.setToolTip("Click or drag to move the viewer to a slice.")
        self.label = combo("The class whose inside and outside are compared.")
        self.previous = QPushButton("◂ peak")
        self.previous.setToolTip("Go to the peak before this slice (Shift-N).")
        self.next = QPushButton("peak ▸")
        self.next.setToolTip("Go to the next peak of a curve (N). Beyond the last it begins anew.")
        self.message = Text()
        self.about = QLabel()
        self.about.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.label, 1)
        line.addWidget(self.previous)
        line.addWidget(self.next)
        column = QVBoxLayout(self)
        column.addLayout(line)
        column.addWidget(self.message)
        column.addWidget(self.plot, 1)
        column.addWidget(self.about)
        self.plot.picked.connect(self.go_to)
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        self.label.currentIndexChanged.connect(self._label_changed)
        state.chosen.connect(self._chosen)
        state.ready.connect(self._ready)
        dims = state.viewer.dims.events
        state.dock.connect(dims.current_step, self._moved)
        state.dock.connect(dims.order, self._turned)
        state.dock.connect(dims.ndisplay, self._turned)
        state.dock.connect(state.viewer.events.theme, self._themed)
        state.dock.on_close(partial(choice_of(state.viewer).choose, label=None))
        self._themed()

    def _themed(self, _: Any = None) -> None:
        self.plot.set_theme(self._state.viewer.theme)

    def _chosen(self) -> None:
        names = [ANY, *self._state.class_names[1:]]
        if [self.label.itemText(i) for i in range(self.label.count())] == names:
            return
        self.label.blockSignals(True)
        self.label.clear()
        self.label.addItems(names)
        self.label.blockSignals(False)
        self._look_at(None)

    def choose(self, label: int | None) -> None:
        """Choose a class; None is any."""
        if (label or 0) < self.label.count():
            self.label.setCurrentIndex(label or 0)

    def _label_changed(self, index: int) -> None:
        self._look_at(index or None)
        self._state.count()

    def _look_at(self, label: int | None) -> None:
        self._state.label = label
        choice_of(self._state.viewer).choose(label=label)

    def _turned(self, _: Any = None) -> None:
        if self._state.image is not None and self._state.axis != self._axis:
            self._state.count()

    def _ready(self, inspection: Inspection) -> None:
        self._axis = self._state.axis
        self.message.setText("")
        names = {level: gate.name for level, gate in inspection.gates.items()}
        profile = inspection.profile(self._axis, self._state.label)
        state = self._state
        self.plot.show_profile(profile, AXES[self._axis], names, state.classes, state.label)
        self.about.setText(
            "Thick: mean α inside the structure. Thin: outside."
            if inspection.mask is not None or inspection.truth is not None
            else "Choose a mask above to compare inside and outside."
        )
        self._moved()

    def _moved(self, _: Any = None) -> None:
        looking = self._looking()
        if looking is not None and looking[0] == self._axis:
            self.plot.set_slice(looking[1])

    def _looking(self) -> tuple[int, int] | None:
        state = self._state
        return None if state.image is None else plane_on_screen(state.viewer, state.image)

    def go_to(self, index: int) -> None:
        """Move the viewer to a slice of the image along the plot's axis."""
        image, viewer = self._state.image, self._state.viewer
        looking = self._looking()
        if image is None or looking is None or looking[0] != self._axis:
            return
        go_to_slice(viewer, image, self._axis, index)

    def step(self, by: int) -> None:
        """Go to the next peak of a curve, or the one before; beyond the last begin anew."""
        inspection, looking = self._state.inspection, self._looking()
        if inspection is None:
            return
        if looking is None:
            self.message.setText("Peaks are for the 2D view: press the cube button below.")
            return
        if looking[0] != self._axis:
            return  # the curves of this axis are being counted
        peaks = inspection.profile(self._axis, self._state.label).peaks()
        if not peaks:
            self.message.setText("No curve has a peak.")
            return
        beyond = [p for p in peaks if (p - looking[1]) * by > 0]
        wrapped = "" if beyond else " Beyond the last: from the beginning again."
        if by < 0 and wrapped:
            wrapped = " Before the first: from the end again."
        peak = (beyond or peaks)[0 if by > 0 else -1]
        self.go_to(peak)
        self.message.setText(
            f"Peak {peaks.index(peak) + 1} of {len(peaks)}, slice {AXES[self._axis]} = {peak}."
            f"{wrapped}"
        )
