"""Running the network again on what is inspected: the same checkpoint, image and place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_attn_unet.errors import RunError
from napari_attn_unet.network.card import read_card
from napari_attn_unet.network.library import bundled
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import queue
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.placement import Placement
from napari_attn_unet.plugin.results import at_time
from napari_attn_unet.volume import Volume

if TYPE_CHECKING:
    from napari_attn_unet.engine.predictor import Predictor
    from napari_attn_unet.engine.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run needs, read from the layers on the window's thread."""

    checkpoint: Path
    device: str
    precision: str
    source: Any
    volume: Volume
    placement: Placement


class Runs:
    """Runs the network of the result that is inspected; keeps what knock-outs share.

    Parameters
    ----------
    state
        What is inspected.
    settings
        Of the Segment widget: the checkpoints that are known, and the memory limit.
    """

    def __init__(self, state: State, settings: Settings) -> None:
        self._state, self._settings = state, settings
        self.checkpoints = settings.checkpoints
        self._run: Run | None = None
        self._session: Session | None = None
        state.chosen.connect(self._chosen)
        state.dock.on_close(self.forget)

    def prepare(self) -> Run:
        """Return what a run of the chosen result needs.

        Raises
        ------
        RunError
            If nothing is chosen, or the checkpoint or the image is not what was run.
        """
        state = self._state
        if state.image is None or state.result is None:
            msg = "Choose an image and a result first: press Segment in the Segment widget."
            raise RunError(msg)
        about = state.result.provenance
        if about.get("region") is not None:
            msg = "This result is of some slices only. Segment the whole image to knock out gates."
            raise RunError(msg)
        path = self._find(about)
        card = read_card(path)
        volumes, placement = layers.to_volumes(state.image, card.in_channels)
        volume = volumes[0]
        if len(volumes) > 1:  # the time point on screen
            volume = Volume(at_time(state.image, state.viewer)[np.newaxis], volume.geometry)
        mask = state.result.mask
        if mask is not None and tuple(mask.data.shape[-3:]) != volume.shape:
            msg = (
                f"The result was made of a part of {state.image.name!r} (a box). Crop the image "
                "into a layer of its own and segment that, to knock out its gates."
            )
            raise RunError(msg)
        run = Run(
            path,
            str(about.get("device", "auto")),
            str(about.get("precision", "f32")),
            state.image.data,
            volume,
            placement.in_space(),
        )
        last = self._run
        if (
            last is not None
            and last.source is run.source
            and state.image.ndim == 3  # noqa: PLR2004
            and last.volume.name == volume.name
            and np.array_equal(last.volume.geometry.affine, volume.geometry.affine)
        ):
            run = replace(run, volume=last.volume)  # the predictor knows it again
        self._run = run
        return run

    def _find(self, about: Mapping[str, Any]) -> Path:
        """Return the file of the checkpoint that a provenance names."""
        name, wanted = about.get("checkpoint_file"), about.get("checkpoint_sha256")
        for _, path in self.checkpoints():
            if Path(path).name == name and _sha256(Path(path)) == wanted:
                return Path(path)
        msg = (
            f"The checkpoint {about.get('checkpoint')!r} ({name}) that made this result is not "
            "known here any more. Open it in the Segment widget with Browse…."
        )
        raise RunError(msg)

    def checkpoint_argument(self, about: Mapping[str, Any]) -> str:
        """Return what a command calls the checkpoint of a provenance: its name, or its file."""
        try:
            path = self._find(about)
        except RunError:  # not known here any more
            return str(about.get("checkpoint_file") or "CHECKPOINT.safetensors")
        return path.stem if path in bundled().values() else str(path)

    def predictor(self, run: Run) -> Predictor:
        """Return the predictor of a run; torch is loaded here, so call it on a thread."""
        limit = int(self._settings.number("memory_gb", 0.0) * 1e9) or None
        return queue.load(run.checkpoint, run.device, run.precision, limit)

    def session(self, run: Run, axis: int | None = None) -> Session:
        """Return the session of a run, which keeps what knock-outs need; call it on a thread."""
        predictor, session = self.predictor(run), self._session
        if (
            session is None
            or session.predictor is not predictor
            or session.volume is not run.volume
            or session.axis != axis
        ):
            self._session = None  # give its memory back first
            session = self._session = predictor.session(run.volume, axis=axis, keep="gates")
        return session

    def _chosen(self) -> None:
        image = self._state.image
        if self._run is not None and (image is None or image.data is not self._run.source):
            self.forget()

    def forget(self) -> None:
        """Give the memory back."""
        self._run = self._session = None


@lru_cache(maxsize=32)
def _sha256_of(path: Path, stamp: int) -> str:  # noqa: ARG001  (a file that changed is another)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sha256(path: Path) -> str:
    return _sha256_of(path, path.stat().st_mtime_ns)
