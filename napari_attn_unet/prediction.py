"""`Prediction`: what one whole-volume inference returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.volume import Geometry


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
        Name and colour (r, g, b in 0..1) of each class; the first is the background.
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
    classes: tuple[tuple[str, tuple[float, float, float]], ...]
    gates: tuple[GateMap, ...] = ()
    probabilities: npt.NDArray[np.float32] | None = None
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def class_sizes(self) -> dict[int, tuple[str, int, float | None]]:
        """Return {label: (class name, voxels, mm³ or None)} of every foreground class."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes))
        voxel = self.geometry.voxel_mm3
        return {
            label: (name, int(counts[label]), None if voxel is None else counts[label] * voxel)
            for label, (name, _) in enumerate(self.classes)
            if label > 0
        }


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
