"""`Predictor`: a volume in, a `Prediction` out. Whoever reads this file has read the program."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from napari_attn_unet.engine.devices import PRECISIONS, default_limit, pick_device
from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.job import Job, Part, Request
from napari_attn_unet.engine.kernels import fold
from napari_attn_unet.engine.planning import Plan, choose_plan, features_bytes
from napari_attn_unet.engine.preprocessing import Prepared
from napari_attn_unet.engine.streaming import Event, Features, evaluate
from napari_attn_unet.errors import ConfigError, DeviceError, MemoryLimitError
from napari_attn_unet.network import checkpoint
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.prediction import GateMap, Prediction, stack
from napari_attn_unet.volume import Box, Volume


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


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """What another region of the same volume, cut along the same axis, need not compute again."""

    volume: Volume
    axis: int | None
    prepared: Prepared
    plan_axis: int
    features: Features
    size: int

    def serves(self, job: Job) -> bool:
        """Whether a run can make use of it."""
        request = job.request
        enough = self.features.every_level or (request.keep == "regions")
        same = self.volume is job.volume and self.axis == request.axis
        return same and enough and request.keep is not None


Steps = Generator[Progress, int | None, Prediction]


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
        self._kept: _Kept | None = None

    def plan(self, size: tuple[int, int, int], *, axis: int | None = None) -> Plan:
        """Return how a volume of `size` (Z, Y, X), on the network's grid, would be evaluated.

        Raises
        ------
        MemoryLimitError
            If even the smallest plan does not fit.
        """
        return self._plan(size, axis, self._limit(), 0)

    def _limit(self) -> int:
        return default_limit(self.device) if self.memory_limit is None else self.memory_limit

    def _plan(self, size: tuple[int, int, int], axis: int | None, limit: int, kept: int) -> Plan:
        itemsize = PRECISIONS[self.precision].itemsize
        if self.device.type != "cpu":  # the limit is the device's, the result is not there
            kept = 0
        return choose_plan(self.checkpoint.config, size, itemsize, limit, axis, kept)

    @property
    def has_kept(self) -> bool:
        """Whether deeper features of the last volume run with `keep` are there."""
        return self._kept is not None and self._kept.features.is_filled

    def has_kept_of(self, volume: Volume) -> bool:
        """Whether what runs of this volume with interventions need is there."""
        kept = self._kept
        return self.has_kept and kept is not None and kept.volume is volume

    def predict(
        self,
        volumes: Volume | Sequence[Volume],
        *,
        probabilities: bool = False,
        threshold: tuple[int, float] | None = None,
        region: Box | None = None,
        store: str | Path | None = None,
    ) -> Prediction:
        """Run to the end; see `steps`."""
        steps = self.steps(
            volumes, probabilities=probabilities, threshold=threshold, region=region, store=store
        )
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
        keep: str | None = None,
        store: str | Path | None = None,
        interventions: Mapping[int, Intervention] | None = None,
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
        keep
            What to keep in this predictor for further runs of the same `Volume` with the same
            axis and `keep`, if the memory limit has room for it. "regions": the features below
            the finest level, about a tenth of what the whole volume takes; a further region then
            costs its share of the finest level only. "gates": what every decoder stage takes in,
            some three times as much; a run with `interventions` then costs the decoder from the
            deepest changed gate upwards. Not for a series.
        store
            A new zarr folder for the gate maps and, if wanted, the probabilities, which the
            prediction then holds as zarr arrays; written while the run goes on. Not for a series.
        interventions
            Changes of gate maps, by the gate's level, from 1, the finest. Finer gates see what
            follows from a change. The prediction's maps are the changed ones.

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
        if not series or not all(isinstance(volume, Volume) for volume in series):
            msg = (
                f"A Volume is needed, but got {type(volumes).__name__}. "
                "Wrap an array (Z, Y, X) as Volume(array[None])."
            )
            raise ConfigError(msg)
        if look_at is not None and axis is None:
            axis = 0
        folder = None if store is None else Path(store)
        request = Request(
            probabilities, threshold, region, look_at, axis, keep, folder, dict(interventions or {})
        )
        request.check(self.checkpoint.config, series)
        results = []
        for i, volume in enumerate(series):
            steps = self._one(Job(self.checkpoint, volume, request))
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
                if wish is not None:
                    request = replace(request, look_at=wish)
        return results[0] if len(results) == 1 else stack(results)

    def _one(self, job: Job) -> Steps:
        keep, axis, changes = job.request.keep, job.request.axis, job.request.interventions
        yield Progress("preparing the image", 0.0)
        kept = self._kept
        if kept is not None and not kept.serves(job):
            kept = self._kept = None
        job.prepare(kept.prepared if kept is not None else None)
        limit = self._limit()
        message = ""
        while True:
            network_axis = kept.plan_axis if kept is not None else None
            if network_axis is None and axis is not None:
                network_axis = job.prepared.network_plane(axis, 0)[0]
            if keep and kept is None and not changes:
                kept = self._room_for(job, network_axis, limit)
            shape = job.context_shape if kept is None else job.prepared.shape
            held = 0 if kept is None else kept.size
            plan = self._plan(shape, network_axis, limit, job.result_bytes + held)
            if kept is not None and kept.plan_axis != plan.axis:
                kept = None
            self._kept = kept  # now: a run that is cancelled later has filled it
            try:
                yield from self._evaluate(job, plan, message, kept)
                break
            except torch.OutOfMemoryError:
                # What a GPU says is free is not always to be had in one piece.
                limit = plan.bytes_needed - 1
                message = f"{self.device} was out of memory, now in smaller parts: "
                kept = self._kept = None
        return job.result(plan, str(self.device), self.precision)

    def _room_for(self, job: Job, axis: int | None, limit: int) -> _Kept | None:
        """Return empty features to fill, if the limit has room for them beside the run."""
        every_level = job.request.keep == "gates"
        size, config = job.prepared.shape, self.checkpoint.config
        itemsize = PRECISIONS[self.precision].itemsize
        held = features_bytes(config, size, itemsize, every_level=every_level)
        try:
            plan = self._plan(size, axis, limit, job.result_bytes + held)
        except MemoryLimitError:
            return None
        if every_level and plan.recomputed > 1:  # its skip connections are not kept as it is
            return None
        features = Features(every_level=every_level)
        return _Kept(job.volume, job.request.axis, job.prepared, plan.axis, features, held)

    def _evaluate(
        self, job: Job, plan: Plan, message: str, kept: _Kept | None
    ) -> Generator[Progress, int | None, None]:
        axis = job.request.axis

        def place(plane: int | None) -> int | None:
            if plane is None or axis is None:
                return None
            return job.prepared.network_plane(axis, plane)[1]

        job.start()
        steps = evaluate(
            self._network,
            job.prepared.data,
            plan,
            look_at=place(job.request.look_at),
            region=job.network_region,
            features=kept.features if kept is not None else None,
            interventions=job.request.interventions,
        )
        phase = f"{message}running the network"
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
