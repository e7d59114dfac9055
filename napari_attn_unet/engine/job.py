"""One volume on its way through a run: prepared, taken in part by part, made a `Prediction`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_attn_unet import __version__
from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.planning import (
    Plan,
    choose_plan,
    context,
    features_bytes,
    result_bytes,
)
from napari_attn_unet.engine.preprocessing import (
    Prepared,
    network_orientation,
    network_shape,
    prepare,
)
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.io.ome_zarr import create_array, open_store
from napari_attn_unet.network.card import Card
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.model import ModelConfig
from napari_attn_unet.prediction import GateMap, Prediction
from napari_attn_unet.volume import Box, Geometry, Volume


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Voxels of a result that have become final.

    Attributes
    ----------
    box
        Where they lie in the input's grid.
    mask
        (Z, Y, X) uint8.
    probabilities
        (K, Z, Y, X) float32, or None if not asked for.
    """

    box: Box
    mask: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of a run; see `Predictor.steps`."""

    probabilities: bool = False
    threshold: tuple[int, float] | None = None
    region: Box | None = None
    look_at: int | None = None
    axis: int | None = None
    keep: str | None = None
    store: Path | None = None
    interventions: Mapping[int, Intervention] = field(default_factory=dict)

    def check(self, config: ModelConfig, series: Sequence[Volume]) -> None:
        """Check the request against the network and the volumes.

        Raises
        ------
        ConfigError
            If it cannot be met.
        """
        if not series:
            msg = "A series needs at least one time point, but it is empty."
            raise ConfigError(msg)
        if (self.keep or self.store is not None) and len(series) > 1:
            msg = f"keep and store take one volume, but got a series of {len(series)}."
            raise ConfigError(msg)
        gates = [level for level, is_gated in enumerate(config.gates, 1) if is_gated]
        if unknown := sorted(set(self.interventions) - set(gates)):
            msg = (
                f"There is no gate {', '.join(map(str, unknown))} to change: this network has "
                f"{', '.join(f'gate {level}' for level in gates) or 'none'}."
            )
            raise ConfigError(msg)
        if self.threshold is not None and (
            not 0 < self.threshold[0] < config.classes or not 0 <= self.threshold[1] <= 1
        ):
            msg = (
                f"A threshold needs a label from 1 to {config.classes - 1} and a "
                f"probability from 0 to 1, but got {self.threshold}."
            )
            raise ConfigError(msg)
        size = series[0].shape
        for name, part, n in zip("zyx", self.region or (), size, strict=False):
            if part.start is None or part.stop is None or not 0 <= part.start < part.stop <= n:
                msg = (
                    "A region needs a start and a stop within the volume along every axis, but "
                    f"along {name} it is {part.start} to {part.stop} of {n} planes."
                )
                raise ConfigError(msg)
        outside = self.look_at is not None and not 0 <= self.look_at < size[self.axis or 0]
        if self.axis not in (None, 0, 1, 2) or outside:
            msg = f"There is no plane {self.look_at} along axis {self.axis} of a volume of {size}."
            raise ConfigError(msg)


def estimate(card: Card, volume: Volume, request: Request, itemsize: int, limit: int) -> Plan:
    """Return the plan of a run from sizes alone: nothing is read, no weights are loaded.

    Parameters
    ----------
    card
        Of the checkpoint.
    volume, request
        What would be run.
    itemsize
        Bytes per number of a feature map.
    limit
        Bytes that the run may take.

    Raises
    ------
    MemoryLimitError
        If even the smallest plan does not fit.
    """
    config = ModelConfig.from_dict(card.config)
    size = network_shape(volume, card.preprocessing)
    orientation = network_orientation(volume, card.preprocessing)
    axis = None if request.axis is None else orientation.axes.index(request.axis)
    if request.region is not None and not request.keep and card.preprocessing.spacing is None:
        region = orientation.apply_to_box(request.region, volume.shape)
        z, y, x = (part.stop - part.start for part in context(config, size, region))
        size = z, y, x
    kept = result_bytes(config, size, probabilities=request.probabilities)
    if request.keep is not None:
        kept += features_bytes(config, size, itemsize, every_level=request.keep == "gates")
    return choose_plan(config, size, itemsize, limit, axis, kept)


class Job:
    """One volume on its way through a run: what is wanted, and what is there of it so far."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        volume: Volume,
        request: Request,
    ) -> None:
        self.checkpoint, self.volume, self.request = checkpoint, volume, request
        self.region: Box = request.region or _whole(volume.shape)
        self.has_region = request.region is not None
        self.group = None if request.store is None else open_store(request.store)

    def prepare(self, prepared: Prepared | None = None) -> None:
        """Look through the volume, unless that was done; what the network cannot take is refused.

        Raises
        ------
        AttnUNetError
            If the volume is not what the network takes.
        """
        spec, channels = self.checkpoint.card.preprocessing, self.checkpoint.config.in_channels
        self.prepared = prepared or prepare(self.volume, spec, channels)
        self.network_region = self.prepared.network_box(self.region) if self.has_region else None

    @property
    def context_shape(self) -> tuple[int, int, int]:
        """Size of the part of the network's grid that is evaluated."""
        z, y, x = (
            s.stop - s.start
            for s in context(self.checkpoint.config, self.prepared.shape, self._needed)
        )
        return z, y, x

    @property
    def _needed(self) -> Box | None:
        """What is evaluated; an intervention is one of the whole map."""
        return None if self.request.interventions else self.network_region

    @property
    def result_bytes(self) -> int:
        """Bytes of what is kept of the result while the network runs."""
        config = self.checkpoint.config
        if self.prepared.is_resampled:  # by way of probabilities, then brought back
            there = result_bytes(config, self.prepared.shape, probabilities=True)
            return there + result_bytes(config, self.volume.shape, probabilities=True)
        z, y, x = (s.stop - s.start for s in self.region)
        in_memory = self.request.probabilities and self.group is None
        return result_bytes(config, (z, y, x), probabilities=in_memory)

    def start(self) -> None:
        """Begin with an empty result."""
        classes = self.checkpoint.config.classes
        self.gates: list[GateMap] = []
        self.maps: Any = None  # an array, in memory or on disk
        size = tuple(s.stop - s.start for s in self.region)
        self.mask = np.zeros(size, np.uint8)
        if self.prepared.is_resampled:  # the way back to another grid goes by probabilities
            self.maps = np.zeros((classes, *self.prepared.shape), np.float32)
        elif self.request.probabilities and self.group is not None:
            self.maps = create_array(self.group, "probabilities", (classes, *size), self.geometry)
        elif self.request.probabilities:
            self.maps = np.zeros((classes, *size), np.float32)

    @property
    def geometry(self) -> Geometry:
        """Where the result lies."""
        if not self.has_region:
            return self.volume.geometry
        return self.volume.geometry.regridded((1, 1, 1), [s.start for s in self.region])

    def add_gate(self, level: int, alpha: Tensor) -> GateMap:
        """Take in a map (Z, Y, X) of the network's grid; return it on the input's axes."""
        box = self.network_region or _whole(self.prepared.shape)
        z, y, x = (s.start >> level for s in box)
        values, geometry = self.prepared.restore_gate(alpha.numpy(), level, (z, y, x))
        if self.group is not None:
            array = create_array(self.group, f"gate{level}", values.shape, geometry)
            array[...] = values
            values = array
        gate = GateMap(values, geometry, level)
        self.gates.append(gate)
        return gate

    def add_logits(self, box: Box, logits: Tensor) -> Part | None:
        """Take in logits (K, Z, Y, X) of a box of the network's grid, on any device."""
        if self.maps is not None and self.prepared.is_resampled:
            self.maps[(slice(None), *box)] = torch.softmax(logits, dim=0).cpu().numpy()
            return None
        place = self.prepared.source_box(box)
        z, y, x = (
            slice(p.start - r.start, p.stop - r.start)
            for p, r in zip(place, self.region, strict=True)
        )
        back = self.prepared.orientation.inverse
        probabilities = None
        # The softmax keeps the order: for the most probable class there is no need of it.
        if self.maps is not None or self.request.threshold is not None:
            logits = torch.softmax(logits, dim=0)
        if self.maps is not None:
            probabilities = back.apply(logits.cpu().numpy())
            self.maps[:, z, y, x] = probabilities
        mask = back.apply(label_map(logits, self.request.threshold))
        self.mask[z, y, x] = mask
        return Part((z, y, x), mask, probabilities)

    def result(self, plan: Plan, device: str, precision: str) -> Prediction:
        """Return the prediction once everything has been taken in."""
        maps, mask = self.maps, self.mask
        if maps is not None and self.prepared.is_resampled:
            maps = self.prepared.restore(maps)[(slice(None), *self.region)]
            mask = label_map(torch.from_numpy(np.ascontiguousarray(maps)), self.request.threshold)
            if self.group is not None and self.request.probabilities:
                array = create_array(self.group, "probabilities", maps.shape, self.geometry)
                array[...] = maps
                maps = array
        card = self.checkpoint.card
        return Prediction(
            mask=mask,
            geometry=self.geometry,
            classes=tuple((c.name, c.colour) for c in card.classes),
            gates=tuple(sorted(self.gates, key=lambda gate: gate.level)),
            probabilities=maps if self.request.probabilities else None,
            provenance={
                "image": self.volume.name,
                "checkpoint": card.name,
                "checkpoint_file": self.checkpoint.path.name if self.checkpoint.path else None,
                "checkpoint_sha256": self.checkpoint.sha256,
                "config": self.checkpoint.config.to_dict(),
                "device": device,
                "precision": precision,
                "plan": plan.description,
                "region": [[s.start, s.stop] for s in self.region] if self.has_region else None,
                "threshold": self.request.threshold,
                "interventions": {
                    f"gate {level}": change.to_dict()
                    for level, change in self.request.interventions.items()
                },
                "versions": {"napari-attn-unet": __version__, "torch": torch.__version__},
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            metadata=self.volume.metadata,
        )


def _whole(size: tuple[int, int, int]) -> Box:
    z, y, x = (slice(0, n) for n in size)
    return z, y, x


def label_map(probabilities: Tensor, threshold: tuple[int, float] | None) -> npt.NDArray[np.uint8]:
    """Return the label of each voxel from probabilities (K, Z, Y, X); see `Predictor.steps`.

    Without a threshold, logits do as well.
    """
    if threshold is None:
        labels = probabilities.argmax(dim=0)
    else:
        label, least = threshold
        others = probabilities.clone()
        others[label] = -1.0
        labels = torch.where(probabilities[label] >= least, label, others.argmax(dim=0))
    return np.asarray(labels.to(torch.uint8).cpu().numpy())
