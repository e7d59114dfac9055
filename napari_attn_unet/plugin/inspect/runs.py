"""Running the network again on what is inspected: the same checkpoint, image and place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]  # made by qtpy

from napari_attn_unet.engine.devices import available_devices
from napari_attn_unet.errors import AttnUNetError, DeviceError, RunError
from napari_attn_unet.network.card import read_card
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import queue
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.placement import Placement
from napari_attn_unet.plugin.results import time_on_screen
from napari_attn_unet.volume import Volume

if TYPE_CHECKING:
    from napari_attn_unet.engine.predictor import Predictor
    from napari_attn_unet.engine.session import Session


@dataclass(frozen=True, slots=True)
class Known:
    """The files here that may hold a checkpoint. Which of them does, only reading them tells.

    Attributes
    ----------
    name
        What the checkpoint is called.
    paths
        Files of its file's name.
    sha256
        Of its file; None for whichever there is.
    """

    name: str
    paths: tuple[Path, ...]
    sha256: str | None = None

    def find(self) -> Path:
        """Return the file; a large one takes a while to read, so call it on a thread.

        Raises
        ------
        RunError
            If none of the files holds it, or they cannot be read.
        """
        try:
            for path in self.paths:
                if self.sha256 is None or _sha256(path) == self.sha256:
                    return path
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror or error}."
            raise RunError(msg) from error
        raise self._unknown()

    @property
    def in_channels(self) -> int:
        """Channels that the network takes, read from the first of the files that tells them.

        Raises
        ------
        AttnUNetError
            If there are no files, or none has a card.
        """
        refused: AttnUNetError | None = None
        for path in self.paths:
            try:
                return read_card(path).in_channels
            except AttnUNetError as error:
                refused = error
        raise refused or self._unknown()

    def _unknown(self) -> RunError:
        msg = (
            f"The checkpoint {self.name} that made this result is not known here any more. Open it "
            "in the Segment widget with Browse…."
        )
        return RunError(msg)


class _Told(QObject):
    """Carries words from a run's thread to the window's."""

    said = Signal(str)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run needs, read from the layers on the window's thread."""

    checkpoint: Known
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
        Of the Segment widget: the checkpoints that are known, device and memory limit.
    say
        Called, on the window's thread, with what the user should know of a run that goes on.
    """

    def __init__(
        self, state: State, settings: Settings, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._state, self._settings = state, settings
        self._told = _Told()
        self._told.said.connect(say)
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
        known = self.known(about)
        volumes, placement = layers.to_volumes(state.image, known.in_channels)
        volume = volumes[time_on_screen(state.image, state.viewer) if len(volumes) > 1 else 0]
        mask = state.result.mask
        if mask is not None and tuple(mask.data.shape[-3:]) != volume.shape:
            msg = (
                f"The result was made of a part of {state.image.name!r} (a box). Crop the image "
                "into a layer of its own and segment that, to knock out its gates."
            )
            raise RunError(msg)
        # What is shown of it stands with the result, which may be of a file of another name.
        placement = replace(placement.in_space(), name=str(about.get("image", placement.name)))
        run = Run(
            known,
            str(about.get("device", "auto")),
            str(about.get("precision", "f32")),
            state.image.data,
            volume,
            placement,
        )
        last = self._run
        if (
            last is not None
            and last.source is run.source
            and state.image.ndim == 3  # noqa: PLR2004
            and last.volume.name == volume.name
            and last.volume.geometry.is_same(volume.geometry)
        ):
            run = replace(run, volume=last.volume)  # the predictor knows it again
        self._run = run
        return run

    def known(self, about: Mapping[str, Any]) -> Known:
        """Return the files that may hold the checkpoint that a provenance names."""
        file = about.get("checkpoint_file")
        paths = (Path(path) for _, path in self.checkpoints())
        return Known(
            f"{about.get('checkpoint')!r} ({file})",
            tuple(path for path in paths if path.name == file),
            about.get("checkpoint_sha256"),
        )

    @property
    def memory_limit(self) -> int | None:
        """Bytes that a run may take, as chosen in the Segment widget; None where nothing is."""
        return int(self._settings.number("memory_gb", 0.0) * 1e9) or None

    def predictor(self, run: Run) -> Predictor:
        """Return the predictor of a run; torch is loaded here, so call it on a thread.

        A device that this machine lacks is replaced by the one chosen in the Segment widget, and
        the user told: a result may come from another machine.

        Raises
        ------
        AttnUNetError
            If the checkpoint is not known here any more, or cannot be loaded.
        """
        limit = self.memory_limit
        path = run.checkpoint.find()
        try:
            return queue.load(path, run.device, run.precision, limit)
        except DeviceError:
            chosen = str(self._settings.value("device", "auto"))
            here = chosen if chosen in available_devices() else "auto"
            predictor = queue.load(path, here, run.precision, limit)
        self._told.said.emit(
            f"The result was made on {run.device}, which this machine does not have: it is run "
            f"again on {predictor.device}."
        )
        return predictor

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
