"""`Predictor`: a volume in, a `Prediction` out. Whoever reads this file has read the program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from napari_attn_unet.engine import devices
from napari_attn_unet.engine.kernels import fold
from napari_attn_unet.engine.planning import Budget
from napari_attn_unet.engine.request import Keep, Wanted
from napari_attn_unet.engine.session import Session
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.network import checkpoint
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.prediction import Prediction, Steps, finish, relay, stack
from napari_attn_unet.volume import Box, Volume


class Predictor:
    """Runs a checkpoint's network on whole volumes. It never changes; a `Session` keeps.

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

    Attributes
    ----------
    checkpoint
        Weights and card.
    device, precision, memory_limit
        Where it computes (a `torch.device`), with which numbers, in how much memory.
    network
        The network, ready for evaluation there.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be loaded.
    DeviceError
        If the device or precision does not exist here.
    ConfigError
        If the memory limit is no positive number.
    """

    def __init__(
        self,
        source: Checkpoint | str | Path,
        device: str = "auto",
        precision: str = "f32",
        memory_limit: int | None = None,
    ) -> None:
        if memory_limit is not None and not memory_limit > 0:
            msg = (
                f"memory_limit needs a positive number of bytes, but got {memory_limit}. "
                "None takes a share of what is free."
            )
            raise ConfigError(msg)
        dtype = devices.pick_dtype(precision)
        self.checkpoint = source if isinstance(source, Checkpoint) else checkpoint.load(source)
        self.device = devices.pick_device(device)
        self.precision, self.memory_limit = precision, memory_limit
        self.network = fold(self.checkpoint.network(), self.device, dtype)

    def budget(self) -> Budget:
        """Return what a run may take now."""
        return devices.budget(self.precision, self.memory_limit, self.device)

    def session(
        self, volume: Volume, *, axis: int | None = None, keep: Keep | None = None
    ) -> Session:
        """Return a session for several runs on one volume; see `Session`."""
        return Session(self, volume, axis, keep)

    def predict(
        self,
        volumes: Volume | Sequence[Volume],
        *,
        probabilities: bool = False,
        threshold: tuple[int, float] | None = None,
        region: Box | None = None,
        store: str | Path | None = None,
    ) -> Prediction:
        """Segment a volume, or each time point of a series, to the end.

        Parameters
        ----------
        volumes
            One volume, or the time points of a series.
        probabilities, threshold, region, store
            As of `Session.run`.

        Returns
        -------
        Prediction
            On the input's own grid; with a leading time axis for a series.

        Raises
        ------
        AttnUNetError
            If a volume is not what the network takes, before any work on it.
        MemoryLimitError
            If even the smallest plan needs more than the limit.
        """
        return finish(
            self.steps(
                volumes,
                probabilities=probabilities,
                threshold=threshold,
                region=region,
                store=store,
            )
        )

    def steps(
        self,
        volumes: Volume | Sequence[Volume],
        *,
        axis: int | None = None,
        look_at: int | None = None,
        **wanted: Unpack[Wanted],
    ) -> Steps[Prediction]:
        """Segment a volume, or a series of them, yielding progress; closing it cancels.

        Parameters
        ----------
        volumes
            One volume, or the time points of a series, each segmented on its own.
        axis
            The axis (0, 1, 2 for z, y, x) of `look_at`, 0 by default.
        look_at
            The plane to begin with, in every time point. A plane that is sent in takes its place.
        **wanted
            As of `Session.run`; `store` is not for a series.

        Returns
        -------
        Prediction
            As of `predict`.

        Raises
        ------
        AttnUNetError
            If a volume is not what the network takes, before any work on it.
        MemoryLimitError
            If even the smallest plan needs more than the limit.
        """
        series = [volumes] if isinstance(volumes, Volume) else list(volumes)
        if not series or not all(isinstance(volume, Volume) for volume in series):
            msg = (
                f"A Volume is needed, but got {type(volumes).__name__}. "
                "Wrap an array (Z, Y, X) as Volume(array[None])."
            )
            raise ConfigError(msg)
        if len(series) == 1:
            return (yield from self.session(series[0], axis=axis).run(look_at=look_at, **wanted))
        if wanted.get("store") is not None:
            msg = f"store takes one volume, but got a series of {len(series)}."
            raise ConfigError(msg)
        look = [look_at]
        results = []
        for i, volume in enumerate(series):
            part = relay(
                self.session(volume, axis=axis).run(look_at=look[-1], **wanted),
                f"time point {i + 1} of {len(series)}",
                (i / len(series), (i + 1) / len(series)),
                time_point=i,
                heard=look.append,
            )
            results.append((yield from part))
        return stack(results)
