"""`Prediction`: what one whole-volume inference returns; `Progress`: what it tells on the way.

A generator is the whole interface of a run: it yields `Progress`, takes a plane to go on from,
and returns its result; closing it frees everything. `relay` joins such generators, `finish`
drives one to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from napari_attn_unet.table import counted, text
from napari_attn_unet.volume import Box, Geometry

Colour = tuple[float, float, float]
NOTHING_FOUND = (
    "Nothing was found, the mask is empty: the structure may lie elsewhere, or its contrast, "
    "orientation or voxel size differ from what the checkpoint was trained on"
)
Result = TypeVar("Result")

_PALETTE: tuple[Colour, ...] = (  # no magenta: that is the gates'
    (0.0, 0.0, 0.0),
    (1.0, 0.45, 0.1),
    (0.1, 0.75, 1.0),
    (0.55, 0.9, 0.2),
    (0.45, 0.5, 1.0),
    (1.0, 0.9, 0.2),
)


class ClassInfo(NamedTuple):
    """Name and display colour (r, g, b in 0..1) of one class."""

    name: str
    colour: Colour

    @classmethod
    def numbered(cls, label: int, name: str) -> ClassInfo:
        """Return a class with the palette's colour for `label`; 0 is the background's black."""
        return cls(name, _PALETTE[0 if label == 0 else 1 + (label - 1) % (len(_PALETTE) - 1)])


@dataclass(frozen=True, slots=True, eq=False)
class GateMap:
    """Attention coefficients of one gate, on the grid where the network computes them.

    Attributes
    ----------
    coefficients
        (Z, Y, X) float32 in [0, 1]; with a leading time axis for a series.
    geometry
        Place of the map's own, coarser grid.
    level
        Level of the skip connection that the gate weighs, 1 the finest.
    """

    coefficients: npt.NDArray[np.float32]
    geometry: Geometry
    level: int

    @property
    def name(self) -> str:
        """Name of the gate, after its level: "gate 1"."""
        return f"gate {self.level}"


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Result of one whole-volume inference, on the voxel grid of its input.

    Attributes
    ----------
    mask
        Most probable class of each voxel, shape (Z, Y, X), uint8; (T, Z, Y, X) for a series.
    geometry
        Place of the mask's grid, which is the input's.
    classes
        Name and colour of each class; the first is the background.
    gates
        Gate maps, finest first, each on its own grid with its geometry.
    probabilities
        (K, Z, Y, X) float32, one map per class, or None if not asked for; (T, K, Z, Y, X) for a
        series.
    provenance
        What was run on what: checkpoint and its SHA-256, config, device, precision, versions.
    metadata
        The input volume's metadata, carried through.
    """

    mask: npt.NDArray[np.uint8]
    geometry: Geometry
    classes: tuple[ClassInfo, ...]
    gates: tuple[GateMap, ...] = ()
    probabilities: npt.NDArray[np.float32] | None = None
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def class_sizes(self) -> dict[int, tuple[str, int, float | None]]:
        """Return {label: (class name, voxels, mm³ or None)} of every foreground class."""
        counts = class_counts(self.mask, len(self.classes))
        voxel = self.geometry.voxel_mm3
        return {
            label: (name, counts[label], None if voxel is None else counts[label] * voxel)
            for label, (name, _) in enumerate(self.classes)
            if label > 0
        }

    def sizes_in_words(self) -> str:
        """Return the size of every foreground class: "anterior 2,541 mm³, posterior …".

        Of a series, the least and the largest: "anterior 1,690 to 1,720 mm³ over 4 time points".
        Where none has a voxel, it is said, and what may be the cause.
        """
        points = self.mask.reshape(-1, *self.mask.shape[-3:])
        counts = np.array([class_counts(point, len(self.classes)) for point in points])
        told = ", ".join(
            f"{name} {_sizes_in_words(counts[:, label], self.geometry)}"
            for label, (name, _) in enumerate(self.classes)
            if label > 0
        )
        if self.mask.ndim > 3:  # noqa: PLR2004
            told += f" over {counted(len(points), 'time point')}"
        if counts[:, 1:].any():
            return told
        return f"{told}. {NOTHING_FOUND}"


def _sizes_in_words(voxels: npt.NDArray[np.integer[Any]], geometry: Geometry) -> str:
    """Return the least and the largest of some volumes, once where they are told alike."""
    least, most = (size_in_words(int(n), geometry) for n in (voxels.min(), voxels.max()))
    return most if least == most else f"{least.split()[0]} to {most}"


def size_in_words(voxels: int, geometry: Geometry) -> str:
    """Return a volume in mm³, or in voxels where their unit is unknown."""
    if geometry.voxel_mm3 is None:
        return counted(voxels, "voxel")
    return f"{text(voxels * geometry.voxel_mm3)} mm³"


def class_counts(mask: npt.NDArray[np.integer[Any]], classes: int) -> list[int]:
    """Return the voxels of each of the classes 0, 1, … in a mask; other values are not counted."""
    if mask.dtype.itemsize == 1:
        counts: list[int] = np.bincount(mask.ravel(), minlength=classes)[:classes].tolist()
        return counts
    return [int(np.count_nonzero(mask == label)) for label in range(classes)]


def stack(predictions: Sequence[Prediction]) -> Prediction:
    """Join the predictions of the time points of a series along a new first axis."""
    first = predictions[0]
    gates = tuple(
        replace(gate, coefficients=np.stack([p.gates[i].coefficients for p in predictions]))
        for i, gate in enumerate(first.gates)
    )
    kept = [p.probabilities for p in predictions if p.probabilities is not None]
    return replace(
        first,
        mask=np.stack([p.mask for p in predictions]),
        gates=gates,
        probabilities=np.stack(kept) if kept else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Voxels of a result that have become final.

    Attributes
    ----------
    box
        Where they lie in the result's grid.
    mask
        (Z, Y, X) uint8.
    probabilities
        (K, Z, Y, X) float32, or None if not asked for.
    """

    box: Box
    mask: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """Where a run stands.

    Attributes
    ----------
    phase
        What is being done, in words for the user.
    done
        Share of the whole run, 0 to 1.
    gate
        A gate's map that has just become complete, coarsest first, or None.
    part
        Voxels that have just become final, or None. A volume that is resampled has none before
        the end.
    time_point
        Index of the volume in a series.
    """

    phase: str
    done: float
    gate: GateMap | None = None
    part: Part | None = None
    time_point: int = 0


Steps = Generator[Progress, int | None, Result]
"""A run: yields progress, takes the plane to go on from, returns its result."""


def relay(
    steps: Steps[Result],
    phase: str = "",
    share: tuple[float, float] = (0.0, 1.0),
    *,
    time_point: int | None = None,
    heard: Callable[[int], object] = lambda _: None,
) -> Steps[Result]:
    """Pass on what a part of a longer run yields; return what it returns: `yield from relay(…)`.

    What is sent in reaches the part, and closing the whole closes the part.

    Parameters
    ----------
    steps
        The part.
    phase
        What the whole calls it; stands before the part's own phases.
    share
        Where in the whole's progress the part begins and ends.
    time_point
        Which of a series the part is; None leaves it as the part says.
    heard
        Called with every plane that is sent in.
    """
    begin, end = share
    wish: int | None = None
    with closing(steps):
        while True:
            try:
                progress = steps.send(wish)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            wish = yield replace(
                progress,
                phase=f"{phase} · {progress.phase}" if phase else progress.phase,
                done=begin + progress.done * (end - begin),
                time_point=progress.time_point if time_point is None else time_point,
            )
            if wish is not None:
                heard(wish)


def finish(
    steps: Generator[Any, Any, Result], each: Callable[[Any], object] = lambda _: None
) -> Result:
    """Drive a run to its end; return what it returns.

    Parameters
    ----------
    steps
        The run.
    each
        Called with everything it yields.
    """
    result: list[Result] = []

    def kept() -> Generator[Any, Any, None]:
        result.append((yield from steps))

    for progress in kept():
        each(progress)
    return result[0]
