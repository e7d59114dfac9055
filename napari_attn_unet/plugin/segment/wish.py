"""What the Segment widget's controls ask for, read on the window's thread; and the run of it."""
# Over 350 lines: what is asked for and how it is run, box after box.

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes

from napari_attn_unet.engine import devices
from napari_attn_unet.engine.request import Wanted
from napari_attn_unet.errors import RunError
from napari_attn_unet.network.card import Card
from napari_attn_unet.plugin import boxes, layers
from napari_attn_unet.plugin.kit import queue
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.kit.workers import Work
from napari_attn_unet.plugin.placement import Placement
from napari_attn_unet.prediction import Prediction, Progress, relay
from napari_attn_unet.report.picture import limits
from napari_attn_unet.volume import Box, Geometry, Volume

if TYPE_CHECKING:
    from napari_attn_unet.engine.session import Session

WHOLE = "whole image"
SLICES = "slices on screen"
ALL_BOXES = "all boxes"


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The part of an image layer that is asked for.

    Attributes
    ----------
    volumes
        One for each time point; a box is cropped out of them.
    placement
        Where the layer lies, and what results are called.
    region
        The voxels of the volume that are wanted, None for all.
    looking
        (axis, plane) of the volume on screen, if it shows one.
    box
        What the box is called that was cropped out; None for no box.
    """

    volumes: list[Volume]
    placement: Placement
    region: Box | None = None
    looking: tuple[int, int] | None = None
    box: str | None = None

    @property
    def geometry(self) -> Geometry:
        """Where the result will lie."""
        geometry = self.volumes[0].geometry
        if self.region is None:
            return geometry
        return geometry.regridded((1, 1, 1), [s.start for s in self.region])

    @property
    def shape(self) -> tuple[int, ...]:
        """Size (Z, Y, X) of the result; with a leading time axis for a series."""
        size = self.volumes[0].shape
        if self.region is not None:
            z, y, x = (s.stop - s.start for s in self.region)
            size = z, y, x
        return (*((len(self.volumes),) if len(self.volumes) > 1 else ()), *size)


class Selector:
    """Reads selections from a viewer.

    An image's volumes are made once, so that a live run knows them again.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._data: Any = None
        self._volumes: list[Volume] = []

    def select(self, image: Image, region: Any, around: int, card: Card) -> list[Selection]:
        """Return what is asked for of an image: one part, or as many as there are boxes.

        Parameters
        ----------
        image
            The layer.
        region
            `WHOLE`, `SLICES`, a Shapes layer whose boxes are meant, or `ALL_BOXES` of every one.
        around
            Slices to each side of the one on screen.
        card
            Of the checkpoint.

        Raises
        ------
        AttnUNetError
            If the layer is no volume, the box is empty, or no slice is on screen.
        """
        volumes, placement = layers.to_volumes(image, card.in_channels)
        if self._data is image.data and _alike(self._volumes, volumes):
            volumes = self._volumes
        self._data, self._volumes = image.data, volumes
        if isinstance(region, Shapes) or region == ALL_BOXES:
            drawn = [region] if isinstance(region, Shapes) else shapes_of(self._viewer)
            return [
                chosen
                for shapes in drawn
                for chosen in _boxes(shapes, image, volumes, placement, card)
            ]
        looking = plane_on_screen(self._viewer, image)
        if region != SLICES:
            return [Selection(volumes, placement, None, looking)]
        if looking is None:
            msg = "The viewer shows a volume in 3D; press its 2D button to choose slices."
            raise RunError(msg)
        axis, plane = looking
        box = [slice(0, n) for n in volumes[0].shape]
        box[axis] = slice(max(0, plane - around), min(plane + around + 1, box[axis].stop))
        placement = replace(placement, name=f"{placement.name} · slices")
        return [Selection(volumes, placement, (box[0], box[1], box[2]), looking)]


def shapes_of(viewer: Any) -> list[Shapes]:
    """Return a viewer's layers that can hold boxes."""
    return [layer for layer in viewer.layers if isinstance(layer, Shapes)]


def _boxes(
    shapes: Shapes, image: Image, volumes: list[Volume], placement: Placement, card: Card
) -> list[Selection]:
    """Return each box of a layer as an image of its own, called by its number.

    A layer of the user's own is called by its name, so that no two layers' results are one.
    """
    own = layers.BOX if shapes.name == boxes.name_for(image) else shapes.name
    found = []
    for number, (start, stop) in enumerate(
        boxes.voxels(shapes, image, card.field_of_view_mm), start=1
    ):
        name = f"{own} {number}"
        lies = replace(placement, name=f"{placement.name} · {name}")
        found.append(Selection([v.cropped(start, stop) for v in volumes], lies, box=name))
    return found


def _alike(some: list[Volume], others: list[Volume]) -> bool:
    """Whether volumes of the same layer have the same name and place."""
    return len(some) == len(others) and all(
        a.name == b.name and a.geometry.is_same(b.geometry) and a.data.shape == b.data.shape
        for a, b in zip(some, others, strict=True)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """A run that is asked for, with all that it needs."""

    selection: Selection
    checkpoint: str
    device: str
    precision: str
    memory_limit: int | None
    gates: bool
    probabilities: bool
    threshold: tuple[int, float] | None
    live: bool
    card: Card


@dataclass(slots=True, eq=False)
class _Kept:
    """What live runs hand on to the next."""

    session: Session | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a run returns, counted on its thread.

    Attributes
    ----------
    prediction
        Of the network.
    layers
        What it is shown as.
    sizes
        Of its classes, in words.
    corrected
        Masks of earlier runs that were changed by hand, which nothing may overwrite.
    contrast
        Robust limits of the image's intensities.
    notes
        What else there is to say of the result, each in a sentence.
    """

    prediction: Prediction
    layers: list[layers.LayerData]
    sizes: str
    corrected: list[Labels]
    contrast: tuple[float, float]
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The sizes, and the notes after them."""
        return ". ".join((self.sizes, *self.notes))


def outcomes(live: Live, wishes: Sequence[Wish], earlier: Sequence[Layer]) -> Callable[[], Work]:
    """Return a run of wishes, one after the other, which returns the `Outcome` of each.

    What it yields is called by the box that it is of, where there are several: "box 2 of 3".

    Parameters
    ----------
    live
        Runs them.
    wishes
        Of one image.
    earlier
        Layers of the image's earlier results.
    """
    runs = [live.steps(wish) for wish in wishes]

    def steps() -> Work:
        found: list[Outcome] = []
        corrected = [la for la in earlier if isinstance(la, Labels) and layers.is_corrected(la)]
        for number, (run, wish) in enumerate(zip(runs, wishes, strict=True)):
            said = f"{layers.BOX} {number + 1} of {len(wishes)}" if len(wishes) > 1 else ""
            share = number / len(wishes), (number + 1) / len(wishes)
            prediction = yield from _relayed(run(), said, share, number)
            found.append(_outcome(prediction, wish, corrected))
        return found

    return steps


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a run of several wishes yields.

    Attributes
    ----------
    number
        Which wish's it is, from 0.
    progress
        Of the whole.
    """

    number: int
    progress: Progress

    @property
    def phase(self) -> str:
        """What is being done, in words for the user."""
        return self.progress.phase

    @property
    def done(self) -> float:
        """Share of the whole, 0 to 1."""
        return self.progress.done


def _relayed(steps: Any, said: str, share: tuple[float, float], number: int) -> Work:
    whole = relay(steps, said, share)
    wish: int | None = None
    with closing(whole):
        while True:
            try:
                progress = whole.send(wish)
            except StopIteration as stop:
                return stop.value
            wish = yield Step(number, progress)


def _outcome(prediction: Prediction, wish: Wish, corrected: list[Labels]) -> Outcome:
    chosen = wish.selection
    if chosen.box is not None:
        about = {**prediction.provenance, layers.BOX: chosen.box}
        prediction = replace(prediction, provenance=about)
    return Outcome(
        prediction,
        layers.from_prediction(prediction, chosen.placement, gates=wish.gates),
        prediction.sizes_in_words(),
        corrected,
        limits(np.asarray(chosen.volumes[0].data)),
        tuple(_notes(prediction, wish)),
    )


def _notes(prediction: Prediction, wish: Wish) -> Iterator[str]:
    """Say why a mask may be empty, and which choices leave something out."""
    if not any(voxels for _, voxels, _ in prediction.class_sizes().values()):
        yield _why_empty(wish.selection, wish.card)
    if not wish.gates:
        yield (
            "Without gate maps, as 'gate maps' is not ticked: there is nothing to inspect. Tick it "
            "and segment again"
        )
    if wish.threshold is not None:
        label, least = wish.threshold
        yield (
            f"{prediction.classes[label].name!r} is where its probability is at least {least:g}, "
            "whatever other classes have (Advanced → label by)"
        )


def _why_empty(chosen: Selection, card: Card) -> str:
    """Return what keeps a network from finding anything, what is known of this image first."""
    volume = chosen.volumes[0]
    spacing = volume.geometry.spacing_mm
    parts = [
        note
        for note in (
            card.larger_than_seen(volume.shape, spacing),
            card.smaller_than_seen(volume.shape, spacing),
            card.other_voxels(spacing),
        )
        if note is not None
    ]
    if chosen.box is not None:
        parts.append("Or the box lies beside the structure: move it")
    elif chosen.region is not None:
        parts.append("Or the structure lies on other slices")
    parts.append(f"Trained on: {card.description or card.name}")
    return ". ".join(parts)


class Live:
    """Runs wishes; keeps the session of a live one, so that a further slice takes a moment."""

    def __init__(self) -> None:
        self._kept = _Kept()

    @property
    def session(self) -> Session | None:
        """What is kept, if its deeper levels are there."""
        session = self._kept.session
        return session if session is not None and session.has_kept else None

    @property
    def has_kept(self) -> bool:
        """Whether a live run can be stopped lightly."""
        return self.session is not None

    def forget(self) -> None:
        """Give back what was kept; a run under way keeps nothing either."""
        self._kept = _Kept()

    def steps(self, wish: Wish) -> Callable[[], Work]:
        """Return the run of a wish, for a thread; it returns the prediction."""
        if not wish.live:
            self.forget()
        kept = self._kept
        return lambda: _run(wish, kept)


def _run(wish: Wish, kept: _Kept) -> Work:
    chosen = wish.selection
    axis, plane = chosen.looking or (None, None)
    predictor = queue.load(wish.checkpoint, wish.device, wish.precision, wish.memory_limit)
    wanted = Wanted(
        probabilities=wish.probabilities, threshold=wish.threshold, region=chosen.region
    )
    if not wish.live:
        return (yield from predictor.steps(chosen.volumes, axis=axis, look_at=plane, **wanted))
    (volume,) = chosen.volumes
    session = kept.session
    if (
        session is None
        or session.predictor is not predictor
        or session.volume is not volume
        or session.axis != axis
    ):
        kept.session = None  # give its memory back first
        session = kept.session = predictor.session(volume, axis=axis, keep="regions")
    return (yield from session.run(look_at=plane, **wanted))


def find_devices() -> Work:
    """Return what this machine can compute on; torch is loaded for it, on a thread.

    So is what napari needs for the first mask: the window would stand still for it.
    """
    yield None
    import_module("pandas")
    yield None
    return devices.available_devices()
