"""What is inspected: the layers chosen, and what has been counted of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image, Labels
from psygnal import Signal

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.edits import Edits
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.layers import CLASSES
from napari_attn_unet.plugin.placement import shown_geometry
from napari_attn_unet.plugin.results import Result, at_time, gate_map, labels_on, time_in_words
from napari_attn_unet.prediction import ClassInfo, Colour
from napari_attn_unet.scores.grids import OnGrid

REST_MS = 300
"""How long a brush or slider must rest before numbers are counted again."""


class State:
    """The image, result, mask and truth that all parts of the widget look at.

    Parameters
    ----------
    dock
        Of the widget; its viewer's layers they are.
    """

    chosen = Signal()
    """Other layers were chosen; nothing has been counted yet."""
    left = Signal()
    """Another image, result or time point is looked at, or none: what is said or shown of the last
    one goes."""
    ready = Signal(object)
    """Emitted with the `Inspection` once the gates' statistics and the profile are there."""
    failed = Signal(str)
    """Emitted with what is wrong, in words."""

    def __init__(self, dock: Dock) -> None:
        self.dock, self.viewer = dock, dock.viewer
        dock.owns(self.chosen, self.left, self.ready, self.failed)
        self.image: Image | None = None
        self.result: Result | None = None
        self.mask: Labels | Image | None = None
        self.truth: Labels | Image | None = None
        self.label: int | None = None
        self.inspection: Inspection | None = None
        self.note = ""
        """What there is to say of labels that lie on another grid than the image."""
        self.time = ""
        """Which time point of a series was counted, in words."""
        self._version: Any = None
        self._strokes = 0
        self._watched: dict[Labels | Image, Edits] = {}
        self._counting = Latest(
            dock,
            self._prepare,
            self._counted,
            self._not_counted,
            rest_ms=REST_MS,
        )
        self._time = self.viewer.dims.point[:-3]
        dock.connect(dock.viewer.dims.events.point, self._time_moved)
        dock.on_close(self._watch, None, None, None, None)

    def choose(
        self,
        image: Image | None,
        result: Result | None,
        mask: Labels | Image | None,
        truth: Labels | Image | None,
    ) -> None:
        """Look at other layers."""
        if image is not self.image or result is not self.result:
            self.inspection = self._version = None  # of what is not looked at any more
        keys = [None if found is None else found.key for found in (self.result, result)]
        leaves = image is not self.image or keys[0] != keys[1]
        self._watch(image, result, mask, truth)
        if leaves:
            self.left.emit()
        self.chosen.emit()
        self.count()

    def _watch(
        self,
        image: Image | None,
        result: Result | None,
        mask: Labels | Image | None,
        truth: Labels | Image | None,
    ) -> None:
        self.image, self.result, self.mask, self.truth = image, result, mask, truth
        for layer in set(self._watched) - {mask, truth}:
            self._watched.pop(layer).close()
        for labels in (mask, truth):
            if labels is not None and labels not in self._watched:
                self._watched[labels] = Edits(self.dock, labels)
                self._watched[labels].changed.connect(self._edited)

    def _edited(self) -> None:
        self._strokes += 1
        self._counting.ask()

    def _time_moved(self, _: Any = None) -> None:
        time = self.viewer.dims.point[:-3]
        moved, self._time = time != self._time, time
        if moved and self.image is not None and self.image.ndim > 3:  # noqa: PLR2004
            self.left.emit()
            self._counting.ask()

    @property
    def axis(self) -> int:
        """The axis that the viewer slices across (of Z, Y, X: 0, 1, 2); 0 in 3D."""
        looking = self.image and plane_on_screen(self.viewer, self.image)
        return looking[0] if looking else 0

    @property
    def gates(self) -> dict[int, Image]:
        """The result's gates whose layers are still there, by level."""
        there = self.viewer.layers
        found = {} if self.result is None else self.result.gates
        return {level: layer for level, layer in found.items() if layer in there}

    @property
    def class_names(self) -> list[str]:
        """Names of the classes as the mask's features give them, the background first."""
        source = self.result.mask if self.result is not None else None
        table = None if source is None else source.features
        return [] if table is None or "class" not in table else [str(n) for n in table["class"]]

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes of the result's network, with their colours, the background first."""
        for layer in self.gates.values():
            if CLASSES in layer.metadata:
                return tuple(layer.metadata[CLASSES])
        return ()

    @property
    def colours(self) -> dict[str, Colour]:
        """The colours of the classes but the background, by name."""
        return {info.name: info.colour for info in self.classes[1:]}

    def count(self) -> None:
        """Count again, on a thread, what the chosen layers have changed."""
        self._counting.now()

    def _prepare(self) -> Callable[[], workers.Work] | None:
        if self.image is None or self.result is None:
            self.inspection = None
            return None
        image, result, mask, truth = self.image, self.result, self.mask, self.truth
        names, axis, label = self.class_names, self.axis, self.label
        time = self.viewer.dims.point[:-3] if image.ndim > 3 else ()  # noqa: PLR2004
        parts = [image, mask, truth, *result.gates.values()]
        version = (
            [(id(p), id(p.data), shown_geometry(p).affine.tolist()) for p in parts if p],
            self._strokes,
            time,
        )
        said = time_in_words(image, self.viewer)
        last = (self.inspection, self.note) if version == self._version else (None, "")
        brings = self.labels_on_image(mask), self.labels_on_image(truth)

        def steps() -> workers.Work:
            yield None
            inspection, note = last
            if inspection is None:
                found = [None if bring is None else bring() for bring in brings]
                inspection = self._inspection(image, result, found, names)
                own = mask is result.mask  # says of itself what of the image it is of
                note = " ".join(f.note for f in found[own:] if f is not None and f.note)
            for level in inspection.gates:
                inspection.statistics(level)
                yield None
            inspection.profile(axis, label)
            return version, inspection, note, said

        return steps

    def labels_on_image(self, labels: Labels | Image | None) -> Callable[[], OnGrid] | None:
        """Return how to bring labels onto the image's grid, which takes a thread; see `labels_on`.

        None without labels or an image.
        """
        if labels is None or self.image is None:
            return None
        what = "truth" if labels is self.truth else "mask"
        return labels_on(labels, self.image, self.viewer, what)

    def _inspection(
        self, image: Image, result: Result, found: list[OnGrid | None], names: list[str]
    ) -> Inspection:
        """Read the layers; on a thread, as an image may be computed for it."""
        mask, truth = (None if labels is None else labels.labels for labels in found)
        return Inspection(
            at_time(image, self.viewer),
            shown_geometry(image),
            [gate_map(gate, self.viewer) for gate in result.gates.values()],
            mask,
            truth,
            names,
        )

    def _counted(self, result: tuple[Any, Inspection, str, str]) -> None:
        self._version, self.inspection, self.note, self.time = result
        self.ready.emit(self.inspection)

    def _not_counted(self, error: Exception) -> None:
        self.inspection = None
        self.failed.emit(str(error))

    @property
    def counting(self) -> bool:
        """Whether numbers are being counted."""
        return self._counting.busy
