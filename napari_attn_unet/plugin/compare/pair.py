"""Prediction and truth as two layers of labels in which a class has one colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit.looks import Looks, Rank
from napari_attn_unet.plugin.layers import OUTPUT, remove, selection_kept
from napari_attn_unet.plugin.overlay.front import maps
from napari_attn_unet.plugin.overlay.outline import Outline
from napari_attn_unet.plugin.overlay.told import Line
from napari_attn_unet.plugin.overlay.truth import claims_of
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.volume import Box

FILL, FILLED = 0.35, 0.6
"""Opacity of what lies below an outline, and of labels that are looked at alone."""
_SPATIAL = 3


class Pair:
    """Shows both sides, and nothing else over the image, until it is turned off.

    A side that is an image of whole numbers would cover the picture in grey: labels of the same
    take its place.

    Parameters
    ----------
    state
        What is compared.

    Attributes
    ----------
    mask, truth
        The layers of labels that show either side; None while it is off.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._looks, self._hues = Looks(), Looks()
        self._helpers: list[Labels] = []
        self._line: Outline | None = None
        self._moved: tuple[Labels, list[Layer]] | None = None
        self.mask: Labels | None = None
        self.truth: Labels | None = None

    @property
    def is_on(self) -> bool:
        """Whether both sides are shown."""
        return self.mask is not None

    @property
    def sides(self) -> list[Labels]:
        """Both layers, the prediction first."""
        return [layer for layer in (self.mask, self.truth) if layer is not None]

    def turn_on(self) -> None:
        """Show prediction and truth, as far as they are counted."""
        state, viewer = self._state, self._state.viewer
        if self.is_on or state.comparison is None or state.matching is None:
            return
        claims_of(viewer).claim(self)
        self.truth = self._side(state.truth, state.comparison.truth, "truth")
        self.mask = self._side(state.mask, state.comparison.mask, "prediction")
        self._colour()
        for layer in maps(viewer):  # a gate's colour, or Δ's, would mix with the classes'
            if layer not in self.sides and layer.visible:
                self._looks.change(layer, visible=False)
        for layer in self.sides:
            if not layer.visible:  # or what the user hides later would not stay hidden
                self._looks.change(layer, visible=True)
        self._looks.change(self.truth, rank=Rank.BASE, opacity=FILL)
        if self.mask in self._helpers:  # of the user's own labels the picture draws the outline
            self._line = Outline(state.dock, self.mask)
        self._arrange()

    def turn_off(self) -> None:
        """Give back what was changed."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
        helpers, self._helpers = self._helpers, []
        self.mask = self.truth = None
        claims_of(self._state.viewer).release(self)
        remove(self._state.viewer, helpers)
        for looks in (self._hues, self._looks):
            looks.restore()
        self._put_back()

    def follow(self, box: Box | None = None) -> None:
        """Show other voxels, in a box; without one, of whatever is compared now."""
        state = self._state
        if not self.is_on or state.comparison is None:
            return
        if box is None:
            self._colour()
        for helper, array in (
            (self.mask, state.comparison.mask),
            (self.truth, state.comparison.truth),
        ):
            if helper is None or helper not in self._helpers:
                continue
            if helper.data is array:
                helper.refresh(extent=False, thumbnail=False)
            else:
                helper.data = array

    def _side(self, layer: Any, array: npt.NDArray[Any], what: str) -> Labels:
        """Return the layer that shows a side: itself, or labels in the place of an image."""
        state = self._state
        if isinstance(layer, Labels):
            return layer
        viewer = state.viewer
        self._looks.change(layer, visible=False)
        helper = Labels(
            array,
            name=f"{what} · {layer.name}",
            metadata={OUTPUT: {"effect": "labels"}},
            **transforms(state.mask, _SPATIAL),
        )
        helper.editable = False
        with selection_kept(viewer):
            viewer.layers.insert(viewer.layers.index(layer) + 1, helper)
        self._helpers.append(helper)
        return helper

    def _colour(self) -> None:
        state = self._state
        if state.matching is None or self.mask is None or self.truth is None:
            return
        self._hues.restore()  # the classes' colours are the layers' own
        shared = state.colormap()
        for layer, values in ((self.mask, state.matching.mask), (self.truth, state.matching.truth)):
            own = shared if layer in self._helpers else _of_values(shared, values)
            self._hues.change(layer, colormap=own)

    # --- the truth's fill lies below the prediction's lines --------------------------------------
    def _arrange(self) -> None:
        there = self._state.viewer.layers
        if self.mask is None or self.truth is None:
            return
        if there.index(self.truth) > there.index(self.mask):
            self._moved = self.truth, list(there[: there.index(self.truth)])
            there.move(there.index(self.truth), there.index(self.mask))

    def _put_back(self) -> None:
        """Put the truth back over the layers that it lay on, as far as they are there."""
        moved, self._moved = self._moved, None
        there = self._state.viewer.layers
        if moved is None or moved[0] not in there:
            return
        truth, below = moved
        last = max((there.index(layer) for layer in below if layer in there), default=-1)
        if there.index(truth) < last:
            there.move(there.index(truth), last + 1)


def _of_values(shared: DirectLabelColormap, values: Mapping[int, int]) -> DirectLabelColormap:
    """Return the classes' colours for the values that a layer has for them."""
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    known = shared.color_dict
    colours |= {v: known.get(label, known[None]) for v, label in values.items() if label > 0}
    return DirectLabelColormap(color_dict=colours)


def classes_told(state: State) -> list[Line]:
    """Return the legend of the classes that are compared."""
    return [Line(f"■ {name}", (*colour, 1.0)) for name, colour in state.colours().items()]
