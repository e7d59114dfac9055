"""Running the network again on what is inspected: the same checkpoint, image and place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_attn_unet.errors import RunError
from napari_attn_unet.network.card import read_card
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.results import at_time
from napari_attn_unet.volume import Volume

if TYPE_CHECKING:
    from napari_attn_unet.engine.predictor import Predictor
    from napari_attn_unet.engine.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run needs, read from the layers on the window's thread."""

    checkpoint: Path
    sha256: str
    device: str
    precision: str
    source: Any
    volume: Volume
    placement: layers.Placement


class Runs:
    """Keeps the predictor of the result that is inspected, and what that has kept.

    Parameters
    ----------
    state
        What is inspected.
    checkpoints
        Returns (name, path) of the checkpoints that are known here.
    """

    def __init__(self, state: State, checkpoints: Any) -> None:
        self._state, self.checkpoints = state, checkpoints
        self._run: Run | None = None
        self._predictor: tuple[Run, Predictor] | None = None
        self._session: Session | None = None

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
            str(about.get("checkpoint_sha256")),
            str(about.get("device", "auto")),
            str(about.get("precision", "f32")),
            state.image.data,
            volume,
            placement.in_space(),
        )
        last = self._run
        if last is not None and (last.checkpoint, last.precision) == (path, run.precision):
            same = last.source is run.source and state.image.ndim == 3  # noqa: PLR2004
            if same and np.array_equal(last.volume.geometry.affine, volume.geometry.affine):
                return last  # the predictor knows its volume again
        self._run = run
        return run

    def _find(self, about: dict[str, Any]) -> Path:
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

    def predictor(self, run: Run) -> Predictor:
        """Return the predictor of a run; torch is loaded here, so call it on a thread."""
        from napari_attn_unet.engine.predictor import Predictor  # noqa: PLC0415  (torch)

        if self._predictor is None or self._predictor[0] is not run:
            self._predictor = self._session = None
            self._predictor = run, Predictor(run.checkpoint, run.device, run.precision)
        return self._predictor[1]

    def session(self, run: Run, axis: int | None = None) -> Session:
        """Return the session of a run, which keeps what knock-outs need; call it on a thread."""
        predictor = self.predictor(run)
        if self._session is None or self._session.axis != axis:
            self._session = predictor.session(run.volume, axis=axis, keep="gates")
        return self._session

    def forget(self) -> None:
        """Give the memory back."""
        self._run = self._predictor = self._session = None


def _sha256(path: Path) -> str:
    import hashlib  # noqa: PLC0415  (once, on a click)

    return hashlib.sha256(path.read_bytes()).hexdigest()
