"""What the Segment widget's controls ask for, read on the window's thread; and the run of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from napari_attn_unet.report.picture import limits
from napari_attn_unet.volume import Box, Geometry, Volume

if TYPE_CHECKING:
    from napari_attn_unet.engine.session import Session
    from napari_attn_unet.prediction import Prediction

WHOLE = "whole image"
SLICES = "slices on screen"


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
    """

    volumes: list[Volume]
    placement: Placement
    region: Box | None = None
    looking: tuple[int, int] | None = None

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

    def select(self, image: Image, region: Any, around: int, card: Card) -> Selection:
        """Return what is asked for of an image.

        Parameters
        ----------
        image
            The layer.
        region
            `WHOLE`, `SLICES`, or a Shapes layer whose box is meant.
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
        if isinstance(region, Shapes):
            start, stop = boxes.box(region, image, card.field_of_view_mm)
            return Selection([volume.cropped(start, stop) for volume in volumes], placement)
        looking = plane_on_screen(self._viewer, image)
        if region != SLICES:
            return Selection(volumes, placement, None, looking)
        if looking is None:
            msg = "The viewer shows a volume in 3D; press its 2D button to choose slices."
            raise RunError(msg)
        axis, plane = looking
        box = [slice(0, n) for n in volumes[0].shape]
        box[axis] = slice(max(0, plane - around), min(plane + around + 1, box[axis].stop))
        placement = replace(placement, name=f"{placement.name} · slices")
        return Selection(volumes, placement, (box[0], box[1], box[2]), looking)


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
    """

    prediction: Prediction
    layers: list[layers.LayerData]
    sizes: str
    corrected: list[Labels]
    contrast: tuple[float, float]


def outcome(run: Callable[[], Work], wish: Wish, earlier: Sequence[Layer]) -> Callable[[], Work]:
    """Return a run that returns its `Outcome`.

    Parameters
    ----------
    run, wish
        The run of a wish, and the wish.
    earlier
        Layers of the image's earlier results.
    """

    def steps() -> Work:
        prediction = yield from run()
        return Outcome(
            prediction,
            layers.from_prediction(prediction, wish.selection.placement, gates=wish.gates),
            prediction.sizes_in_words(),
            [la for la in earlier if isinstance(la, Labels) and layers.is_corrected(la)],
            limits(np.asarray(wish.selection.volumes[0].data)),
        )

    return steps


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
