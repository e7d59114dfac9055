"""By eye: error layer, contours, blink, swipe, side by side, distance on the surface."""
# Over 350 lines: one group of buttons, each of which shows the same pair in another way.

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels, Layer, Surface, Vectors
from napari.utils.colormaps import Colormap, DirectLabelColormap
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QSlider, QWidget

from napari_attn_unet.plugin.compare.checkerboard import LEAST, MOST, Checkerboard
from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.compare.swipe import Swipe
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.choices import tight
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.side_by_side import SideBySide
from napari_attn_unet.plugin.layers import GATE, OUTPUT, remove
from napari_attn_unet.plugin.overlay.outline import Outline
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.report.picture import ERROR_COLOURS
from napari_attn_unet.scores.comparison import KINDS

RIGHT = 1
"""Of `KINDS`: what is not wrong."""
FILL, FILLED = 0.35, 0.6
"""Opacity of the truth below the prediction's outline, and of the prediction below the truth's."""
WHITE = (1.0, 1.0, 1.0, 1.0)

SIGNED = Colormap(
    [(0.1, 0.45, 1.0, 1.0), (0.85, 0.85, 0.85, 1.0), (1.0, 0.35, 0.05, 1.0)], name="in to out"
)
"""Blue inside the truth, orange outside; grey where the surfaces are one."""


class ByEye(QWidget):
    """One click each."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._layer: Labels | None = None
        self._surface: Surface | None = None
        self._line: Outline | None = None
        self._outlined, self._blinking, self._covered, self._in_3d, self._alike = (
            Looks() for _ in range(5)
        )
        self._pair: list[Any] = []
        self._is_away = False
        self._ndisplay = 2
        self._measuring = Latest(
            state.dock,
            self._prepare_surface,
            self._surface_measured,
            lambda error: state.said.emit(str(error)),
        )
        self.side_by_side_view = SideBySide(state.viewer)
        self.swipe_view = Swipe(state)
        self.tiles = Checkerboard(state)
        self.errors = _toggle(
            "Error map", "A layer of right and wrong voxels, which follows the brush."
        )
        self.difference = _toggle(
            "Difference", "The wrong voxels alone, by the kind of error; all else is hidden."
        )
        self.checkerboard = _toggle(
            "Checker", "Tiles of the prediction and of the truth in turn; the slider is their size."
        )
        self.contour = _toggle(
            "Truth line", "The truth as a white line over the filled prediction."
        )
        self.contours = _toggle(
            "Both lines", "Both as lines: the truth white, the prediction in its colours."
        )
        self.blink = tight(QPushButton("Blink (hold)"))
        self.blink.setToolTip("While held, the truth takes the place of the prediction (key K).")
        self.swipe = _toggle(
            "Swipe", "Left of a line the prediction, right of it the truth. Drag the line."
        )
        self.grid = _toggle(
            "Side by side", "Prediction, truth and errors beside each other, one camera and slice."
        )
        self.distance = _toggle(
            "3D distance",
            "The prediction's surface, coloured by its distance from the truth's: orange outside "
            "the truth, blue inside.",
        )
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("The swipe's line, or the size of the checkerboard's tiles.")
        self.legend = QLabel(
            " &nbsp; ".join(
                f"<span style='color:{colour}'>■</span> {KINDS[kind]}"
                for kind, colour in ERROR_COLOURS.items()
            )
        )
        self.legend.setWordWrap(True)
        self.legend.setToolTip("Colours of the error layer.")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for i, button in enumerate(
            (
                self.errors,
                self.difference,
                self.blink,
                self.swipe,
                self.checkerboard,
                self.grid,
                self.contour,
                self.contours,
                self.distance,
            )
        ):
            grid.addWidget(button, i // 3, i % 3)
        grid.addWidget(self.slider, 3, 0, 1, 3)
        grid.addWidget(self.legend, 4, 0, 1, 3)
        self.slider.setVisible(False)
        self.legend.setVisible(False)
        self._connect()

    def _connect(self) -> None:
        for button in self.modes:
            button.toggled.connect(partial(self._one_at_a_time, button))
        self.errors.toggled.connect(self._errors_toggled)
        self.difference.toggled.connect(self._errors_toggled)
        self.checkerboard.toggled.connect(self._checkerboard_toggled)
        self.contour.toggled.connect(lambda on: self._contoured(self.contour, on=on))
        self.contours.toggled.connect(lambda on: self._contoured(self.contours, on=on))
        self.blink.pressed.connect(self.swap)
        self.blink.released.connect(self.swap)
        self.swipe.toggled.connect(self._swipe_toggled)
        self.slider.valueChanged.connect(self._slid)
        self.swipe_view.moved.connect(self._swiped)
        self.grid.toggled.connect(self._grid_toggled)
        self.distance.toggled.connect(self._distance_toggled)
        self._state.chosen.connect(self._chosen)
        self._state.changed.connect(self._changed)
        self._state.measured.connect(self.refresh_surface)
        self._state.dock.connect(self._state.viewer.layers.events.removed, self._removed)
        self._state.dock.on_close(self._close)

    @property
    def modes(self) -> tuple[QPushButton, ...]:
        """The buttons of which one at a time is on."""
        return (
            self.errors,
            self.difference,
            self.swipe,
            self.checkerboard,
            self.contour,
            self.contours,
            self.grid,
            self.distance,
        )

    def _one_at_a_time(self, button: QPushButton, on: bool) -> None:
        """Leave the mode before: two of them over each other say nothing."""
        for other in self.modes if on else ():
            # Errors stand in a cell of their own beside the two.
            beside = {button, other} == {self.grid, self.errors}
            if other is not button and other.isChecked() and not beside:
                other.setChecked(False)

    def _look_alike(self) -> None:
        """Give both sides one colour for a class: the prediction a line, the truth a faint fill."""
        state = self._state
        self._alike.restore()
        if state.comparison is None or state.matching is None:
            return
        colours = state.colormap().color_dict
        for layer, values in (
            (state.mask, state.matching.mask),
            (state.truth, state.matching.truth),
        ):
            if not isinstance(layer, Labels):
                continue
            shown: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
            shown |= {v: colours.get(label, "gray") for v, label in values.items() if label > 0}
            self._alike.change(layer, colormap=DirectLabelColormap(color_dict=shown))
        for layer in state.viewer.layers:  # a gate's colour would mix with the fill
            if GATE in layer.metadata and layer.visible:
                self._alike.change(layer, visible=False)
        if isinstance(state.truth, Labels):
            self._alike.change(state.truth, opacity=FILL)
            if not state.truth.visible:  # or what the user hides later would not stay hidden
                self._alike.change(state.truth, visible=True)

    def _chosen(self) -> None:
        there = self._state.comparison is not None
        for button in self.findChildren(QPushButton):
            button.setEnabled(there)
        self.swipe.setChecked(False)
        pair = [self._state.mask, self._state.truth]
        if pair != self._pair:  # give them back
            for button in (self.contour, self.contours, self.grid, self.checkerboard):
                button.setChecked(False)
            for looks in (self._blinking, self._covered, self._alike):
                looks.restore()
        self._pair = pair
        if there and not self._alike and not self._is_away:
            self._look_alike()
            self._covered.restore()  # what has just been shown is to be covered, too
        if self.errors.isChecked() or self.difference.isChecked():
            self._cover()
            self._show_errors()
        self.refresh_surface()

    # --- errors ---------------------------------------------------------------------------------
    def _errors_toggled(self, on: bool) -> None:
        self.legend.setVisible(on)
        if on:
            self._cover()
            self._show_errors()
        else:
            remove(self._state.viewer, [self._layer])
            self._layer = None
            self._covered.restore()

    def _cover(self) -> None:
        """Hide both sides and every map: their colours would mix with those of the legend."""
        if not self._covered:
            for layer in self._beside():
                self._covered.change(layer, visible=False)

    def _beside(self) -> list[Layer]:
        """Return what lies over the image: both sides, maps, helpers that are no lines."""
        sides = self._state.mask, self._state.truth
        return [
            layer
            for layer in self._state.viewer.layers
            if layer in sides
            or (OUTPUT in layer.metadata and not isinstance(layer, Vectors) and layer.visible)
        ]

    def _show_errors(self) -> None:
        """Show the errors; the layer's data are the comparison's own."""
        state = self._state
        remove(self._state.viewer, [self._layer])
        self._layer = None
        if state.comparison is None or state.mask is None:
            return
        colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        colours.update(ERROR_COLOURS.items())
        if self.difference.isChecked():
            colours[RIGHT] = "transparent"
        self._layer = Labels(
            state.comparison.errors,
            name=f"errors · {state.mask.name}",
            colormap=DirectLabelColormap(color_dict=colours),
            features={"index": list(range(len(KINDS))), "class": list(KINDS)},
            opacity=0.9,
            metadata={OUTPUT: {"effect": "errors"}},
            **transforms(state.mask, 3),
        )
        self._layer.editable = False
        active = state.viewer.layers.selection.active
        state.viewer.add_layer(self._layer)
        state.viewer.layers.selection.active = active  # the brush stays where it was

    def _changed(self, _: Any) -> None:
        if self._layer is not None:
            self._layer.refresh(extent=False, thumbnail=False)

    # --- contours and blink ---------------------------------------------------------------------
    def _contoured(self, button: QPushButton, *, on: bool) -> None:
        self._outlined.restore()
        line, self._line = self._line, None
        if line is not None:
            line.close()
        state, truth = self._state, self._state.truth
        if not on or truth is None or truth not in state.viewer.layers:
            return
        self._outlined.change(truth, visible=True)
        # White: it could not be told from what has its classes' colours.
        self._line = Outline(state.dock, truth, colour=WHITE)
        if isinstance(state.mask, Labels):
            self._outlined.change(state.mask, visible=True)
            if button is self.contour:
                self._outlined.change(state.mask, opacity=FILLED)

    def swap(self) -> None:
        """Show the truth in place of the prediction, or the prediction again."""
        state = self._state
        if state.mask is None or state.truth is None:
            return
        if self._blinking:
            self._blinking.restore()
            return
        self._blinking.change(state.mask, visible=False)
        self._blinking.change(state.truth, visible=True)

    # --- swipe ----------------------------------------------------------------------------------
    def _swipe_toggled(self, on: bool) -> None:
        if on:
            self.swipe_view.turn_on()
            if not self.swipe_view.is_on:
                self.swipe.setChecked(False)
                self._state.said.emit("Swipe is for the 2D view: press the cube button below.")
                return
            self.slider.blockSignals(True)
            self.slider.setRange(0, self.swipe_view.length)
            self.slider.setValue(self.swipe_view.position)
            self.slider.blockSignals(False)
        else:
            self.swipe_view.turn_off()
        self.slider.setVisible(on)

    def _slid(self, value: int) -> None:
        if self.checkerboard.isChecked():
            self.tiles.resize(value)
        else:
            self.swipe_view.move(value)

    def _checkerboard_toggled(self, on: bool) -> None:
        if on:
            self.slider.blockSignals(True)
            self.slider.setRange(LEAST, MOST)
            self.slider.setValue(self.tiles.tile)
            self.slider.blockSignals(False)
            self.tiles.turn_on()
        else:
            self.tiles.turn_off()
        self.slider.setVisible(on)

    def _removed(self, _: Any = None) -> None:
        if self.tiles.is_gone:  # the user has removed it
            self.checkerboard.setChecked(False)

    def _swiped(self, position: int) -> None:
        if position < 0:
            self.swipe.setChecked(False)
            return
        self.slider.blockSignals(True)
        self.slider.setValue(position)
        self.slider.blockSignals(False)

    # --- side by side ---------------------------------------------------------------------------
    def _grid_toggled(self, on: bool) -> None:
        if on:
            state = self._state
            self.side_by_side_view.turn_on(state.image(), [state.mask, state.truth, self._layer])
            if not self.side_by_side_view.is_on:
                self.grid.setChecked(False)
        else:
            self.side_by_side_view.turn_off()

    # --- distance -------------------------------------------------------------------------------
    def _distance_toggled(self, on: bool) -> None:
        viewer = self._state.viewer
        if on:
            self._ndisplay = viewer.dims.ndisplay
            self.refresh_surface()
            return
        if self._surface is not None:
            viewer.dims.ndisplay = self._ndisplay
        remove(self._state.viewer, [self._surface])
        self._surface = None
        self._in_3d.restore()

    def refresh_surface(self) -> None:
        """Measure the surface again, if it is shown: another class, other voxels."""
        state = self._state
        if not self.distance.isChecked() or state.comparison is None:
            return
        self._measuring.now()

    def _prepare_surface(self) -> Callable[[], workers.Work] | None:
        counted, label = self._state.comparison, self._state.label
        if counted is None:
            return None

        def steps() -> workers.Work:
            yield None
            return counted, label, counted.copy().surface(label)

        return steps

    def _surface_measured(self, result: tuple[Any, int | None, Any]) -> None:
        counted, label, surface = result
        if counted is self._state.comparison and label == self._state.label:
            self._show_surface(surface)

    @property
    def busy(self) -> bool:
        """Whether a surface is on its way."""
        return self._measuring.busy

    def _show_surface(self, surface: Any) -> None:
        state = self._state
        remove(self._state.viewer, [self._surface])
        self._surface = None
        if not self.distance.isChecked() or state.mask is None:
            return
        if surface is None:
            self.distance.setChecked(False)
            state.said.emit("A surface distance needs the class in both, prediction and truth.")
            return
        limit = max(float(np.abs(surface[2]).max()), 1e-3)
        unit = state.geometry.length_unit
        vertices, faces, values = surface
        self._surface = Surface(
            (vertices, faces[:, ::-1], values),  # napari turns (z, y, x) into (x, y, z)
            shading="smooth",
            name=f"distance from the truth ({unit}) · {state.mask.name}",
            colormap=SIGNED,
            contrast_limits=(-limit, limit),
            metadata={OUTPUT: {"effect": "distance"}},
            **transforms(state.mask, 3),
        )
        self._surface.colorbar.visible = True
        if not self._in_3d:
            for layer in state.viewer.layers:  # anything beside it would lie over it as fog
                self._in_3d.change(layer, visible=False)
        state.viewer.add_layer(self._surface)
        if state.viewer.dims.ndisplay != 3:  # noqa: PLR2004
            state.viewer.dims.ndisplay = 3
            state.viewer.reset_view()

    # --- another tab ----------------------------------------------------------------------------
    def leave(self) -> None:
        """Give the layers back: another tab is looked at."""
        self._is_away = True
        for button in self.modes:
            button.setChecked(False)
        for looks in (self._blinking, self._covered, self._alike):
            looks.restore()

    def come_back(self) -> None:
        """Show both sides again as they are compared."""
        self._is_away = False
        if self._state.comparison is not None and not self._alike:
            self._look_alike()

    def _close(self) -> None:
        """Take away what was added, and give the layers back as they were."""
        self.side_by_side_view.turn_off()
        self.swipe_view.turn_off()
        self.tiles.turn_off()
        self._contoured(self.contour, on=False)
        self._distance_toggled(False)
        remove(self._state.viewer, [self._layer])
        for looks in (self._in_3d, self._covered, self._blinking, self._outlined, self._alike):
            looks.restore()


def _toggle(text: str, tooltip: str) -> QPushButton:
    button = tight(QPushButton(text))
    button.setCheckable(True)
    button.setToolTip(tooltip)
    return button
