"""`ResumeFile`: what a stopped run goes on from, and whose it is.

It lies beside the checkpoint to come and is written after every epoch, whole or not at all. It
says of which run it is: going on with other images, classes or settings would be a run that
nobody can repeat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_attn_unet.errors import CheckpointError, DatasetError, FileError
from napari_attn_unet.io.datasets import Dataset
from napari_attn_unet.network.checkpoint import read_torch
from napari_attn_unet.output import replacing
from napari_attn_unet.training.config import TrainingConfig
from napari_attn_unet.training.data import Case
from napari_attn_unet.training.run import Run

Identity = dict[str, dict[str, str]]
"""What makes a run the same run: of each kind, names and what they stand for."""
CONTENTS = "images or labels"
_LISTED = 3
_ANEW = "Delete that file to start anew."


def resume_path(out: str | Path) -> Path:
    """Return where the state of a run that writes to `out` is kept."""
    out = Path(out)
    return out.with_name(f"{out.name}.resume")


def settings(dataset: Dataset, config: TrainingConfig) -> Identity:
    """Return what is known of a run's identity before a case is read."""
    return {
        "cases": {case.name: "" for case in dataset.cases},
        "classes": {str(k): name for k, name in enumerate(dataset.classes)},
        "settings": {
            "channels": str(dataset.channels),
            **{key: str(value) for key, value in asdict(config).items()},
        },
    }


def contents(cases: Iterable[Case]) -> Identity:
    """Return what the cases hold, as sums of their voxels and places."""
    return {CONTENTS: {case.name: _sum(case) for case in cases}}


def _sum(case: Case) -> str:
    result = hashlib.sha256(case.volume.geometry.unit.encode())
    for array in (case.image, case.label, case.truth, case.volume.geometry.affine):
        result.update(str(array.shape).encode())
        result.update(np.ascontiguousarray(array).data)
    return result.hexdigest()


class ResumeFile:
    """The file of one run.

    Parameters
    ----------
    out
        The checkpoint that the run will write.
    """

    def __init__(self, out: str | Path) -> None:
        self.path = resume_path(out)
        self._state: dict[str, Any] | None = None

    def check(self, identity: Identity) -> None:
        """Make sure that the file, if there is one, belongs to a run.

        Raises
        ------
        FileError
            If it is damaged, or something else.
        DatasetError
            If it is of another run; the message names what differs.
        """
        state = self._read()
        if state is None:
            return
        others = state["identity"]
        differences = [
            f"other {kind} ({told})"
            for kind, its in identity.items()
            if (told := _difference(others.get(kind, {}), its, of_sums=kind == CONTENTS))
        ]
        if differences:
            msg = (
                f"{self.path} is of a run with {' and '.join(differences)}. Repeat that run's "
                f"command to finish it, or choose another output. {_ANEW}"
            )
            raise DatasetError(msg)

    def restore(self, run: Run) -> bool:
        """Bring a run to where it was saved; return whether there was anything saved.

        Raises
        ------
        FileError
            If the file is damaged.
        """
        state = self._read()
        if state is None:
            return False
        try:
            run.load(state)
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise self._damaged() from error
        if not run.is_finite:
            raise self._damaged()
        self._state = None  # as large as the run itself
        return True

    def save(self, run: Run, identity: Identity) -> None:
        """Write everything that is needed to go on.

        Raises
        ------
        FileError
            If it cannot be written.
        """
        self._state = None
        # Through a file of Python's: torch's own writer turns a full disk into a RuntimeError.
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            torch.save({"identity": identity, **run.state()}, file)

    def remove(self) -> None:
        """Delete the file, if there is one."""
        self._state = None
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        if self._state is None and self.path.exists():
            try:
                state = read_torch(self.path)
            except (CheckpointError, OSError) as error:
                raise self._damaged() from error
            needed = {"identity", "epoch", "network", "average", "optimiser", "schedule"}
            if not isinstance(state, dict) or not needed <= set(state):
                raise self._damaged()
            identity = state["identity"]
            if not isinstance(identity, dict) or not all(
                isinstance(its, dict) for its in identity.values()
            ):
                raise self._damaged()
            self._state = state
        return self._state

    def _damaged(self) -> FileError:
        msg = (
            f"{self.path} is damaged or incomplete, or of another version of this program: "
            f"training cannot go on from it. {_ANEW}"
        )
        return FileError(msg)


def _difference(before: Mapping[str, str], now: Mapping[str, str], *, of_sums: bool) -> str:
    """Return in what two mappings differ, in words; "" where in nothing. Sums are not told."""
    told = []
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if old is None or new is None:
            told.append(f"{key} {new or ''}".strip() + (" is new" if old is None else " is gone"))
        elif of_sums:
            told.append(f"{key} has changed")
        else:
            told.append(f"{key} was {old}, is {new}")
    more = f" and {len(told) - _LISTED} more" if len(told) > _LISTED else ""
    return "; ".join(told[:_LISTED]) + more
