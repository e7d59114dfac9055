"""What is compared: two layers, what their values mean, and counts that follow every change."""
# Over 350 lines: one state, whose counting, looking and measuring end or outdate one another.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from psygnal import Signal

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.placement import places, shown_geometry
from napari_attn_unet.plugin.results import at_time, labels_at, time_in_words
from napari_attn_unet.prediction import ClassInfo, Colour
from napari_attn_unet.scores.comparison import Comparison, ScoreRow
from napari_attn_unet.scores.components import box_of
from napari_attn_unet.scores.errors import ErrorComponent
from napari_attn_unet.scores.grids import OnGrid, onto_grid
from napari_attn_unet.scores.matching import Matching, labels_in, match, relabel
from napari_attn_unet.volume import Box, Geometry

REST_MS = 400
"""How long a brush must rest before distances and components are measured again."""
_SPATIAL = 3
_PALETTE = 5
"""Colours to choose from for a class that no layer has a colour for."""


class State:
    """The prediction and the truth that all parts of the widget look at.

    Parameters
    ----------
    dock
        Of the widget; its viewer's layers they are.
    """

    chosen = Signal()
    """Other layers, classes or another time point; `comparison` is new, or None."""
    changed = Signal(object)
    """Voxels changed, in this box; counts and the error layer follow."""
    measured = Signal()
    """Distances and components are there again."""
    said = Signal(str)
    """What is wrong, or worth knowing, in words."""

    def __init__(self, dock: Dock) -> None:
        self.dock, self.viewer = dock, dock.viewer
        dock.owns(self.chosen, self.changed, self.measured, self.said)
        self.mask: Labels | Image | None = None
        self.truth: Labels | Image | None = None
        self.matching: Matching | None = None
        self.comparison: Comparison | None = None
        self.label: int | None = None
        self.tolerance = 1.0
        self.rows: list[ScoreRow] | None = None
        self.components: list[ErrorComponent] | None = None
        self.truths = 0
        """Counts the changes of the truth, for whoever keeps what was made of it."""
        self._arrays: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None
        self._moved = self._whole = self._unsure = False
        self._wanted: Matching | None = None  # what is counted next by
        self._counting = Latest(dock, self._prepare_count, self._counted, self._not_counted)
        self._measuring = Latest(dock, self._prepare_measure, self._measured, self._say_error)
        self._looking = Latest(dock, self._prepare_look, self._looked, self._say_error)
        self._rest = dock.timer(REST_MS, self._rested)
        self._time = self.viewer.dims.point[:-_SPATIAL]
        dock.connect(self.viewer.dims.events.point, self._time_moved)
        dock.on_close(self._listen, None, None)

    # --- choosing -------------------------------------------------------------------------------
    def choose(self, mask: Labels | Image | None, truth: Labels | Image | None) -> None:
        """Compare other layers; their values are matched by name or value."""
        self._listen(mask, truth)
        self.comparison = self.rows = self.components = self._arrays = None
        self.chosen.emit()
        self.begin()

    def _listen(self, mask: Labels | Image | None, truth: Labels | Image | None) -> None:
        for layer, event in self._events():
            event.disconnect(self._painted if layer is self.mask else self._truth_painted)
        self.mask, self.truth, self.matching = mask, truth, None
        for layer, event in self._events():
            event.connect(self._painted if layer is self.mask else self._truth_painted)

    def _events(self) -> list[tuple[Any, Any]]:
        return [
            (layer, event)
            for layer in (self.mask, self.truth)
            if layer is not None
            for event in (
                (layer.events.paint, layer.events.labels_update, layer.events.set_data)
                if isinstance(layer, Labels)
                else (layer.events.data,)
            )
        ]

    def begin(self, matching: Matching | None = None) -> None:
        """Count from the start, by a matching if it is given and knows every value."""
        self._rest.stop()
        self._wanted = matching
        self._counting.now()

    @property
    def meant(self) -> Matching | None:
        """The matching that was asked for last, counted by or not yet."""
        return self._wanted or self.matching

    def _prepare_count(self) -> Callable[[], workers.Work] | None:
        mask, truth, wanted = self.mask, self.truth, self._wanted
        if mask is None or truth is None:
            return None
        place, there = places(mask, truth)
        # Where one of them is no series, the other's time points are each compared with it.
        time = time_in_words(max(mask, truth, key=lambda layer: layer.ndim), self.viewer)

        def steps() -> workers.Work:
            yield None
            arrays = labels_at(mask, self.viewer), labels_at(truth, self.viewer)
            truth_there = onto_grid(arrays[1], there, place, arrays[0].shape, on="prediction")
            moved = truth_there.labels
            values = values_of(mask, arrays[0]), values_of(truth, moved)
            matching = wanted or match(*values)
            if not (set(values[0]) <= set(matching.mask) and set(values[1]) <= set(matching.truth)):
                matching = match(*values)  # a value that was not there before
            pair = relabel(arrays[0], moved, matching)
            comparison = Comparison(*pair, place.beside(there), matching.classes)
            return arrays[0], truth_there, matching, comparison, time

        return steps

    def _counted(self, result: tuple[npt.NDArray[Any], OnGrid, Matching, Comparison, str]) -> None:
        mask, there, self.matching, self.comparison, time = result
        self._wanted = None
        self._moved = there.moved
        self._arrays = mask, there.labels
        self.rows = self.components = None
        self.truths += 1
        self.said.emit(" ".join(note for note in (time, there.note) if note))
        if self.label is not None and self.label >= len(self.comparison.classes):
            self.label = None
        self.chosen.emit()
        self.measure()

    def _not_counted(self, error: Exception) -> None:
        self.comparison = self.rows = self.components = self._arrays = None
        self.label = None
        self.said.emit(str(error))
        self.chosen.emit()

    @property
    def geometry(self) -> Geometry:
        """Place of the prediction's grid, as the viewer shows it."""
        assert self.mask is not None  # noqa: S101  (for the type checker)
        return shown_geometry(self.mask)

    def image(self) -> Image | None:
        """Return the image that the prediction was made of, or else the first there is."""
        images = [
            la
            for la in self.viewer.layers
            if isinstance(la, Image)
            and not la.rgb
            and layers.OUTPUT not in la.metadata
            and la not in (self.mask, self.truth)
        ]
        about = {} if self.mask is None else self.mask.metadata.get(layers.OUTPUT, {})
        named = [la for la in images if la.name == about.get("image")]
        return next(iter(named or images), None)

    def colormap(self) -> DirectLabelColormap:
        """Return the colours of the classes that are compared: the prediction's, where it has any.

        Where it has none, the truth's; of two images of whole numbers, those of the palette. Two
        classes never share one.
        """
        colours: dict[int | None, Any] = {None: "gray", 0: "transparent"}
        taken: set[tuple[float, ...]] = set()
        matching = self.matching
        if matching is None:
            return DirectLabelColormap(color_dict=colours)
        wanted: dict[int, list[Any]] = {}
        for layer, values in ((self.mask, matching.mask), (self.truth, matching.truth)):
            for value, label in values.items():
                if label > 0 and isinstance(layer, Labels):
                    wanted.setdefault(label, []).append(layer.colormap.map(value))
        for label, name in list(enumerate(matching.classes))[1:]:
            palette = [(*ClassInfo.numbered(label + i, name).colour, 1.0) for i in range(_PALETTE)]
            for colour in (*wanted.get(label, ()), *palette):
                key = tuple(round(float(part), 2) for part in colour)
                if key not in taken and key[-1]:
                    taken.add(key)
                    colours[label] = np.asarray(colour, np.float32)
                    break
        return DirectLabelColormap(color_dict=colours)

    def colour(self, label: int | None) -> Colour | None:
        """Return the prediction's colour of a class that is compared; None for all as one."""
        shown = None if label is None else self.colormap().color_dict.get(label)
        return None if shown is None else (float(shown[0]), float(shown[1]), float(shown[2]))

    def colours(self) -> dict[str, Colour]:
        """Return the prediction's colours of the classes that are compared, by name."""
        names = () if self.comparison is None else self.comparison.classes
        found = {name: self.colour(label) for label, name in list(enumerate(names))[1:]}
        return {name: colour for name, colour in found.items() if colour is not None}

    def recount(self, box: Box | None = None) -> None:
        """Count again after the prediction's data were changed in place, in a box."""
        self._count_box(self.mask, box)

    # --- what changes ---------------------------------------------------------------------------
    def _time_moved(self, _: Any = None) -> None:
        time = self.viewer.dims.point[:-_SPATIAL]
        moved, self._time = time != self._time, time
        if moved and any(la is not None and la.ndim > _SPATIAL for la in (self.mask, self.truth)):
            self._ask_whole()

    def _painted(self, event: Any = None) -> None:
        self._follow(self.mask, event)

    def _truth_painted(self, event: Any = None) -> None:
        if self._moved:  # brought onto the other grid again once the brush rests
            if event.type in ("paint", "data"):
                self._ask_whole()
        else:
            self._follow(self.truth, event)

    def _ask_whole(self) -> None:
        """Count from the start once the brush rests."""
        self._whole = True
        self._rest.start()

    def _follow(self, layer: Any, event: Any) -> None:
        """Count what an event tells of."""
        if event.type == "set_data":
            # Comes with every slice, and with an undo: look once all is at rest.
            self._unsure = True
            self._rest.start()
        else:
            self._count_box(layer, self._where(layer, event))

    def _count_box(self, layer: Any, box: Box | None) -> None:
        """Count what has changed in a box of a layer; None may be anywhere."""
        if self._counting.running:  # it may have been read before or after this
            self._ask_whole()
        if self.comparison is None or self._arrays is None or self.matching is None:
            return
        array = self._arrays[0 if layer is self.mask else 1]
        if self._is_other(layer, array):
            self._ask_whole()
            return
        where = box or (slice(None),) * _SPATIAL
        if not labels_in(array[where]) <= set(
            self.matching.mask if layer is self.mask else self.matching.truth
        ):
            self._ask_whole()  # a label that was not there before
            return
        pair = relabel(self._arrays[0][where], self._arrays[1][where], self.matching)
        changed = self.comparison.update(*pair, box)
        if changed is not None:
            self.truths += layer is self.truth
            self.rows = self.components = None
            self.changed.emit(changed)
            self._rest.start()

    def _is_other(self, layer: Any, array: npt.NDArray[Any]) -> bool:
        """Whether a layer has other data than was counted, or a series another time point."""
        return not np.may_share_memory(at_time(layer, self.viewer), array)

    def _where(self, layer: Any, event: Any) -> Box | None:
        """Return the box that an event speaks of; None if it may be anywhere."""
        if event.type == "paint":
            return _stroke(event.value)
        if event.type == "labels_update":  # what is on screen is drawn anew, in a stroke
            looking = plane_on_screen(self.viewer, layer)
            if looking is not None:
                axis, plane = looking
                box = [slice(0, n) for n in layer.data.shape[-_SPATIAL:]]
                box[axis] = slice(plane, plane + 1)
                return box[0], box[1], box[2]
        return None

    def _rested(self) -> None:
        if self._whole:
            self._whole = self._unsure = False
            self.begin(self.matching)
        elif self._unsure:
            self._unsure = False
            self._looking.now()
        else:
            self.measure()

    def _prepare_look(self) -> Callable[[], workers.Work] | None:
        counted, arrays, matching = self.comparison, self._arrays, self.matching
        if counted is None or arrays is None or matching is None:
            return None
        for layer, array in zip(
            (self.mask, None if self._moved else self.truth), arrays, strict=True
        ):
            if isinstance(layer, Labels) and self._is_other(layer, array):
                self._ask_whole()
                return None

        def steps() -> workers.Work:
            """Return the box around what differs from what was counted, for mask and truth."""
            yield None
            pair, before = relabel(*arrays, matching), (counted.mask, counted.truth)
            boxes = [box_of(now != then) for now, then in zip(pair, before, strict=True)]
            for i, known in enumerate((matching.mask, matching.truth)):
                if not labels_in(arrays[i]) <= set(known):  # no class of its own, so no difference
                    boxes[i] = tuple(slice(0, n) for n in arrays[i].shape)
            return counted, boxes

        return steps

    def _looked(self, found: tuple[Comparison, list[Box]]) -> None:
        counted, boxes = found
        if counted is not self.comparison:
            return
        for layer, box in zip((self.mask, self.truth), boxes, strict=True):
            if box[0].stop:
                self._count_box(layer, box)
        if not self._whole and self.rows is None and not self._rest.isActive():
            self.measure()

    def _say_error(self, error: Exception) -> None:
        self.said.emit(str(error))

    # --- what takes longer ----------------------------------------------------------------------
    def measure(self) -> None:
        """Measure distances and components, on a thread."""
        self._measuring.now()

    def _prepare_measure(self) -> Callable[[], workers.Work] | None:
        counted, tolerance = self.comparison, self.tolerance
        if counted is None:
            return None

        def steps() -> workers.Work:
            yield None
            comparison = counted.copy()  # should a stroke fall into it, another measure follows
            rows = comparison.rows(tolerance)
            yield None
            return counted, rows, comparison.components()

        return steps

    def _measured(self, result: tuple[Comparison, list[ScoreRow], list[ErrorComponent]]) -> None:
        counted, rows, components = result
        if counted is self.comparison and not self._rest.isActive():
            self.rows, self.components = rows, components
            self.measured.emit()

    @property
    def busy(self) -> bool:
        """Whether numbers are on their way."""
        runs = self._counting, self._looking, self._measuring
        return self._rest.isActive() or any(run.busy for run in runs)


def values_of(layer: Labels | Image, array: npt.NDArray[Any]) -> dict[int, str | None]:
    """Return the values that a layer has, and their names where it tells them."""
    found: dict[int, str | None] = dict.fromkeys(labels_in(array))
    table = layer.features if isinstance(layer, Labels) else None
    if table is not None and "class" in table:
        index = table["index"] if "index" in table else range(len(table))
        for value, name in zip(index, table["class"], strict=False):
            found[int(value)] = str(name)
    return {value: name for value, name in found.items() if value >= 0}


def _stroke(atoms: Any) -> Box | None:
    """Return the box around what a brush has painted; None where the event does not tell."""
    bounds = []
    try:
        for axis in range(-_SPATIAL, 0):
            # napari keeps small edits as indices, large ones as the slices of a box
            ends = [
                (p.start, p.stop) if isinstance(p, slice) else (np.min(p), np.max(p) + 1)
                for p in (atom[0][axis] for atom in atoms)
            ]
            bounds.append(slice(int(min(a for a, _ in ends)), int(max(b for _, b in ends))))
    except (TypeError, IndexError, ValueError):
        return None
    return bounds[0], bounds[1], bounds[2]
