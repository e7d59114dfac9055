"""`Predictor`: a volume in, a `Prediction` out. Whoever reads this file has read the program."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from napari_attn_unet import __version__, checkpoint
from napari_attn_unet.checkpoint import Checkpoint
from napari_attn_unet.errors import ConfigError, DeviceError
from napari_attn_unet.kernels import fold
from napari_attn_unet.model import map_size
from napari_attn_unet.planning import Plan, choose_plan, context, in_words
from napari_attn_unet.prediction import GateMap, Prediction, stack
from napari_attn_unet.preprocessing import prepare
from napari_attn_unet.streaming import Event, evaluate
from napari_attn_unet.volume import Box, Volume

MEMORY_SHARE = 0.6
"""Share of the free memory that a run may take unless a limit is given."""
PRECISIONS = {"f32": torch.float32, "bf16": torch.bfloat16}


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


Steps = Generator[Progress, int | None, Prediction]


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

    def plan(self, size: tuple[int, int, int], *, axis: int | None = None) -> Plan:
        """Return how a volume of `size` (Z, Y, X), on the network's grid, would be evaluated.

        Raises
        ------
        MemoryLimitError
            If even the smallest plan does not fit.
        """
        return self._plan(size, axis, self._limit(), 0)

    def _limit(self) -> int:
        if self.memory_limit is not None:
            return self.memory_limit
        return int(MEMORY_SHARE * free_memory(self.device))

    def _plan(self, size: tuple[int, int, int], axis: int | None, limit: int, kept: int) -> Plan:
        itemsize = PRECISIONS[self.precision].itemsize
        if self.device.type != "cpu":  # the limit is the device's, the result is not there
            kept = 0
        return choose_plan(self.checkpoint.config, size, itemsize, limit, axis, kept)

    def predict(
        self,
        volumes: Volume | Sequence[Volume],
        *,
        probabilities: bool = False,
        threshold: tuple[int, float] | None = None,
        region: Box | None = None,
    ) -> Prediction:
        """Run to the end; see `steps`."""
        steps = self.steps(volumes, probabilities=probabilities, threshold=threshold, region=region)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                result: Prediction = stop.value
                return result

    def steps(  # noqa: PLR0913  (each is named by its caller)
        self,
        volumes: Volume | Sequence[Volume],
        *,
        probabilities: bool = False,
        threshold: tuple[int, float] | None = None,
        region: Box | None = None,
        look_at: int | None = None,
        axis: int | None = None,
    ) -> Steps:
        """Segment a volume, or a series of them, yielding progress; closing it cancels.

        The result is that of the network on the whole zero-padded volume, however it is computed.
        Gate maps are yielded as soon as they are complete, coarsest first, then the mask part by
        part. A plane that is sent into the generator is the one to go on from.

        Parameters
        ----------
        volumes
            One volume, or the time points of a series, each segmented on its own.
        probabilities
            Keep the probability of every class.
        threshold
            (label, probability): give that label to every voxel where its probability is at least
            this, and to no other. None gives each voxel its most probable class.
        region
            Compute this box only, slices (z, y, x) with a start and a stop: the same as that box
            of the whole result, intensities being normalised over the whole volume. (A volume
            that was `cropped` is another thing: a volume of its own.)
        look_at
            The plane to begin with. The others follow outwards.
        axis
            The axis (0, 1, 2 for z, y, x) of `look_at`, 0 by default.

        Returns
        -------
        Prediction
            On the input's own grid, or the region's part of it.

        Raises
        ------
        AttnUNetError
            If a volume is not what the network takes, before any work on it.
        """
        series = [volumes] if isinstance(volumes, Volume) else list(volumes)
        if not series:
            msg = "A series needs at least one time point, but it is empty."
            raise ConfigError(msg)
        self._check_threshold(threshold)
        _check_box(region, look_at, axis, series[0].shape)
        if look_at is not None and axis is None:
            axis = 0
        results = []
        for i, volume in enumerate(series):
            job = _Job(self.checkpoint, volume, probabilities, threshold, region)
            steps = self._one(job, look_at, axis)
            where = f"time point {i + 1} of {len(series)} · " if len(series) > 1 else ""
            wish: int | None = None
            while True:
                try:
                    p = steps.send(wish)
                except StopIteration as stop:
                    results.append(stop.value)
                    break
                wish = yield replace(
                    p, phase=where + p.phase, done=(i + p.done) / len(series), time_point=i
                )
                look_at = look_at if wish is None else wish
        return results[0] if len(results) == 1 else stack(results)

    def _check_threshold(self, threshold: tuple[int, float] | None) -> None:
        if threshold is not None and (
            not 0 < threshold[0] < self.checkpoint.config.classes or not 0 <= threshold[1] <= 1
        ):
            msg = (
                f"A threshold needs a label from 1 to {self.checkpoint.config.classes - 1} and a "
                f"probability from 0 to 1, but got {threshold}."
            )
            raise ConfigError(msg)

    def _one(self, job: _Job, look_at: int | None, axis: int | None) -> Steps:
        yield Progress("preparing the image", 0.0)
        job.prepare()
        limit = self._limit()
        message = ""
        while True:
            network_axis = None
            if axis is not None:
                network_axis = job.prepared.network_plane(axis, 0)[0]
            plan = self._plan(job.context_shape, network_axis, limit, job.result_bytes)
            try:
                yield from self._evaluate(job, plan, look_at, axis, message)
                break
            except torch.OutOfMemoryError:
                # What a GPU says is free is not always to be had in one piece.
                limit = plan.bytes_needed - 1
                message = f"{self.device} was out of memory, now in smaller parts: "
        return job.result(plan, str(self.device), self.precision)

    def _evaluate(
        self, job: _Job, plan: Plan, look_at: int | None, axis: int | None, message: str
    ) -> Generator[Progress, int | None, None]:
        def place(plane: int | None) -> int | None:
            if plane is None or axis is None:
                return None
            return job.prepared.network_plane(axis, plane)[1]

        job.start()
        steps = evaluate(
            self._network,
            job.prepared.data,
            plan,
            look_at=place(look_at),
            region=job.network_region,
        )
        phase = f"{message}running the network ({plan.description})"
        wish: int | None = None
        event: Event | None = None
        while True:
            try:
                event = steps.send(place(wish) if event is not None else None)
            except StopIteration:
                return
            gate = None if event.gate is None else job.add_gate(*event.gate)
            part = None if event.logits is None else job.add_logits(*event.logits)
            wish = yield Progress("finishing" if event.done >= 1 else phase, event.done, gate, part)


class _Job:
    """One volume on its way through a run: what is wanted, and what is there of it so far."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        volume: Volume,
        probabilities: bool,
        threshold: tuple[int, float] | None,
        region: Box | None,
    ) -> None:
        self.checkpoint, self.volume = checkpoint, volume
        self.wants_probabilities, self.threshold = probabilities, threshold
        self.region: Box = region or _whole(volume.shape)
        self.has_region = region is not None

    def prepare(self) -> None:
        """Look through the volume; what the network cannot take is refused here."""
        card = self.checkpoint.card
        self.prepared = prepare(self.volume, card.preprocessing, self.checkpoint.config.in_channels)
        self.network_region = self.prepared.network_box(self.region) if self.has_region else None

    @property
    def context_shape(self) -> tuple[int, int, int]:
        """Size of the part of the network's grid that is evaluated."""
        z, y, x = (
            s.stop - s.start
            for s in context(self.checkpoint.config, self.prepared.shape, self.network_region)
        )
        return z, y, x

    @property
    def result_bytes(self) -> int:
        """Bytes of the mask, the gate maps and, where they are kept, the probabilities."""
        mask = math.prod(s.stop - s.start for s in self.region)
        size = self.context_shape if self.has_region else self.prepared.shape
        gates = sum(
            4 * math.prod(map_size(size, k)) for k in range(1, self.checkpoint.config.levels)
        )
        maps: int = 0
        if self.prepared.is_resampled:
            maps = math.prod(self.prepared.shape) + math.prod(self.volume.shape)
        elif self.wants_probabilities:
            maps = mask
        return int(mask + gates + 4 * self.checkpoint.config.classes * maps)

    def start(self) -> None:
        """Begin with an empty result."""
        classes = self.checkpoint.config.classes
        self.gates: list[GateMap] = []
        self.maps: npt.NDArray[np.float32] | None = None
        size = tuple(s.stop - s.start for s in self.region)
        self.mask = np.zeros(size, np.uint8)
        if self.prepared.is_resampled:  # the way back to another grid goes by probabilities
            self.maps = np.zeros((classes, *self.prepared.shape), np.float32)
        elif self.wants_probabilities:
            self.maps = np.zeros((classes, *size), np.float32)

    def add_gate(self, level: int, alpha: Tensor) -> GateMap:
        """Take in a map (Z, Y, X) of the network's grid; return it on the input's axes."""
        box = self.network_region or _whole(self.prepared.shape)
        z, y, x = (s.start >> level for s in box)
        gate = GateMap(*self.prepared.restore_gate(alpha.numpy(), level, (z, y, x)), level)
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
        if self.maps is not None or self.threshold is not None:
            logits = torch.softmax(logits, dim=0)
        if self.maps is not None:
            probabilities = back.apply(logits.cpu().numpy())
            self.maps[:, z, y, x] = probabilities
        mask = back.apply(label_map(logits, self.threshold))
        self.mask[z, y, x] = mask
        return Part((z, y, x), mask, probabilities)

    def result(self, plan: Plan, device: str, precision: str) -> Prediction:
        """Return the prediction once everything has been taken in."""
        maps, mask = self.maps, self.mask
        if maps is not None and self.prepared.is_resampled:
            maps = self.prepared.restore(maps)[(slice(None), *self.region)]
            mask = label_map(torch.from_numpy(np.ascontiguousarray(maps)), self.threshold)
        card = self.checkpoint.card
        start = [s.start for s in self.region]
        geometry = self.volume.geometry
        return Prediction(
            mask=mask,
            geometry=geometry.regridded((1, 1, 1), start) if self.has_region else geometry,
            classes=tuple((c.name, c.colour) for c in card.classes),
            gates=tuple(sorted(self.gates, key=lambda gate: gate.level)),
            probabilities=maps if self.wants_probabilities else None,
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
                "threshold": self.threshold,
                "versions": {"napari-attn-unet": __version__, "torch": torch.__version__},
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            metadata=self.volume.metadata,
        )


def _whole(size: tuple[int, int, int]) -> Box:
    z, y, x = (slice(0, n) for n in size)
    return z, y, x


def _check_box(
    region: Box | None, look_at: int | None, axis: int | None, size: tuple[int, int, int]
) -> None:
    for name, part, n in zip("zyx", region or (), size, strict=False):
        if part.start is None or part.stop is None or not 0 <= part.start < part.stop <= n:
            msg = (
                f"A region needs a start and a stop within the volume along every axis, but along "
                f"{name} it is {part.start} to {part.stop}, and the volume has {n} planes."
            )
            raise ConfigError(msg)
    if axis not in (None, 0, 1, 2) or (look_at is not None and not 0 <= look_at < size[axis or 0]):
        msg = f"There is no plane {look_at} along axis {axis} of a volume of {size}."
        raise ConfigError(msg)


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
