"""`Predictor`: a volume in, a `Prediction` out. Whoever reads this file has read the program."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from napari_attn_unet import __version__, checkpoint
from napari_attn_unet.checkpoint import Checkpoint
from napari_attn_unet.errors import ConfigError, DeviceError, MemoryLimitError
from napari_attn_unet.prediction import GateMap, Prediction, stack
from napari_attn_unet.preprocessing import Prepared, prepare
from napari_attn_unet.streaming import Plan, choose_plan, evaluate, fold, in_words
from napari_attn_unet.volume import Volume

MEMORY_SHARE = 0.6
"""Share of the free memory that a run may take unless a limit is given."""
PRECISIONS = {"f32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes
    ----------
    phase
        What is being done, in words for the user.
    done
        Share of the whole run, 0 to 1.
    planes
        First and last + 1 of the planes that have just become final, or None.
    """

    phase: str
    done: float
    planes: tuple[int, int] | None = None


def available_devices() -> dict[str, str]:
    """Return {device: description} of what this machine can compute on, "auto" first."""
    devices = {"auto": "the fastest there is", "cpu": f"{torch.get_num_threads()} threads"}
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        devices[f"cuda:{i}"] = f"{properties.name}, {in_words(properties.total_memory)}"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return devices


def pick_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is cuda, else mps, else cpu.

    Raises
    ------
    DeviceError
        If this machine has no such device.
    """
    devices = available_devices()
    if name == "auto":
        name = next((d for d in devices if d.startswith(("cuda", "mps"))), "cpu")
    if name == "cuda" and "cuda:0" in devices:
        name = "cuda:0"
    if name not in devices:
        msg = f"There is no device {name!r} here. This machine has {', '.join(devices)}."
        raise DeviceError(msg)
    return torch.device(name)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


class Predictor:
    """Runs a checkpoint's network on whole volumes.

    Parameters
    ----------
    source
        A checkpoint, the path of one, or the name of one that ships.
    device
        "auto", "cpu", "cuda:0", …, "mps".
    precision
        "f32", or "bf16", which is faster and changes about 2 in 10,000 labels.
    memory_limit
        Bytes that a run may take; None takes a share of what is free.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be loaded.
    DeviceError
        If the device or precision does not exist here.
    """

    def __init__(
        self,
        source: Checkpoint | str | Path,
        device: str = "auto",
        precision: str = "f32",
        memory_limit: int | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            msg = f"precision must be one of {', '.join(PRECISIONS)}, but got {precision!r}."
            raise DeviceError(msg)
        self.checkpoint = source if isinstance(source, Checkpoint) else checkpoint.load(source)
        self.device = pick_device(device)
        self.precision = precision
        self.memory_limit = memory_limit
        self._network = fold(self.checkpoint.network(), self.device, PRECISIONS[precision])

    def plan(self, size: tuple[int, int, int]) -> Plan:
        """Return how a volume of `size` (Z, Y, X) would be evaluated.

        Raises
        ------
        MemoryLimitError
            If even the smallest plan does not fit.
        """
        limit = self.memory_limit
        if limit is None:
            limit = int(MEMORY_SHARE * free_memory(self.device))
        return choose_plan(self.checkpoint.config, size, PRECISIONS[self.precision].itemsize, limit)

    def predict(
        self,
        volumes: Volume | Sequence[Volume],
        *,
        probabilities: bool = False,
        threshold: tuple[int, float] | None = None,
    ) -> Prediction:
        """Run to the end; see `steps`."""
        steps = self.steps(volumes, probabilities=probabilities, threshold=threshold)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                result: Prediction = stop.value
                return result

    def steps(
        self,
        volumes: Volume | Sequence[Volume],
        *,
        probabilities: bool = False,
        threshold: tuple[int, float] | None = None,
    ) -> Generator[Progress, None, Prediction]:
        """Segment a volume, or a series of them, yielding progress; closing it cancels.

        The result is that of the network on the whole zero-padded volume, however it is computed.

        Parameters
        ----------
        volumes
            One volume, or the time points of a series, each segmented on its own.
        probabilities
            Keep the probability of every class.
        threshold
            (label, probability): give that label to every voxel where its probability is at least
            this, and to no other. None gives each voxel its most probable class.

        Returns
        -------
        Prediction
            On the input's own grid.

        Raises
        ------
        AttnUNetError
            If a volume is not what the network takes, before any work on it.
        """
        if threshold is not None and (
            not 0 < threshold[0] < self.checkpoint.config.classes or not 0 <= threshold[1] <= 1
        ):
            msg = (
                f"A threshold needs a label from 1 to {self.checkpoint.config.classes - 1} and a "
                f"probability from 0 to 1, but got {threshold}."
            )
            raise ConfigError(msg)
        series = [volumes] if isinstance(volumes, Volume) else list(volumes)
        if not series:
            msg = "A series needs at least one time point, but it is empty."
            raise ConfigError(msg)
        results = []
        for i, volume in enumerate(series):
            steps = self._one(volume, probabilities, threshold)
            where = f"time point {i + 1} of {len(series)} · " if len(series) > 1 else ""
            while True:
                try:
                    p = next(steps)
                except StopIteration as stop:
                    results.append(stop.value)
                    break
                yield Progress(where + p.phase, (i + p.done) / len(series), p.planes)
        return results[0] if len(results) == 1 else stack(results)

    def _one(
        self, volume: Volume, probabilities: bool, threshold: tuple[int, float] | None
    ) -> Generator[Progress, None, Prediction]:
        yield Progress("preparing the image", 0.0)
        config, card = self.checkpoint.config, self.checkpoint.card
        prepared = prepare(volume, card.preprocessing, config.in_channels)
        size = prepared.data.shape[1:]
        plan = self.plan((size[0], size[1], size[2]))

        # The mask is reduced plane by plane; probabilities are kept only where something needs
        # them: the user, or the way back to a grid of another spacing.
        keep = probabilities or prepared.is_resampled
        mask = np.zeros(size, np.uint8)
        maps = np.zeros((config.classes, *size), np.float32) if keep else None
        gates: list[GateMap] = []
        try:
            for event in evaluate(self._network, torch.from_numpy(prepared.data), plan):
                planes = None
                if event.gate is not None:
                    level, alpha = event.gate
                    gates.append(GateMap(*prepared.restore_gate(alpha.numpy(), level), level))
                if event.logits is not None:
                    start, logits = event.logits
                    planes = start, start + logits.shape[1]
                    p = torch.softmax(logits, dim=0)
                    mask[slice(*planes)] = label_map(p, threshold)
                    if maps is not None:
                        maps[:, slice(*planes)] = p.numpy()
                yield Progress(_phase(event.done, plan), event.done, planes)
        except torch.OutOfMemoryError as error:
            msg = (
                f"{self.device} ran out of memory (estimated need {in_words(plan.bytes_needed)}, "
                f"{plan.description}). Set a lower memory limit, so that the volume is run in "
                "thinner slabs, or choose the cpu."
            )
            raise MemoryLimitError(msg) from error
        return self._result(volume, prepared, plan, mask, maps, gates, probabilities, threshold)

    def _result(  # noqa: PLR0913  (everything a run has gathered)
        self,
        volume: Volume,
        prepared: Prepared,
        plan: Plan,
        mask: npt.NDArray[np.uint8],
        maps: npt.NDArray[np.float32] | None,
        gates: list[GateMap],
        probabilities: bool,
        threshold: tuple[int, float] | None,
    ) -> Prediction:
        if maps is not None:
            maps = prepared.restore(maps)
        if prepared.is_resampled and maps is not None:
            mask = label_map(torch.from_numpy(maps), threshold)
        else:
            mask = prepared.restore(mask[np.newaxis])[0]
        return Prediction(
            mask=mask,
            geometry=volume.geometry,
            classes=tuple((c.name, c.colour) for c in self.checkpoint.card.classes),
            gates=tuple(sorted(gates, key=lambda gate: gate.level)),
            probabilities=maps if probabilities else None,
            provenance={
                "image": volume.name,
                "checkpoint": self.checkpoint.card.name,
                "checkpoint_file": self.checkpoint.path.name if self.checkpoint.path else None,
                "checkpoint_sha256": self.checkpoint.sha256,
                "config": self.checkpoint.config.to_dict(),
                "device": str(self.device),
                "precision": self.precision,
                "plan": plan.description,
                "threshold": threshold,
                "versions": {"napari-attn-unet": __version__, "torch": torch.__version__},
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            metadata=volume.metadata,
        )


def _phase(done: float, plan: Plan) -> str:
    return "finishing" if done >= 1 else f"running the network ({plan.description})"


def label_map(probabilities: Tensor, threshold: tuple[int, float] | None) -> npt.NDArray[np.uint8]:
    """Return the label of each voxel from probabilities (K, Z, Y, X); see `Predictor.steps`."""
    if threshold is None:
        labels = probabilities.argmax(dim=0)
    else:
        label, least = threshold
        others = probabilities.clone()
        others[label] = -1.0
        labels = torch.where(probabilities[label] >= least, label, others.argmax(dim=0))
    return np.asarray(labels.to(torch.uint8).numpy())
