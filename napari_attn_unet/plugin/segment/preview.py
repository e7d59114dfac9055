"""What a run has so far, shown while it goes on: gate maps, then the mask part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.prediction import ClassInfo, Prediction

if TYPE_CHECKING:
    from napari_attn_unet.plugin.segment.wish import Selection
    from napari_attn_unet.prediction import Progress

PENDING = 255
"""Label of voxels that are not done yet; a network has fewer classes."""
VEIL = (0.5, 0.5, 0.5, 0.6)


class Preview:
    """Layers of a run under way. They are its own: earlier results are hidden, not changed.

    Parameters
    ----------
    viewer
        Where to show them.
    selection
        What is run.
    classes
        Name and colour of every class.
    gates
        Whether gate maps are wanted.
    """

    def __init__(
        self, viewer: Any, selection: Selection, classes: Sequence[ClassInfo], *, gates: bool
    ) -> None:
        self._viewer = viewer
        placement = selection.placement
        self._placement = replace(placement, name=f"{placement.name} · so far")
        self._empty = Prediction(
            mask=np.full(selection.shape, PENDING, np.uint8),
            geometry=selection.geometry,
            classes=tuple(classes),
        )
        self._wants_gates = gates
        self._shown: list[Layer] = []
        self._gates: list[Layer] = []
        self._mask: Labels | None = None
        self._earlier = layers.outputs_of(viewer, selection.volumes[0].name)
        self._looks = Looks()

    def show(self, progress: Progress) -> None:
        """Show what has just become final."""
        if progress.gate is not None and self._wants_gates and self._empty.mask.ndim == 3:  # noqa: PLR2004
            self._show_gate(progress)
        if progress.part is not None:
            if self._mask is None:
                self._mask = self._add(replace(self._empty, gates=()))[0]
                colours = layers.colormap(self._empty.classes).color_dict
                self._mask.colormap = DirectLabelColormap(color_dict=colours | {PENDING: VEIL})
            place: tuple[Any, ...] = progress.part.box
            if self._empty.mask.ndim > len(place):
                place = (progress.time_point, *place)
            self._empty.mask[place] = progress.part.mask
            self._mask.refresh(extent=False)

    def _show_gate(self, progress: Progress) -> None:
        assert progress.gate is not None  # noqa: S101  (for the type checker)
        for layer in self._gates:  # the finer one says more
            layer.visible = False
        layer = self._add(replace(self._empty, gates=(progress.gate,)), mask=False)[0]
        layer.name = f"{progress.gate.name} · {self._placement.name}"
        layer.visible = True
        self._gates.append(layer)
        if self._mask is not None:  # it may have begun before the finest gate was complete
            everything = self._viewer.layers
            everything.move(everything.index(self._mask), len(everything))

    def _add(self, prediction: Prediction, *, mask: bool = True) -> list[Any]:
        for layer in self._earlier:
            self._looks.change(layer, visible=False)
        data = layers.from_prediction(prediction, self._placement, mask=mask, counted=False)
        with layers.selection_kept(self._viewer):
            added = layers.show(self._viewer, data, keep_old=True)
        self._shown += added
        return added

    def close(self) -> None:
        """Take the layers away again and show what was hidden."""
        layers.remove(self._viewer, self._shown)
        self._looks.restore()
        self._shown, self._gates, self._mask = [], [], None
