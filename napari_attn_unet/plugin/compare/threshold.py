"""A threshold per class: the mask, Dice, precision and recall follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_attn_unet.comparison import ThresholdCurve, label_by_thresholds, threshold_curve
from napari_attn_unet.plugin import workers
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.form import Text
from napari_attn_unet.plugin.plots import CurvePlot
from napari_attn_unet.plugin.results import at_time, results

NONE = (
    "Thresholds need the probabilities of the prediction: tick 'probabilities' in the Segment "
    "widget and segment again."
)


class ThresholdTab(QWidget):
    """A slider per class, and the curve over thresholds."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._probabilities: list[npt.NDArray[Any]] = []
        self._original: tuple[Labels, npt.NDArray[Any]] | None = None
        self._curves: dict[tuple[int, int], ThresholdCurve] = {}
        self._worker: Any = None
        self._again = False
        self.sliders: list[QLabeledDoubleSlider] = []
        self.numbers: list[QLabel] = []
        self._grid = QGridLayout()
        self.label = QComboBox()
        self.label.setToolTip("The class whose curve is drawn.")
        self.best = QPushButton("Best Dice")
        self.best.setToolTip(
            "Set every threshold to where its own curve has the largest Dice. That is the best for "
            "this image and this truth, not for the next."
        )
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Give the mask back as it was before a slider was moved.")
        self.plot = CurvePlot()
        self.plot.setToolTip(
            "Of the voxels whose probability of this class reaches the threshold, whatever the "
            "other classes say."
        )
        self.message = Text()
        column = QVBoxLayout(self)
        column.addLayout(self._grid)
        column.addWidget(self.message)
        line = QGridLayout()
        line.addWidget(self.label, 0, 0)
        line.addWidget(self.best, 0, 1)
        line.addWidget(self.reset, 0, 2)
        column.addLayout(line)
        column.addWidget(self.plot, 1)
        self.label.currentIndexChanged.connect(self._draw)
        self.best.clicked.connect(self._best)
        self.reset.clicked.connect(self._reset)
        state.chosen.connect(self.refresh)
        state.changed.connect(lambda _: self._show_numbers())
        state.measured.connect(self._draw)
        state.viewer.events.theme.connect(self._themed)
        self._themed()

    def _themed(self, _: Any = None) -> None:
        self.plot.set_theme(self._state.viewer.theme)

    def refresh(self) -> None:
        """Find the probabilities that belong to the prediction."""
        state = self._state
        result = next(
            (r for r in results(state.viewer) if r.mask is state.mask and r.probabilities), None
        )
        for slider, number in zip(self.sliders, self.numbers, strict=True):
            for widget in (slider, number):
                self._grid.removeWidget(widget)
                widget.deleteLater()
        while (item := self._grid.takeAt(0)) is not None:
            if (left := item.widget()) is not None:
                left.deleteLater()
        self.sliders, self.numbers, self._curves = [], [], {}
        self._probabilities = []
        there = result is not None and state.comparison is not None
        for widget in (self.label, self.best, self.reset, self.plot):
            widget.setVisible(there)
        if self._original is not None and self._original[0] is not state.mask:
            self._original = None
        self.label.blockSignals(True)
        self.label.clear()
        self.label.blockSignals(False)
        if result is None or state.comparison is None:
            self.message.setText(NONE if state.comparison is not None else "")
            return
        self.message.setText("")
        for i, (name, layer) in enumerate(result.probabilities.items()):
            self._probabilities.append(at_time(layer, state.viewer))
            slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
            slider.setRange(0.0, 1.0)
            slider.setValue(0.5)
            slider.setToolTip(
                f"A voxel is {name} where its probability reaches this and no other class that "
                "reaches its own is likelier."
            )
            slider.valueChanged.connect(self._moved)
            self.sliders.append(slider)
            self.numbers.append(QLabel())
            self._grid.addWidget(QLabel(name), i, 0)
            self._grid.addWidget(slider, i, 1)
            self._grid.addWidget(self.numbers[-1], i, 2)
        self.label.addItems(list(result.probabilities))
        self._show_numbers()
        self._draw()

    def _class(self, index: int) -> int | None:
        """Return the comparison's class of a probability map."""
        matching = self._state.matching
        return None if matching is None else matching.mask.get(index + 1)

    def _show_numbers(self) -> None:
        comparison = self._state.comparison
        if comparison is None:
            return
        for i, number in enumerate(self.numbers):
            label = self._class(i)
            if label is None or label < 1:
                number.setText("")
                continue
            o = comparison.overlap(label)
            number.setText(f"Dice {o.dice:.3f} · P {o.precision:.3f} · R {o.recall:.3f}")

    def curve(self, index: int) -> ThresholdCurve | None:
        """Return the curve of a class; it is counted once."""
        comparison, label = self._state.comparison, self._class(index)
        if comparison is None or label is None or label < 1:
            return None
        key = index, self._state.truths
        if key not in self._curves:
            self._curves = {k: v for k, v in self._curves.items() if k[1] == key[1]}
            self._curves[key] = threshold_curve(
                self._probabilities[index], comparison.truth == label
            )
        return self._curves[key]

    def _draw(self, _: Any = None) -> None:
        index = self.label.currentIndex()
        if not 0 <= index < len(self.sliders):
            return
        curve = self.curve(index)
        if curve is not None:
            self.plot.show_curve(curve, self.sliders[index].value())

    def _moved(self, _: Any = None) -> None:
        self._draw()
        if self._worker is not None:
            self._again = True
            return
        probabilities = list(self._probabilities)
        thresholds = [slider.value() for slider in self.sliders]

        def steps() -> workers.Steps:
            yield None
            return label_by_thresholds(probabilities, thresholds)

        self._worker = workers.start(
            steps,
            yielded=lambda _: None,
            returned=self._labelled,
            errored=lambda error: self.message.setText(str(error)),
            finished=self._finished,
        )

    @property
    def busy(self) -> bool:
        """Whether a mask is on its way."""
        return self._worker is not None

    def _finished(self) -> None:
        self._worker = None
        if self._again:
            self._again = False
            self._moved()

    def _labelled(self, labels: npt.NDArray[np.uint8]) -> None:
        mask = self._state.mask
        if not isinstance(mask, Labels) or len(self.sliders) != len(self._probabilities):
            return
        there = at_time(mask, self._state.viewer)
        if there.shape != labels.shape:
            return
        if self._original is None:
            self._original = mask, np.array(mask.data)
        there[...] = labels
        mask.refresh()
        self._state.recount()

    def _best(self) -> None:
        for i, slider in enumerate(self.sliders):
            curve = self.curve(i)
            if curve is not None:
                slider.setValue(curve.best)

    def _reset(self) -> None:
        if self._original is None:
            return
        mask, data = self._original
        mask.data[...] = data
        self._original = None
        for slider in self.sliders:
            slider.blockSignals(True)
            slider.setValue(0.5)
            slider.blockSignals(False)
        mask.refresh()
        self._draw()
        self._state.recount()

    def close_tab(self) -> None:
        """Stop what runs."""
        self._again = False
        if self._worker is not None:
            self._worker.quit()
