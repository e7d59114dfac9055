"""A threshold per class: the mask, Dice, precision and recall follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_attn_unet.plugin.compare.state import State, values_of
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.choices import combo
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.plots import CurvePlot
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.results import at_time, results
from napari_attn_unet.scores.components import box_of
from napari_attn_unet.scores.thresholds import ThresholdCurve, label_by_thresholds, threshold_curve

NONE = (
    "Thresholds need the probability of every class of the prediction: tick 'probabilities' in the "
    "Segment widget and segment again."
)


UNTOUCHED = "The mask is as it was segmented: no threshold is in force."
_SPATIAL = 3
MIDDLE = 0.5
"""Where a slider stands that has not been moved."""


@dataclass(slots=True, eq=False)
class _Changed:
    """A mask's data, what they were, and what is in force: {time: {value: threshold}}."""

    data: Any
    original: npt.NDArray[Any]
    thresholds: dict[tuple[int, ...], dict[int, float]] = field(default_factory=dict)


class ThresholdTab(QWidget):
    """A slider per class, and the curve over thresholds."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._probabilities: dict[int, npt.NDArray[Any]] = {}
        self._names: dict[int, str] = {}
        # A mask stays changed when the widget is closed.
        self._changed: WeakKeyDictionary[Labels, _Changed] = state.dock.memory.setdefault(
            "thresholds", WeakKeyDictionary()
        )
        self._wish = 0
        self._curves: dict[tuple[int, int], ThresholdCurve] = {}
        self._labelling = Latest(
            state.dock,
            self._prepare_labels,
            self._labelled,
            lambda error: self.message.setText(str(error)),
        )
        self._wants_best = False
        self._drawing = Latest(
            state.dock,
            self._prepare_curves,
            self._curves_counted,
            lambda error: self.message.setText(str(error)),
        )
        self.sliders: list[QLabeledDoubleSlider] = []
        self.numbers: list[Text] = []
        self._grid = QGridLayout()
        self.label = combo("The class whose curve is drawn.")
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
        line = QHBoxLayout()
        line.setSpacing(2)
        line.addWidget(self.label, 1)
        line.addWidget(self.best)
        line.addWidget(self.reset)
        column.addLayout(line)
        column.addWidget(self.plot, 1)
        self.label.currentIndexChanged.connect(self._draw)
        self.best.clicked.connect(self._best)
        self.reset.clicked.connect(self._reset)
        state.chosen.connect(self.refresh)
        state.changed.connect(lambda _: self._show_numbers())
        state.measured.connect(self._draw)
        state.dock.connect(state.viewer.events.theme, self._themed)
        state.dock.connect(state.viewer.layers.events.removed, self._removed)
        self._themed()

    def _themed(self, _: Any = None) -> None:
        self.plot.set_theme(self._state.viewer.theme)

    def _removed(self, event: Any) -> None:
        self._changed.pop(event.value, None)

    @property
    def _in_force(self) -> dict[int, float]:
        """The thresholds by which the mask on screen was made, by its values."""
        changed = self._known(self._state.mask)
        return {} if changed is None else changed.thresholds.get(self._time, {})

    def _known(self, mask: Any) -> _Changed | None:
        """Return what was changed of a mask; None where it has other data by now."""
        changed = self._changed.get(mask) if isinstance(mask, Labels) else None
        if changed is not None and changed.data is not mask.data:
            del self._changed[mask]
            return None
        return changed

    @property
    def _time(self) -> tuple[int, ...]:
        mask, viewer = self._state.mask, self._state.viewer
        n = 0 if mask is None else mask.ndim - _SPATIAL
        return tuple(viewer.dims.current_step[:-_SPATIAL][-n:]) if n else ()

    def refresh(self) -> None:
        """Find the probabilities that belong to the prediction."""
        state = self._state
        self._stop()
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()  # until then
                widget.deleteLater()
        self.sliders, self.numbers, self._curves = [], [], {}
        self._probabilities = self._found()
        there = bool(self._probabilities)
        for control in (self.label, self.best, self.reset, self.plot):
            control.setVisible(there)
        self.label.blockSignals(True)
        self.label.clear()
        self.label.blockSignals(False)
        self.message.setText("" if there or state.comparison is None else NONE)
        self._say_what_is_in_force()
        for i, (value, _) in enumerate(self._probabilities.items()):
            name = self._names[value]
            slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
            slider.setRange(0.0, 1.0)
            slider.setValue(self._in_force.get(value, MIDDLE))
            slider.setToolTip(
                f"A voxel is {name} where its probability reaches this and no other class that "
                "reaches its own is likelier."
            )
            slider.valueChanged.connect(self._moved)
            self.sliders.append(slider)
            self.numbers.append(Text())
            self._grid.addWidget(QLabel(name), 2 * i, 0)
            self._grid.addWidget(slider, 2 * i, 1)
            self._grid.addWidget(self.numbers[-1], 2 * i + 1, 0, 1, 2)
        self.label.addItems([self._names[value] for value in self._probabilities])
        self._show_numbers()
        self._draw()

    def _found(self) -> dict[int, npt.NDArray[Any]]:
        """Return {value in the mask: probability} if every class has its map, else nothing."""
        state, mask = self._state, self._state.mask
        if state.comparison is None or not isinstance(mask, Labels):
            return {}
        result = next((r for r in results(state.viewer) if r.mask is mask), None)
        maps = {} if result is None else result.probabilities
        named = {v: n for v, n in values_of(mask, np.zeros(1, np.uint8)).items() if v and n}
        if not maps or set(named.values()) != set(maps):
            return {}
        self._names = named
        return {value: at_time(maps[name], state.viewer) for value, name in named.items()}

    def _say_what_is_in_force(self) -> None:
        if self._probabilities:
            self.message.setText("" if self._in_force else UNTOUCHED)

    def _class(self, index: int) -> int | None:
        """Return the comparison's class of a slider."""
        matching = self._state.matching
        return None if matching is None else matching.mask.get(list(self._probabilities)[index])

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
            number.setText(
                f"Dice {o.dice:.3f}, precision {o.precision:.2f}, "
                f"recall\N{NO-BREAK SPACE}{o.recall:.2f}"
            )

    def curve(self, index: int) -> ThresholdCurve | None:
        """Return the curve of a slider's class; None while it is not counted."""
        return self._curves.get((index, self._state.truths))

    def _draw(self, _: Any = None) -> None:
        index = self.label.currentIndex()
        if not 0 <= index < len(self.sliders):
            return
        curve = self.curve(index)
        if curve is None:
            self._drawing.now()
        else:
            self._plot(index, curve)

    def _plot(self, index: int, curve: ThresholdCurve) -> None:
        colour = self._state.colour(self._class(index))
        self.plot.show_curve(curve, self.sliders[index].value(), colour)

    def _prepare_curves(self) -> Callable[[], workers.Work] | None:
        """Count the curve that is drawn, or all of them, once for each truth."""
        comparison, truths = self._state.comparison, self._state.truths
        if comparison is None:
            return None
        drawn = range(len(self.sliders)) if self._wants_best else [self.label.currentIndex()]
        maps, missing = list(self._probabilities.values()), {}
        for index in drawn:
            label = self._class(index) if 0 <= index < len(maps) else None
            if label is not None and label > 0 and self.curve(index) is None:
                missing[index] = maps[index], label

        def steps() -> workers.Work:
            yield None
            curves = {}
            for index, (probability, label) in missing.items():
                curves[index, truths] = threshold_curve(probability, comparison.truth == label)
                yield None
            return curves

        return steps

    def _curves_counted(self, counted: dict[tuple[int, int], ThresholdCurve]) -> None:
        now = self._state.truths
        self._curves = {k: v for k, v in (self._curves | counted).items() if k[1] == now}
        if any(truths != now for _, truths in counted):
            self._drawing.now()  # the truth was changed meanwhile
            return
        index = self.label.currentIndex()
        if (curve := self.curve(index)) is not None:
            self._plot(index, curve)
        if self._wants_best:
            self._wants_best = False
            for i, slider in enumerate(self.sliders):
                if (curve := self.curve(i)) is not None:
                    slider.setValue(curve.best)

    def _moved(self, _: Any = None) -> None:
        """Give the mask the labels that the sliders ask for; the last wish counts."""
        self._draw()
        self._labelling.now()

    def _prepare_labels(self) -> Callable[[], workers.Work] | None:
        mask = self._state.mask
        if not isinstance(mask, Labels):
            return None
        probabilities = dict(self._probabilities)
        thresholds = {
            value: slider.value() for value, slider in zip(probabilities, self.sliders, strict=True)
        }
        there, wish, time = at_time(mask, self._state.viewer), self._wish, self._time

        def steps() -> workers.Work:
            yield None
            labels = label_by_thresholds(probabilities, thresholds)
            same = labels.shape == there.shape
            box = box_of(labels != there) if same else None
            return mask, there, wish, labels, box, (time, thresholds)

        return steps

    def _labelled(self, result: tuple[Any, ...]) -> None:
        mask, there, wish, labels, box, (time, thresholds) = result
        # Another mask, another time point or a reset may have come meanwhile.
        if wish != self._wish or box is None:
            return
        changed = self._known(mask)
        if changed is None:
            changed = self._changed[mask] = _Changed(mask.data, np.array(mask.data))
        changed.thresholds[time] = thresholds
        self._say_what_is_in_force()
        there[box] = labels[box]
        mask.refresh()
        self._state.recount(box)

    @property
    def busy(self) -> bool:
        """Whether a mask or a curve is on its way."""
        return self._labelling.busy or self._drawing.busy

    def _stop(self) -> None:
        """Let nothing that is on its way reach a mask."""
        self._wish += 1
        self._wants_best = False
        self._labelling.cancel()
        self._drawing.cancel()

    def _best(self) -> None:
        self._wants_best = True
        self._drawing.now()

    def _reset(self) -> None:
        mask = self._state.mask
        self._stop()
        for slider in self.sliders:
            slider.blockSignals(True)
            slider.setValue(MIDDLE)
            slider.blockSignals(False)
        self._draw()
        changed = self._known(mask)
        if isinstance(mask, Labels) and changed is not None:
            del self._changed[mask]
            np.asarray(mask.data)[...] = changed.original
            mask.refresh()
            self._say_what_is_in_force()
            self._state.recount()
