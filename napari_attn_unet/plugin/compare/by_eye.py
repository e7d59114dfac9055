"""By eye: the same pair in several ways, one at a time."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import Any, Protocol

from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_attn_unet.plugin.compare.beside import Beside
from napari_attn_unet.plugin.compare.checkerboard import LEAST, MOST, Checkerboard
from napari_attn_unet.plugin.compare.distance import Distance
from napari_attn_unet.plugin.compare.lines import MaskLine, TruthLine
from napari_attn_unet.plugin.compare.pair import FILLED, Pair
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.compare.swipe import Swipe
from napari_attn_unet.plugin.compare.wrong import Wrong
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.overlay.front import maps
from napari_attn_unet.plugin.overlay.told import Line, told_of
from napari_attn_unet.volume import Box

ROWS = 3, 3, 4
"""How many buttons stand in each row."""


class Mode(Protocol):
    """A way to look at the pair. What it changes it gives back when it is turned off."""

    @property
    def layers(self) -> list[Layer]:
        """Layers that were added, without which there is nothing to see."""

    def turn_on(self) -> str:
        """Show it; return what is in the way of it, in words."""

    def turn_off(self) -> None:
        """Give everything back; a second call does nothing."""

    def follow(self, box: Box | None = None) -> None:
        """Show other voxels, in a box; without one, of whatever is compared now."""

    def told(self) -> list[Line]:
        """Return what the legend says of it."""


class ByEye(QWidget):
    """Buttons, one of which is down: it says how prediction and truth are shown.

    While the widget is not seen, as another tab is, nothing is changed: the next one finds the
    layers as they were.

    Parameters
    ----------
    state
        What is compared.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._told = told_of(state.viewer)
        self._blinking = Looks()
        self._is_away = False
        self._on: Mode | None = None
        self._pair: list[Any] = []
        self.pair = pair = Pair(state)
        self.swipe_view, self.tiles = Swipe(state, pair), Checkerboard(state, pair)
        self.distance_view = Distance(state)
        self.outline = _toggle(
            "Mask outline", "The prediction as lines over the truth's faint fill."
        )
        self.contour = _toggle(
            "Truth outline", "The truth as white lines over the filled prediction."
        )
        self.contours = _toggle(
            "Both outlines", "The truth as white lines, the prediction in its classes' colours."
        )
        self.errors = _toggle(
            "Error map", "Right and wrong voxels, by the kind of error; they follow the brush."
        )
        self.difference = _toggle("Differences", "The wrong voxels alone, by the kind of error.")
        self.swipe = _toggle(
            "Swipe", "Left of a line the prediction, right of it the truth. Drag the line."
        )
        self.checkerboard = _toggle(
            "Checkerboard",
            "Tiles of the prediction and of the truth in turn; those of the truth are lighter. "
            "The slider is their size.",
        )
        self.grid = _toggle(
            "Side by side", "Prediction, truth and errors, with one camera and slice."
        )
        self.distance = _toggle(
            "3D",
            "The prediction's surface alone, coloured by its distance from the truth's: orange "
            "outside the truth, blue inside.",
        )
        self.blink = QPushButton("Blink")
        self.blink.setToolTip("While held, the truth alone takes the place of all (key K).")
        self.modes: dict[QPushButton, Mode] = {
            self.outline: MaskLine(state),
            self.contour: TruthLine(state, pair, filled=True),
            self.swipe: self.swipe_view,
            self.contours: TruthLine(state, pair, filled=False),
            self.errors: Wrong(state, pair),
            self.difference: Wrong(state, pair, alone=True),
            self.checkerboard: self.tiles,
            self.grid: Beside(state, pair),
            self.distance: self.distance_view,
        }
        """The buttons of which one is down, and what they show, in an order that fits the rows."""
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("The swipe's line, or the size of the checkerboard's tiles.")
        self.slider_label = QLabel()
        buttons = (*self.modes, self.blink)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        left = iter(buttons)
        for count in ROWS:
            row = QHBoxLayout()
            row.setSpacing(2)
            for button in islice(left, count):
                row.addWidget(button, len(button.text()))
            column.addLayout(row)
        row = QHBoxLayout()
        row.addWidget(self.slider_label)
        row.addWidget(self.slider, 1)
        column.addLayout(row)
        self._offer_slider(False)
        self.outline.setChecked(True)
        self._connect()

    def _connect(self) -> None:
        for button in self.modes:
            button.toggled.connect(partial(self._toggled, button))
        self.blink.pressed.connect(self.swap)
        self.blink.released.connect(self.swap)
        self.slider.valueChanged.connect(self._slid)
        self.swipe_view.moved.connect(self._swiped)
        self.distance_view.failed.connect(self._failed)
        self.distance_view.shown.connect(self._tell)
        self._state.chosen.connect(self._chosen)
        self._state.changed.connect(self._changed)
        self._state.dock.connect(self._state.viewer.layers.events.removed, self._removed)
        self._state.dock.connect(self._state.viewer.dims.events.ndisplay, self._cubed)
        self._state.dock.on_close(self._leave)

    # --- one at a time --------------------------------------------------------------------------
    def _toggled(self, button: QPushButton, on: bool) -> None:
        """Leave the way before: two of them over each other say nothing."""
        if on:
            self._check(button)
        elif not any(other.isChecked() for other in self.modes):
            self._check(self.outline)
        else:
            return
        self._leave_mode()
        self._enter()

    def _check(self, button: QPushButton) -> None:
        for other in self.modes:
            other.blockSignals(True)
            other.setChecked(other is button)
            other.blockSignals(False)

    def _enter(self) -> None:
        """Show the pair as the button that is down says."""
        if self._is_away or self._state.comparison is None:
            return
        self.pair.turn_on()
        (button,) = (button for button in self.modes if button.isChecked())
        mode = self.modes[button]
        problem = mode.turn_on()
        if problem:
            self._failed(problem)
            return
        self._on = mode
        self._show_slider()
        self._tell()

    def _failed(self, problem: str) -> None:
        """Say what is in the way, and show what always can be."""
        self._state.said.emit(problem)
        self.outline.setChecked(True)

    def _leave_mode(self) -> None:
        self._blinking.restore()
        mode, self._on = self._on, None
        if mode is not None:
            mode.turn_off()
        self._offer_slider(False)

    def _leave(self) -> None:
        """Take away what was added, and give the layers back as they were."""
        self._leave_mode()
        self.pair.turn_off()
        self._told.say(self, ())

    def leave(self) -> None:
        """Leave the picture as it was to the tab that is looked at now."""
        self._is_away = True
        self._leave()

    def come_back(self) -> None:
        """Go on where it was left."""
        if self._is_away and not self._state.dock.is_closed:
            self._is_away = False
            self._enter()

    def _removed(self, event: Any) -> None:
        if self._on is not None and event.value in self._on.layers:
            self.outline.setChecked(True)  # the user has removed what it was about

    # --- what is compared -----------------------------------------------------------------------
    def _chosen(self) -> None:
        there = self._state.comparison is not None
        for button in (*self.modes, self.blink):
            button.setEnabled(there)
        pair = [self._state.mask, self._state.truth]
        same = len(self._pair) == len(pair) and all(
            a is b for a, b in zip(pair, self._pair, strict=True)
        )
        self._pair = pair
        if there and same and self._on is not None:
            self._blinking.restore()
            self.pair.follow()
            self._on.follow()
            self._show_slider()
            self._tell()
        else:
            self._leave()
            self._enter()

    def _changed(self, box: Box) -> None:
        if self._on is not None:
            self.pair.follow(box)
            self._on.follow(box)

    def _cubed(self, _: Any = None) -> None:
        self._tell()

    def _tell(self) -> None:
        if self._blinking:
            self._told.say(self, [Line("truth")])
        else:
            self._told.say(self, [] if self._on is None else self._on.told())

    def refresh_surface(self) -> None:
        """Measure the surface again, if it is shown: another class."""
        self.distance_view.follow()

    @property
    def busy(self) -> bool:
        """Whether a surface is on its way."""
        return self.distance_view.busy

    # --- blink ----------------------------------------------------------------------------------
    def swap(self) -> None:
        """Show the truth in place of all else over the image, or go back."""
        truth = self.pair.truth
        if self._blinking or truth is None:
            self._blinking.restore()
        else:
            for layer in (*maps(self._state.viewer), *self.pair.sides):
                if layer is not truth and layer.visible:
                    self._blinking.change(layer, visible=False)
            self._blinking.change(truth, visible=True, opacity=FILLED)
        self._tell()

    # --- the slider -----------------------------------------------------------------------------
    def _show_slider(self) -> None:
        """Offer the slider to what has use for it."""
        swipe, tiles = self._on is self.swipe_view, self._on is self.tiles
        low, high = (LEAST, MOST) if tiles else (0, self.swipe_view.length)
        self.slider.blockSignals(True)
        self.slider.setRange(low, high)
        self.slider.setValue(self.tiles.tile if tiles else self.swipe_view.position)
        self.slider.setInvertedAppearance(swipe and self.swipe_view.is_mirrored)
        self.slider.blockSignals(False)
        self._label_slider()
        self._offer_slider(swipe or tiles)

    def _offer_slider(self, wanted: bool) -> None:
        self.slider.setVisible(wanted)
        self.slider_label.setVisible(wanted)

    def _label_slider(self) -> None:
        tiles = self._on is self.tiles
        self.slider_label.setText(f"tiles of {self.tiles.tile} voxels" if tiles else "line")

    def _slid(self, value: int) -> None:
        if self._on is self.tiles:
            self.tiles.resize(value)
            self._label_slider()
        elif self._on is self.swipe_view:
            self.swipe_view.move(value)

    def _swiped(self, position: int) -> None:
        if position < 0:
            self.outline.setChecked(True)
            return
        self.slider.blockSignals(True)
        self.slider.setValue(position)
        self.slider.blockSignals(False)


def _toggle(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setCheckable(True)
    button.setToolTip(tooltip)
    return button
