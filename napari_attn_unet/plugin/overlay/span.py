"""The sliders' positions are those of the images: what is laid over them adds none.

The last voxel of a coarse map, a gate's or Grad-CAM's, reaches beyond the image where its size is
no multiple of the map's step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Layer

from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.layers import GATE, OUTPUT

_ROUNDING = 1e-6


class Span:
    """Keeps the sliders to the images, until its dock closes.

    Parameters
    ----------
    dock
        Of whose viewer.
    """

    def __init__(self, dock: Dock) -> None:
        self._viewer = dock.viewer
        self._busy = False
        dock.connect(self._viewer.dims.events.range, self._ranged)
        dock.on_close(self._close)
        self._ranged()

    def _ranged(self, _: Any = None) -> None:
        layers = list(self._viewer.layers)
        over = [layer for layer in layers if _is_laid_over(layer)]
        own = [layer for layer in layers if layer not in over]
        if self._busy or not over or not own:
            return
        wanted = self._of(own)
        everything, dims = self._of(layers), self._viewer.dims
        if wanted is None or everything is None or len(wanted) != dims.ndim:
            return
        reach = np.max([np.asarray(layer.extent.step)[-3:] for layer in over], axis=0)
        result = list(wanted)
        for axis, (part, whole) in enumerate(zip(wanted, everything, strict=True)):
            # What lies elsewhere, not only over the border, can be gone to.
            most = float(reach[axis - dims.ndim]) if axis >= dims.ndim - 3 else 0.0
            beyond = max(part[0] - whole[0], whole[1] - part[1])
            if beyond > most + _ROUNDING:
                result[axis] = whole
        self._set(result)

    def _of(self, layers: list[Layer]) -> list[tuple[float, float, float]] | None:
        """Return (start, stop, step) of every slider for some layers; None in other units."""
        extent = self._viewer.layers.get_extent(layers)
        if extent.units != self._viewer.dims.units:
            return None
        return [
            (float(start), float(stop), float(step))
            for start, stop, step in zip(*extent.world, extent.step, strict=True)
        ]

    def _set(self, ranges: list[tuple[float, float, float]]) -> None:
        if np.allclose(np.asarray(self._viewer.dims.range), ranges, rtol=0, atol=_ROUNDING):
            return
        self._busy = True
        self._viewer.dims.range = ranges
        self._busy = False

    def _close(self) -> None:
        layers = list(self._viewer.layers)
        ranges = self._of(layers) if layers else None
        if ranges is not None and len(ranges) == self._viewer.dims.ndim:
            self._set(ranges)


def _is_laid_over(layer: Layer) -> bool:
    about = layer.metadata.get(OUTPUT)
    return about is not None and (GATE in layer.metadata or bool(about.get("effect")))
