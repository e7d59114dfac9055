"""The prediction's surface in 3D, coloured by its distance from the truth's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Layer, Surface
from napari.utils.colormaps import Colormap
from psygnal import Signal

from napari_attn_unet.plugin.compare.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import camera
from napari_attn_unet.plugin.layers import OUTPUT, remove
from napari_attn_unet.plugin.overlay.front import add_above
from napari_attn_unet.plugin.overlay.told import Line
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.report.picture import LESS, MORE
from napari_attn_unet.volume import Box

INSIDE, OUTSIDE = (*LESS, 1.0), (*MORE, 1.0)
SIGNED = Colormap([INSIDE, (0.85, 0.85, 0.85, 1.0), OUTSIDE], name="in to out")
"""Blue inside the truth, orange outside; grey where the surfaces are one."""
MARGIN = 0.2
"""Share of the canvas that is left around the surface."""
_BAR: dict[str, Any] = {"visible": True, "position": "top_right", "size": (12, 120)}
_3D = 3


class Distance:
    """A surface alone: anything beside it would lie over it as fog.

    Parameters
    ----------
    state
        What is compared.
    """

    failed = Signal(str)
    """There is no surface, and why."""
    shown = Signal()
    """There is another surface than before."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._is_on = False
        self._looks = Looks()
        self._before: tuple[int, tuple[float, ...], dict[str, Any]] | None = None
        self.surface: Surface | None = None
        state.dock.owns(self.failed, self.shown)
        state.dock.connect(state.viewer.layers.events.inserted, self._listed)
        state.measured.connect(self.follow)
        self._measuring = Latest(
            state.dock, self._prepare, self._measured, lambda error: self.failed.emit(str(error))
        )

    @property
    def busy(self) -> bool:
        """Whether a surface is on its way."""
        return self._measuring.busy

    @property
    def layers(self) -> list[Layer]:
        """What it shows, while it is on."""
        return [] if self.surface is None else [self.surface]

    def turn_on(self) -> str:
        """Measure the surface, and show it once it is there."""
        self._is_on = True
        self._measuring.now()
        return ""

    def turn_off(self) -> None:
        """Take the surface away; show what was seen before, as it was seen."""
        self._is_on = False
        self._measuring.cancel()
        surface, self.surface = self.surface, None
        before, self._before = self._before, None
        remove(self._state.viewer, [surface])
        if before is not None:
            self._put_back(*before)
        self._looks.restore()

    def _put_back(self, ndisplay: int, place: tuple[float, ...], eye: dict[str, Any]) -> None:
        """Look at what was looked at; of a series, at the time that is shown now."""
        viewer = self._state.viewer
        if viewer.dims.ndisplay != ndisplay:
            viewer.dims.ndisplay = ndisplay  # napari goes to the slice in the middle of the surface
            axes = range(viewer.dims.ndim - len(place), viewer.dims.ndim)
            viewer.dims.set_point(list(axes), list(place))
        for name, value in eye.items():
            setattr(camera(viewer), name, value)

    def follow(self, box: Box | None = None) -> None:
        """Measure the surface again: another class, other voxels once the brush rests."""
        if self._is_on and box is None:
            self._measuring.now()

    def told(self) -> list[Line]:
        """Say what the colours are; the scale stands opposite."""
        if self.surface is None:
            return [Line("measuring the surface …")]
        unit = self._state.geometry.length_unit
        return [
            Line(f"prediction's distance to the truth ({unit})"),
            Line("■ outside the truth", OUTSIDE),
            Line("■ inside the truth", INSIDE),
        ]

    def _prepare(self) -> Callable[[], workers.Work] | None:
        counted, label = self._state.comparison, self._state.label
        if counted is None:
            return None

        def steps() -> workers.Work:
            yield None
            return counted, label, counted.copy().surface(label)

        return steps

    def _measured(self, result: tuple[Any, int | None, Any]) -> None:
        counted, label, surface = result
        state = self._state
        if not self._is_on or counted is not state.comparison or label != state.label:
            return
        if surface is None:
            self.failed.emit("A surface distance needs the class in both, prediction and truth.")
        else:
            self._show(*surface)

    def _show(self, vertices: Any, faces: Any, values: Any) -> None:
        state, viewer = self._state, self._state.viewer
        assert state.mask is not None  # noqa: S101  (for the type checker: it was measured)
        limit = max(float(np.abs(values).max()), 1e-3)
        old, self.surface = self.surface, None  # it is not the user who removes it
        remove(viewer, [old])
        self.surface = Surface(
            (vertices, faces[:, ::-1], values),  # napari turns (z, y, x) into (x, y, z)
            shading="smooth",
            name=f"distance from the truth ({state.geometry.length_unit}) · {state.mask.name}",
            colormap=SIGNED,
            contrast_limits=(-limit, limit),
            metadata={OUTPUT: {"effect": "distance"}},
            **transforms(state.mask, 3),
        )
        for name, value in _BAR.items():
            setattr(self.surface.colorbar, name, value)
        for layer in viewer.layers:
            if layer.visible:
                self._looks.change(layer, visible=False)
        add_above(viewer, self.surface)
        if self._before is None:
            eye = camera(viewer)
            self._before = (
                viewer.dims.ndisplay,
                tuple(viewer.dims.point[-_3D:]),
                {name: getattr(eye, name) for name in ("center", "zoom", "angles")},
            )
            viewer.dims.ndisplay = _3D
            # Of a layer without the series' axis napari looks for that axis's extent, and fails.
            is_series = viewer.dims.ndim > self.surface.ndim
            viewer.reset_view(layers=None if is_series else [self.surface], margin=MARGIN)
        self.shown.emit()

    def _listed(self, event: Any) -> None:
        if self.surface is not None and event.value is not self.surface:
            self._looks.change(event.value, visible=False)
