"""Hearing that a layer's voxels are others than before, whoever changed them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from psygnal import Signal

from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Hold
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.results import unread_at_time

REST_MS = 200
"""How long a layer must not have been drawn anew before its voxels are looked at."""


class Edits:
    """Tells when voxels of a layer have changed: by a brush, by other data, by an undo.

    A stroke and other data tell so at once. An undo, and whoever writes into the array, only have
    the layer drawn anew, as another slice does: where that happens without the sliders having
    moved, a checksum of all voxels says whether anything is another. It is worked out on a thread.

    Parameters
    ----------
    hold
        With it everything stops.
    layer
        Labels, or an image; of a series, the time point on screen counts.
    """

    changed = Signal()
    """The voxels are others, or may be."""

    def __init__(self, hold: Hold, layer: Labels | Image) -> None:
        self._hold = hold.branch()
        self._viewer, self._layer = hold.viewer, layer
        self._known: Any = None
        self._told = 0
        """Changes that were told at once."""
        self._is_drawn = self._is_told = self._is_unheard = False
        self._place = self._slices()
        self._hold.owns(self.changed)
        self._sorting = self._hold.timer(0, self._sort)
        self._looking = Latest(
            self._hold, self._prepare, self._looked, lambda _: None, rest_ms=REST_MS
        )
        events = layer.events
        for name in ("paint", "labels_update", "data"):
            if hasattr(events, name):
                self._hold.connect(getattr(events, name), self._tell)
        self._hold.connect(events.set_data, self._drawn)
        self._hold.connect(events.visible, self._shown)
        self._looking.now()

    @property
    def busy(self) -> bool:
        """Whether voxels are looked at, or will be."""
        return self._sorting.isActive() or self._looking.busy

    def close(self) -> None:
        """Hear no more."""
        self._hold.close()

    def _slices(self) -> tuple[Any, ...]:
        dims = self._viewer.dims
        return tuple(dims.current_step), tuple(dims.order), dims.ndisplay

    def _tell(self, _: Any = None) -> None:
        self._told += 1
        self._is_told = True
        self._sorting.start()
        self.changed.emit()

    def _drawn(self, _: Any = None) -> None:
        before, self._place = self._place, self._slices()
        if self._place == before:
            self._is_drawn = True
            self._sorting.start()

    def _shown(self, _: Any = None) -> None:
        if self._layer.visible:  # while it is hidden nothing tells of it
            self._is_unheard = True
            self._looking.ask()

    def _sort(self) -> None:
        """Once all has been said: a layer that is given other data is drawn anew by that."""
        if self._is_drawn and not self._is_told:
            self._is_unheard = True
            self._looking.ask()
        self._is_drawn = self._is_told = False

    def _prepare(self) -> Callable[[], workers.Work]:
        unheard, self._is_unheard = self._is_unheard, False
        dims = self._viewer.dims
        when = self._told, tuple(dims.current_step[: dims.ndim - 3])
        labels = unread_at_time(self._layer, self._viewer)

        def steps() -> workers.Work:
            found = 0
            for plane in labels:
                yield None
                found = zlib.crc32(np.ascontiguousarray(plane).data, found)
            return unheard, (found, when)

        return steps

    def _looked(self, result: tuple[bool, Any]) -> None:
        # What was told since the last look may have been read before, or after, it was undone.
        unheard, found = result
        is_other, self._known = found != self._known, found
        if unheard and is_other:
            self.changed.emit()
