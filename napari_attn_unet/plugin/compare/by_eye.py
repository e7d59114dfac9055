"""By eye: error layer, contours, blink, swipe, side by side, distance on the surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels, Layer, Surface
from napari.utils.colormaps import Colormap, DirectLabelColormap
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QSlider, QWidget

from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.compare.swipe import Swipe
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.choices import tight
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.side_by_side import SideBySide
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.scores.comparison import KINDS

COLOURS = {1: "#b0b0b0", 2: "#e66101", 3: "#2c7bb6", 4: "#c51b7d"}
"""Of the kinds of `KINDS`: told apart by those who do not tell red from green, too."""

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
        self._outlined, self._blinking, self._covered, self._in_3d = (Looks() for _ in range(4))
        self._pair: list[Any] = []
        self._ndisplay = 2
        self._measuring = Latest(
            state.dock,
            self._prepare_surface,
            self._surface_measured,
            lambda error: state.said.emit(str(error)),
        )
        self.side_by_side_view = SideBySide(state.viewer)
        self.swipe_view = Swipe(state)
        self.errors = _toggle(
            "Errors", "A layer of right and wrong voxels, which follows the brush."
        )
        self.contour = _toggle("Truth line", "The truth's outline over the filled prediction.")
        self.contours = _toggle("Both lines", "Outlines of both.")
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
        self.slider.setToolTip("The swipe's line.")
        self.legend = QLabel(
            " &nbsp; ".join(
                f"<span style='color:{COLOURS[k]}'>■</span> {KINDS[k]}" for k in sorted(COLOURS)
            )
        )
        self.legend.setWordWrap(True)
        self.legend.setToolTip("Colours of the error layer.")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for i, button in enumerate(
            (self.errors, self.contour, self.contours, self.grid, self.blink, self.swipe)
        ):
            grid.addWidget(button, i // 3, i % 3)
        grid.addWidget(self.distance, 2, 0)
        grid.addWidget(self.slider, 2, 1, 1, 2)
        grid.addWidget(self.legend, 3, 0, 1, 3)
        self.slider.setVisible(False)
        self.legend.setVisible(False)
        self._connect()

    def _connect(self) -> None:
        self.errors.toggled.connect(self._errors_toggled)
        self.contour.toggled.connect(lambda on: self._contoured(self.contour, on=on))
        self.contours.toggled.connect(lambda on: self._contoured(self.contours, on=on))
        self.blink.pressed.connect(self.swap)
        self.blink.released.connect(self.swap)
        self.swipe.toggled.connect(self._swipe_toggled)
        self.slider.valueChanged.connect(self.swipe_view.move)
        self.swipe_view.moved.connect(self._swiped)
        self.grid.toggled.connect(self._grid_toggled)
        self.distance.toggled.connect(self._distance_toggled)
        self._state.chosen.connect(self._chosen)
        self._state.changed.connect(self._changed)
        self._state.measured.connect(self.refresh_surface)
        self._state.dock.on_close(self._close)

    def _chosen(self) -> None:
        there = self._state.comparison is not None
        for button in self.findChildren(QPushButton):
            button.setEnabled(there)
        self.swipe.setChecked(False)
        pair = [self._state.mask, self._state.truth]
        if any(a is not b for a, b in zip(pair, self._pair, strict=False)):  # give them back
            for button in (self.contour, self.contours, self.grid):
                button.setChecked(False)
            for looks in (self._blinking, self._covered):
                looks.restore()
        self._pair = pair
        if self.errors.isChecked():
            self._cover()
            self._show_errors()
        self.refresh_surface()

    # --- errors ---------------------------------------------------------------------------------
    def _errors_toggled(self, on: bool) -> None:
        self.legend.setVisible(on)
        if on:
            self.swipe.setChecked(False)  # what it shows would lie under the errors
            self._cover()
            self._show_errors()
        else:
            remove(self._state.viewer, [self._layer])
            self._layer = None
            self._covered.restore()

    def _cover(self) -> None:
        """Hide both: their colours would mix with those of the legend."""
        if not self._covered:
            for layer in (self._state.mask, self._state.truth):
                if layer is not None:
                    self._covered.change(layer, visible=False)

    def _show_errors(self) -> None:
        """Show the errors; the layer's data are the comparison's own."""
        state = self._state
        remove(self._state.viewer, [self._layer])
        self._layer = None
        if state.comparison is None or state.mask is None:
            return
        colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        colours.update(COLOURS.items())
        self._layer = Labels(
            state.comparison.errors,
            name=f"errors · {state.mask.name}",
            colormap=DirectLabelColormap(color_dict=colours),
            features={"index": list(range(len(KINDS))), "class": list(KINDS)},
            opacity=0.8,
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
        other = self.contours if button is self.contour else self.contour
        if on and other.isChecked():
            other.setChecked(False)
        self._outlined.restore()
        if not on:
            return
        white = DirectLabelColormap(color_dict={None: "white", 0: "transparent"})
        for layer in (self._state.mask, self._state.truth):
            if not isinstance(layer, Labels):
                continue
            if layer is self._state.truth:  # it could not be told from what has its colours
                self._outlined.change(layer, contour=1, colormap=white, opacity=1.0, visible=True)
            else:
                outlined = button is self.contours
                self._outlined.change(layer, contour=int(outlined), visible=True)
        truth = self._state.truth
        if truth in self._state.viewer.layers and self._state.mask is not None:
            self._above(truth, self._state.mask)

    def _above(self, layer: Layer, other: Layer) -> None:
        """Bring a layer directly over another, if it lies below."""
        there = self._state.viewer.layers
        if there.index(layer) < there.index(other):
            there.move(there.index(layer), there.index(other) + 1)

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
            self.errors.setChecked(False)  # two colours over each other say nothing
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
            for layer in (state.mask, state.truth, self._layer):
                if layer is not None:
                    self._in_3d.change(layer, visible=False)
        state.viewer.add_layer(self._surface)
        state.viewer.dims.ndisplay = 3

    def _close(self) -> None:
        """Take away what was added, and give the layers back as they were."""
        self.side_by_side_view.turn_off()
        self.swipe_view.turn_off()
        self._distance_toggled(False)
        remove(self._state.viewer, [self._layer])
        for looks in (self._in_3d, self._covered, self._blinking, self._outlined):
            looks.restore()


def _toggle(text: str, tooltip: str) -> QPushButton:
    button = tight(QPushButton(text))
    button.setCheckable(True)
    button.setToolTip(tooltip)
    return button
