"""The command line that does without a window what Inspect does, as it is pasted into a shell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib import colormaps
from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_attn_unet import io
from napari_attn_unet.engine.devices import available_devices
from napari_attn_unet.errors import AttnUNetError, RunError
from napari_attn_unet.network.library import bundled
from napari_attn_unet.output import file_name, not_there_yet
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.look import look, shown_gate
from napari_attn_unet.plugin.inspect.runs import Runs
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.overlay.sides import PREFERENCE
from napari_attn_unet.plugin.results import time_on_screen
from napari_attn_unet.prediction import Progress

TOP = 5.0
"""Percent that the command takes unasked."""
_SPATIAL = 3


class CommandPart(QWidget):
    """A button that copies the command, and one that saves what it cannot read yet.

    Parameters
    ----------
    state, runs
        What is inspected, and how its network is run again.
    top
        Returns the share of the voxels, in percent, whose overlap Agreement counts.
    slices
        Returns the slices of the figure.
    folder
        Asks for a folder by a title, where files of some names go; see `output.folder_for`.
    say
        Called with messages for the user.
    """

    def __init__(  # noqa: PLR0913  (what the tab around it has)
        self,
        state: State,
        runs: Runs,
        top: Callable[[], float],
        slices: Callable[[], list[int]],
        folder: Callable[[str, Sequence[str]], Path | None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._state, self._runs = state, runs
        self._top, self._slices, self._folder, self._say = top, slices, folder, say
        self._saved: WeakKeyDictionary[Image | Labels, tuple[Any, Path]] = WeakKeyDictionary()
        self.copy = Task(
            state.dock,
            "Copy command",
            "Copy the command line that writes all of this without a screen, with the slices and "
            "looks of the figure; it runs as it is pasted into a shell.",
            self._prepare_copy,
            self._copy,
            say,
            network=lambda: False,
        )
        self.unsaved = Text()
        self.store = Task(
            state.dock,
            "Save for the command…",
            "Save as NIfTI what comes from no file, so that the command can read it.",
            self._prepare_store,
            self._stored,
            say,
            network=lambda: False,
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.copy, self.unsaved, self.store):
            column.addWidget(widget)
        state.chosen.connect(self._show_unsaved)
        self._show_unsaved()

    def file(self, layer: Image | Labels) -> Path | None:
        """Return the file that a command reads for a layer: its own, or what was saved for it."""
        data, path = self._saved.get(layer, (None, None))
        return path if path is not None and data is layer.data else file_of(layer)

    def missing(self) -> list[Image | Labels]:
        """Return which of image and truth a command cannot read yet."""
        state = self._state
        return [la for la in (state.image, state.truth) if la is not None and not self.file(la)]

    def _show_unsaved(self) -> None:
        missing = self.missing()
        self.store.setVisible(bool(missing))
        names = " and ".join(repr(layer.name) for layer in missing)
        come = "come" if len(missing) > 1 else "comes"
        self.unsaved.setText(
            f"{names} {come} from no file that a command can read: a NIfTI file of one volume. "
            "Save it first."
            if missing
            else ""
        )

    def _prepare_store(self) -> Any:
        state, missing = self._state, self.missing()
        if state.image is None or not missing:
            return None
        channels = 1
        if state.result is not None:
            channels = self._runs.known(state.result.provenance).in_channels
        volumes, _ = layers.to_volumes(state.image, channels)
        volume = volumes[time_on_screen(state.image, state.viewer) if len(volumes) > 1 else 0]
        truth = state.truth if state.truth in missing else None
        bring = state.labels_on_image(truth)
        names = {layer: f"{file_name(layer.name)}.nii.gz" for layer in missing}
        folder = self._folder("Save into", list(names.values()))
        if folder is None:
            return None
        places = {layer: not_there_yet(folder.absolute() / name) for layer, name in names.items()}

        def steps() -> workers.Work:
            yield Progress("writing", 0.0)
            for layer, path in places.items():
                values = volume.data if channels > 1 else volume.data[0]
                if layer is truth and bring is not None:
                    labels, metadata = bring().labels, volume.metadata
                    io.write(path, labels, volume.geometry, metadata, labels=True)
                else:
                    io.write(path, np.asarray(values), volume.geometry, volume.metadata)
                self._saved[layer] = layer.data, path
            return folder

        return steps

    def line(self, checkpoint: Path) -> str:
        """Return the command line that does all of this without a screen.

        It runs as it is pasted: with the files of image, truth and checkpoint, and with the
        figure's slices and looks.

        Raises
        ------
        RunError
            If image or truth come from no file.
        """
        state = self._state
        image = None if state.image is None else self.file(state.image)
        if state.image is None or image is None or self.missing():
            names = " and ".join(repr(layer.name) for layer in self.missing()) or "The image"
            msg = f"{names} must be a NIfTI file first: press '{self.store.button.text()}'."
            raise RunError(msg)
        about = state.result.provenance if state.result is not None else {}
        truth = None if state.truth is None else self.file(state.truth)
        axis, style, limit = state.axis, look(state), self._runs.memory_limit
        device = str(about.get("device", "auto"))
        gate = shown_gate(state)
        name = "attention" if gate is None else gate.colormap.name.split(" (")[0]
        limits = None if style.limits is None else ",".join(f"{v:.6g}" for v in style.limits)
        options = {
            "--truth": None if truth is None else str(truth),
            "--device": device if device in available_devices() else None,
            "--precision": "bf16" if about.get("precision") == "bf16" else None,
            "--memory-limit": None if limit is None else f"{limit / 1e9:g}GB",
            "--top": None if self._top() == TOP else f"{self._top():g}",
            "--axis": "zyx"[axis],
            "--slices": ",".join(map(str, self._slices())),
            "--orientation": PREFERENCE.value.removeprefix("as "),
            "--contrast": limits,
            "--colormap": name if name in colormaps else None,
            "--opacity": f"{style.opacity:g}",
        }
        out = f"inspect_{file_name(state.image.name)}"
        return inspect_command(image, out, checkpoint_name(checkpoint), options)

    def _prepare_copy(self) -> Any:
        result = self._state.result
        known = self._runs.known({} if result is None else result.provenance)

        def steps() -> workers.Work:
            yield Progress("looking for the checkpoint", 0.0)
            return known.find()

        return steps

    def _copy(self, checkpoint: Path) -> None:
        try:
            command = self.line(checkpoint)
        except AttnUNetError as error:
            self._say(str(error))
            return
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(command)
        self._say(f"Copied: {command}")

    def _stored(self, folder: Path) -> None:
        self._show_unsaved()
        self._say(f"Saved {folder}.")


def file_of(layer: Layer) -> Path | None:
    """Return the file that a command can read in a layer's stead.

    None where it comes from no file, from one of another format, or is one of a file's volumes.
    """
    path = layer.source.path
    if path is None or layer.ndim != _SPATIAL:
        return None
    file = Path(path).absolute()
    return file if io.is_volume_file(file) and file.is_file() else None


def program() -> list[str]:
    """Return how this program is called from a shell that may know another Python first."""
    found = shutil.which("attn-unet")
    if found is not None and Path(found).parent.samefile(Path(sys.executable).parent):
        return ["attn-unet"]
    return [sys.executable, "-m", "napari_attn_unet.cli"]


def checkpoint_name(path: Path) -> str:
    """Return what a checkpoint is called on the command line: one that ships by its name."""
    return path.stem if path in bundled().values() else str(path.absolute())


def inspect_command(
    image: Path, out: str, checkpoint: str, options: Mapping[str, str | None]
) -> str:
    """Return one line for the shell of this system, quoted as it needs.

    Parameters
    ----------
    image
        A file, its path absolute.
    out
        The folder to write, in the one that the shell is in.
    checkpoint
        As of `checkpoint_name`.
    options
        {"--axis": "y", …}; those that are None are left out.
    """
    parts = [*program(), "inspect", str(image), "--out", out, "--checkpoint", checkpoint]
    # In one piece: what begins with a minus would be taken for an option of its own.
    parts += [f"{name}={value}" for name, value in options.items() if value is not None]
    return quoted(parts)


def quoted(parts: Sequence[str]) -> str:
    """Return words as a line that a shell takes apart into them again."""
    return subprocess.list2cmdline(parts) if os.name == "nt" else shlex.join(parts)
