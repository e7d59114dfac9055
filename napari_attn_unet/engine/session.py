"""`Session`: one volume on a predictor, prepared once, with what is kept from run to run."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.memory import features_bytes
from napari_attn_unet.engine.plan import Plan
from napari_attn_unet.engine.planning import Budget, plan_run
from napari_attn_unet.engine.preprocessing import Prepared, prepare
from napari_attn_unet.engine.request import Keep, Request, check_keep
from napari_attn_unet.engine.result import Collected
from napari_attn_unet.engine.streaming import Features, evaluate
from napari_attn_unet.io.ome_zarr import open_store
from napari_attn_unet.prediction import Prediction, Progress, Steps
from napari_attn_unet.volume import Box, Volume

if TYPE_CHECKING:
    from napari_attn_unet.engine.predictor import Predictor


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """Features, and the plan's axis they were made along."""

    features: Features
    axis: int


class Session:
    """One volume on a predictor, prepared once, with what is kept from run to run.

    Made by `Predictor.session`. Whoever holds it holds the memory; `close` gives it back.

    Parameters
    ----------
    predictor, volume
        What is run, on what.
    axis
        The axis (0, 1, 2 for z, y, x) of the planes that runs look at. None looks at none.
    keep
        What to keep for further runs, if the memory limit has room for it. "regions": the features
        below the finest level, about a tenth of what the whole volume takes; a further region then
        costs its share of the finest level only; what changes a deeper gate than the finest makes
        no use of them, and they are forgotten. "gates": what every decoder stage takes in, some
        three times as much; a run with interventions then costs the decoder from the deepest
        changed gate upwards.

    Raises
    ------
    ConfigError
        If `keep` is none of these.
    """

    def __init__(
        self,
        predictor: Predictor,
        volume: Volume,
        axis: int | None = None,
        keep: Keep | None = None,
    ) -> None:
        check_keep(keep)
        self.predictor, self.volume, self.axis, self.keep = predictor, volume, axis, keep
        self.frame = Frame.of(volume, predictor.checkpoint.card.preprocessing)
        self._prepared: Prepared | None = None
        self._kept: _Kept | None = None
        self._has_room = True

    @property
    def has_kept(self) -> bool:
        """Whether what further runs can make use of is there."""
        return self._kept is not None and self._kept.features.is_filled

    @property
    def kept_axis(self) -> int | None:
        """The network's axis of what is kept, None if nothing is."""
        return self._kept.axis if self._kept is not None and self.has_kept else None

    @property
    def can_fill(self) -> bool:
        """Whether a run without interventions would keep what is not there yet."""
        local = self.predictor.checkpoint.config.is_local
        return self.keep is not None and local and self._has_room and not self.has_kept

    def close(self) -> None:
        """Forget what was prepared and kept; a further run does it again."""
        self._prepared = self._kept = None

    def run(  # noqa: PLR0913  (each is named by its caller)
        self,
        *,
        probabilities: bool = False,
        threshold: tuple[int, float] | None = None,
        region: Box | None = None,
        look_at: int | None = None,
        store: str | Path | None = None,
        interventions: Mapping[int, Intervention] | None = None,
    ) -> Steps[Prediction]:
        """Segment the volume, yielding progress; closing it cancels.

        The result is that of the network on the whole zero-padded volume, however it is computed.
        Gate maps are yielded as soon as they are complete, coarsest first, then the mask part by
        part. A plane that is sent into the generator is the one to go on from.

        Parameters
        ----------
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
            The plane of the session's axis (z if it has none) to begin with. The others follow
            outwards.
        store
            A new zarr folder for the gate maps and, if wanted, the probabilities, which the
            prediction then holds as zarr arrays; written while the run goes on.
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
            If the volume is not what the network takes, before any work on it.
        MemoryLimitError
            If even the smallest plan needs more than the limit.
        """
        axis = 0 if self.axis is None and look_at is not None else self.axis
        folder = None if store is None else Path(store)
        request = Request(
            probabilities, threshold, region, look_at, folder, dict(interventions or {})
        )
        checkpoint = self.predictor.checkpoint
        request.check(checkpoint.config, self.volume.shape, axis or 0)
        group = None if folder is None else open_store(folder)
        sent = yield Progress("preparing the image", 0.0)
        if sent is not None:
            request = replace(request, look_at=sent)
        if self._prepared is None:
            spec, channels = checkpoint.card.preprocessing, checkpoint.config.in_channels
            self._prepared = prepare(self.volume, spec, channels)
        budget, message = self.budget(), ""
        while True:
            plan, keeps = plan_run(
                checkpoint.config,
                self.frame,
                request,
                budget,
                axis=axis,
                keep=self.keep,
                kept_axis=self.kept_axis,
            )
            if not request.interventions:
                self._has_room = keeps
            if not keeps or self.keep is None:
                self._kept = None
            elif self._kept is None or not self.has_kept:
                self._kept = _Kept(Features(self.keep), plan.axis)
            kept = self._kept
            collected = Collected(checkpoint, self.volume, self.frame, request, group)
            try:
                yield from self._evaluate(request, plan, axis, collected, message)
            except torch.OutOfMemoryError:
                # What a GPU says is free is not always to be had in one piece.
                budget = replace(budget, limit=plan.bytes_needed - 1)
                message = f"{self.predictor.device} was out of memory, now in smaller parts: "
                self._kept = None
                del collected  # before the next takes its place
            else:
                break
            finally:
                # Half made, it is of no use to a further run, but large.
                if self._kept is kept and not self.has_kept:
                    self._kept = None
        return collected.prediction(plan, str(self.predictor.device), self.predictor.precision)

    def budget(self) -> Budget:
        """Return what a run may take: of what is free, if no limit is given, and what is kept."""
        budget = self.predictor.budget()
        if self.predictor.memory_limit is None and self.has_kept and self.keep is not None:
            config, size = self.predictor.checkpoint.config, self.frame.shape
            kept = features_bytes(config, size, budget.itemsize, self.keep)
            budget = replace(budget, limit=budget.limit + kept)
        return budget

    def _evaluate(
        self, request: Request, plan: Plan, axis: int | None, collected: Collected, message: str
    ) -> Generator[Progress, int | None, None]:
        frame, prepared = self.frame, self._prepared
        assert prepared is not None  # noqa: S101  (for the type checker: `run` has seen to it)

        def place(plane: int | None) -> int | None:
            """Return the network's plane of a plane of the volume."""
            along = None if plane is None or axis is None else frame.network_plane(axis, plane)
            return None if along is None else along[1]

        steps = evaluate(
            self.predictor.network,
            prepared.data,
            plan,
            look_at=place(request.look_at),
            region=None if request.region is None else frame.network_box(request.region),
            features=None if self._kept is None else self._kept.features,
            interventions=request.interventions,
        )
        phase = f"{message}running the network"
        wish: int | None = None
        while True:
            try:
                event = steps.send(wish)
            except StopIteration:
                return
            gate = None if event.gate is None else collected.add_gate(*event.gate)
            part = None if event.logits is None else collected.add_logits(*event.logits)
            told = "finishing" if event.done >= 1 else phase
            wish = place((yield Progress(told, event.done, gate, part)))
