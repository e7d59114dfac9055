"""What is inspected: the layers chosen, and what has been counted of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_attn_unet.errors import AttnUNetError
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.results import Result, at_time, gate_map, labels_on

REST_MS = 300
"""How long a brush or slider must rest before numbers are counted again."""


class State:
    """The image, result, mask and truth that all parts of the widget look at.

    Parameters
    ----------
    viewer
        Whose layers they are.
    """

    chosen = Signal()
    """Other layers were chosen; nothing has been counted yet."""
    ready = Signal(object)
    """Emitted with the `Inspection` once the gates' statistics and the profile are there."""
    failed = Signal(str)
    """Emitted with what is wrong, in words."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.image: Image | None = None
        self.result: Result | None = None
        self.mask: Labels | None = None
        self.truth: Labels | Image | None = None
        self.label: int | None = None
        self.inspection: Inspection | None = None
        self._version: Any = None
        self._worker: Any = None
        self._again = False
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.timeout.connect(self.count)
        self._strokes = 0
        self._watched: list[Any] = []
        viewer.dims.events.point.connect(self._time_moved)

    def choose(
        self,
        image: Image | None,
        result: Result | None,
        mask: Labels | None,
        truth: Labels | Image | None,
    ) -> None:
        """Look at other layers."""
        self._watch(image, result, mask, truth)
        self.chosen.emit()
        self.count()

    def _watch(
        self,
        image: Image | None,
        result: Result | None,
        mask: Labels | None,
        truth: Labels | Image | None,
    ) -> None:
        for layer in self._watched:
            for event in self._painting(layer):
                event.disconnect(self._painted)
        self.image, self.result, self.mask, self.truth = image, result, mask, truth
        self._watched = [layer for layer in (mask, truth) if isinstance(layer, Labels)]
        for layer in self._watched:
            for event in self._painting(layer):
                event.connect(self._painted)

    @staticmethod
    def _painting(layer: Labels) -> tuple[Any, ...]:
        return layer.events.paint, layer.events.labels_update

    def _painted(self, _: Any = None) -> None:
        self._strokes += 1
        self._timer.start()

    def _time_moved(self, _: Any = None) -> None:
        if self.image is not None and self.image.ndim > 3:  # noqa: PLR2004
            self._timer.start()

    @property
    def axis(self) -> int:
        """The axis that the viewer slices across (of Z, Y, X: 0, 1, 2); 0 in 3D."""
        looking = self.image and layers.plane_on_screen(self.viewer, self.image)
        return looking[0] if looking else 0

    @property
    def class_names(self) -> list[str]:
        """Names of the classes as the mask's features give them, the background first."""
        source = self.result.mask if self.result is not None else None
        table = None if source is None else source.features
        return [] if table is None or "class" not in table else [str(n) for n in table["class"]]

    def count(self) -> None:
        """Count again, on a thread, what the chosen layers have changed."""
        self._timer.stop()
        if self.image is None or self.result is None:
            self.inspection = None
            return
        if self._worker is not None:
            self._again = True
            return
        try:
            inspection = self._inspection()
        except (AttnUNetError, ValueError) as error:
            self.inspection = None
            self.failed.emit(str(error))
            return
        axis, label = self.axis, self.label

        def steps() -> workers.Steps:
            yield None
            for level in inspection.gates:
                inspection.statistics(level)
                yield None
            inspection.profile(axis, label)
            return inspection

        self._worker = workers.start(
            steps,
            yielded=lambda _: None,
            returned=self._counted,
            errored=lambda error: self.failed.emit(str(error)),
            finished=self._finished,
        )

    def _inspection(self) -> Inspection:
        """Return what there is to count; the last one if nothing has changed since."""
        assert self.image is not None  # noqa: S101  (for the type checker)
        assert self.result is not None  # noqa: S101
        time = self.viewer.dims.point[:-3] if self.image.ndim > 3 else ()  # noqa: PLR2004
        parts = [self.image, self.mask, self.truth, *self.result.gates.values()]
        version = (
            [(id(p), id(p.data), layers.shown_geometry(p).affine.tolist()) for p in parts if p],
            self._strokes,
            time,
        )
        if self.inspection is not None and version == self._version:
            return self.inspection
        grids = [
            None if labels is None else labels_on(labels, self.image, self.viewer)
            for labels in (self.mask, self.truth)
        ]
        inspection = Inspection(
            np.asarray(at_time(self.image, self.viewer)),
            layers.shown_geometry(self.image),
            [gate_map(gate, self.viewer) for gate in self.result.gates.values()],
            None if grids[0] is None else grids[0].copy(),  # a brush goes on while we count
            None if grids[1] is None else grids[1].copy(),
            self.class_names,
        )
        self._version = version
        return inspection

    def _counted(self, inspection: Inspection) -> None:
        self.inspection = inspection
        self.ready.emit(inspection)

    def _finished(self) -> None:
        self._worker = None
        if self._again:
            self._again = False
            self.count()

    @property
    def counting(self) -> bool:
        """Whether numbers are being counted."""
        return self._worker is not None or self._timer.isActive()

    def close(self) -> None:
        """Let go of the viewer."""
        for signal in (self.chosen, self.ready, self.failed):
            signal.disconnect()
        with suppress(RuntimeError):  # at the end of the program Qt may have deleted it first
            self._timer.stop()
        self._again = False
        self._watch(None, None, None, None)
        self.viewer.dims.events.point.disconnect(self._time_moved)
        if self._worker is not None:
            self._worker.quit()
