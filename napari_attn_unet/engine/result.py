"""`Collected`: what a run has so far, taken in part by part, until it is a `Prediction`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_attn_unet import __version__
from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.plan import Plan
from napari_attn_unet.engine.request import Request
from napari_attn_unet.io.ome_zarr import create_array
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.prediction import GateMap, Part, Prediction
from napari_attn_unet.volume import Box, Volume, whole_box


class Collected:
    """The result of one run under way.

    Parameters
    ----------
    checkpoint, volume, frame, request
        What is run on what, where the network's grid lies over it, and what is wanted.
    group
        From `open_store`, where maps go to disk; or None.
    """

    def __init__(
        self, checkpoint: Checkpoint, volume: Volume, frame: Frame, request: Request, group: Any
    ) -> None:
        self._checkpoint, self._volume, self._frame = checkpoint, volume, frame
        self._request, self._group = request, group
        self.region: Box = request.region or whole_box(volume.shape)
        self.geometry = volume.geometry
        if request.region is not None:
            self.geometry = volume.geometry.regridded((1, 1, 1), [s.start for s in self.region])
        size = request.size(volume.shape)
        self._gates: list[GateMap] = []
        self._mask = np.zeros(size, np.uint8)
        self._maps: Any = None  # probabilities: an array, in memory or on disk
        if frame.is_resampled:  # the way back to another grid goes by probabilities
            self._maps = np.zeros((checkpoint.config.classes, *frame.shape), np.float32)
        elif request.probabilities:
            self._maps = self._new_maps((checkpoint.config.classes, *size))

    def _new_maps(self, shape: tuple[int, ...]) -> Any:
        if self._group is None:
            return np.zeros(shape, np.float32)
        return create_array(self._group, "probabilities", shape, self.geometry)

    def add_gate(self, level: int, alpha: Tensor) -> GateMap:
        """Take in a map (Z, Y, X) of the network's grid; return it on the input's axes."""
        box = whole_box(self._frame.shape)
        if self._request.region is not None:
            box = self._frame.network_box(self.region)
        z, y, x = (s.start >> level for s in box)
        values, geometry = self._frame.restore_gate(alpha.numpy(), level, (z, y, x))
        if self._group is not None:
            array = create_array(self._group, f"gate{level}", values.shape, geometry)
            array[...] = values
            values = array
        gate = GateMap(values, geometry, level)
        self._gates.append(gate)
        return gate

    def add_logits(self, box: Box, logits: Tensor) -> Part | None:
        """Take in logits (K, Z, Y, X) of a box of the network's grid, on any device."""
        if self._frame.is_resampled:
            self._maps[(slice(None), *box)] = torch.softmax(logits, dim=0).cpu().numpy()
            return None
        place = self._frame.source_box(box)
        z, y, x = (
            slice(p.start - r.start, p.stop - r.start)
            for p, r in zip(place, self.region, strict=True)
        )
        back = self._frame.orientation.inverse
        probabilities = None
        # The softmax keeps the order: for the most probable class there is no need of it.
        if self._maps is not None or self._request.threshold is not None:
            logits = torch.softmax(logits, dim=0)
        if self._maps is not None:
            probabilities = back.apply(logits.cpu().numpy())
            self._maps[:, z, y, x] = probabilities
        mask = back.apply(label_map(logits, self._request.threshold))
        self._mask[z, y, x] = mask
        return Part((z, y, x), mask, probabilities)

    def prediction(self, plan: Plan, device: str, precision: str) -> Prediction:
        """Return the prediction, once everything has been taken in."""
        maps, mask = self._maps, self._mask
        if self._frame.is_resampled:
            maps = self._frame.restore(maps)[(slice(None), *self.region)]
            labels = torch.from_numpy(np.ascontiguousarray(maps))
            mask = label_map(labels, self._request.threshold)
            if self._group is not None and self._request.probabilities:
                array = self._new_maps(maps.shape)
                array[...] = maps
                maps = array
        return Prediction(
            mask=mask,
            geometry=self.geometry,
            classes=self._checkpoint.card.classes,
            gates=tuple(sorted(self._gates, key=lambda gate: gate.level)),
            probabilities=maps if self._request.probabilities else None,
            provenance=self._provenance(plan, device, precision),
            metadata=self._volume.metadata,
        )

    def _provenance(self, plan: Plan, device: str, precision: str) -> dict[str, Any]:
        checkpoint, request = self._checkpoint, self._request
        return {
            "image": self._volume.name,
            "checkpoint": checkpoint.card.name,
            "checkpoint_file": checkpoint.path.name if checkpoint.path else None,
            "checkpoint_sha256": checkpoint.sha256,
            "config": checkpoint.config.to_dict(),
            "device": device,
            "precision": precision,
            "plan": plan.description,
            "region": [[s.start, s.stop] for s in request.region] if request.region else None,
            "threshold": request.threshold,
            "interventions": {
                f"gate {level}": change.to_dict() for level, change in request.interventions.items()
            },
            "versions": {"napari-attn-unet": __version__, "torch": torch.__version__},
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def label_map(probabilities: Tensor, threshold: tuple[int, float] | None) -> npt.NDArray[np.uint8]:
    """Return the label of each voxel from probabilities (K, Z, Y, X); see `Session.run`.

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
