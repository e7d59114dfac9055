"""Taking it away: figure, film, maps, tables, and the command that does the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet import io
from napari_attn_unet.errors import AttnUNetError, ConfigError, RunError
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.io import ome_zarr
from napari_attn_unet.output import file_name, folder_for, not_there_yet
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.command import TOP, CommandPart
from napari_attn_unet.plugin.inspect.look import look, shown_gate
from napari_attn_unet.plugin.inspect.runs import Runs
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.navigate import plane_on_screen
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.kit.text import Text
from napari_attn_unet.plugin.results import Result
from napari_attn_unet.prediction import Progress
from napari_attn_unet.report import figure, film
from napari_attn_unet.report.words import heading
from napari_attn_unet.table import write_csv

TABLES = "gates.csv", "profile.csv"


class ExportTab(QWidget):
    """Buttons that save what is on screen and what was counted.

    Parameters
    ----------
    state, runs
        What is inspected, and how its network is run again.
    top
        Returns the share of the voxels, in percent, whose overlap Agreement counts.
    """

    def __init__(self, state: State, runs: Runs, top: Callable[[], float] = lambda: TOP) -> None:
        super().__init__()
        self._state, self._runs, self._top = state, runs, top
        self.message = Text()
        self.slices = QLineEdit()
        self.slices.setPlaceholderText("the one on screen")
        self.slices.setToolTip(
            "Slices of the figure along the axis on screen: indices such as 10, 20, 30. Empty is "
            "the slice on screen."
        )
        self.figure = self._saving(
            "Figure…",
            "Save slices × (image, gates) as PNG, SVG or PDF: the mask outlined, the truth dashed, "
            "with names, volumes, sides, colour bar and scale bar; contrast, colormap and opacity "
            "as on screen.",
            self._prepare_figure,
        )
        self.film = self._saving(
            "Film…",
            "Save a GIF or MP4 through all slices along the axis on screen: the gate that is shown "
            "large, all gates beside it.",
            self._prepare_film,
        )
        self.maps = self._saving(
            "Maps…",
            "Save mask, gate maps and what they are as NIfTI, each on its own grid; 3D Slicer and "
            "ITK-SNAP overlay them, and here they open again as what they are.",
            self._prepare_maps,
        )
        self.zarr = self._saving(
            "Maps as OME-Zarr…",
            "Save mask and gate maps as OME-Zarr images in one folder: for large volumes, read "
            "piece by piece.",
            self._prepare_zarr,
        )
        self.tables = self._saving(
            "Tables…",
            "Save gates.csv and profile.csv (all three axes) into a folder.",
            self._prepare_tables,
        )
        self.again = Task(
            state.dock,
            "Rerun into a folder…",
            "Run all of it again on the image and write mask, maps, every table and a figure: what "
            "the copied command does.",
            self._prepare_again,
            self._ran_again,
            self.message.setText,
        )
        self.command = CommandPart(
            state, runs, top, self.chosen_slices, self._ask_folder, self.message.setText
        )
        self.copy = self.command.copy
        column = QVBoxLayout(self)
        form = QFormLayout()
        form.addRow("slices", self.slices)
        column.addLayout(form)
        buttons = (self.figure, self.film, self.maps, self.zarr, self.tables, self.again)
        for button in buttons:
            column.addWidget(button)
        column.addWidget(self.command)
        column.addWidget(self.message)
        column.addWidget(QLabel(""))
        column.addStretch()
        state.left.connect(lambda: self.message.setText(""))

    def _saving(self, text: str, tooltip: str, prepare: Any) -> Task:
        """Return a button that asks for a place and saves something there, on a thread."""
        return Task(
            self._state.dock,
            text,
            tooltip,
            prepare,
            lambda path: self.message.setText(f"Saved {path}."),
            self.message.setText,
            network=lambda: False,
        )

    def _case(self) -> str:
        """Return what the files of what is inspected are called by: the image's name."""
        image = self._state.image
        return "" if image is None else file_name(image.name)

    def _ask(self, title: str, name: str, kinds: str) -> str:
        """Return the path of a file to write, "" where none was chosen.

        A name without an ending gets that of the kind that was chosen, and a number where such a
        file is there: about that one nobody was asked.
        """
        path, kind = QFileDialog.getSaveFileName(self, title, f"{self._case()}_{name}", kinds)
        endings = re.findall(r"\*(\.\w+)", kinds)
        if not path or path.lower().endswith(tuple(endings)):
            return path
        wanted = re.findall(r"\*(\.\w+)", kind) or endings
        return str(not_there_yet(path + wanted[0]))

    def _ask_folder(self, title: str, names: Sequence[str]) -> Path | None:
        """Return where to write files of those names: not over those of another case."""
        folder = QFileDialog.getExistingDirectory(self, title)
        return folder_for(folder, self._case(), names) if folder else None

    def _inspection(self) -> Inspection:
        if self._state.inspection is None:
            msg = "There is nothing to save yet: choose a result above."
            raise RunError(msg)
        return self._state.inspection

    def chosen_slices(self) -> list[int]:
        """Return the slices that the figure shows."""
        state = self._state
        assert state.image is not None  # noqa: S101  (for the type checker)
        text = self.slices.text().strip()
        data = state.image.data[0] if state.image.multiscale else state.image.data
        count = int(data.shape[state.axis - 3])
        if not text:
            looking = plane_on_screen(state.viewer, state.image)
            return [looking[1] if looking is not None else count // 2]
        try:
            indices = [int(part) for part in text.split(",")]
        except ValueError:
            indices = [-1]
        if any(not 0 <= index < count for index in indices):
            msg = f"Slices are whole numbers from 0 to {count - 1}, such as 10, 20; got {text!r}."
            raise ConfigError(msg)
        return indices

    def _heading(self) -> str:
        """Return what a picture is of: image, time point and checkpoint."""
        state = self._state
        about = {} if state.result is None else state.result.provenance
        point = state.time.rstrip(".").lower()
        name = None if state.image is None else state.image.name
        return heading(name, point, about.get("checkpoint"))

    def _prepare_figure(self) -> Any:
        state, inspection, slices, style = (
            self._state,
            self._inspection(),
            self.chosen_slices(),
            look(self._state),
        )
        axis, title, notes = state.axis, self._heading(), [state.note]
        path = self._ask("Save a figure", "figure.png", "PNG (*.png);;SVG (*.svg);;PDF (*.pdf)")
        if not path:
            return None

        def steps() -> workers.Work:
            yield Progress("drawing", 0.0)
            figure.save(figure.draw(inspection, axis, slices, style, title, notes=notes), path)
            return path

        return steps

    def _prepare_film(self) -> Any:
        inspection, axis, style = self._inspection(), self._state.axis, look(self._state)
        shown = shown_gate(self._state)
        level = next((k for k, layer in self._state.gates.items() if layer is shown), None)
        said: dict[str, Any] = {"title": self._heading(), "notes": [self._state.note]}
        path = self._ask("Save a film", "slices.gif", "GIF (*.gif);;MP4 (*.mp4)")
        if not path:
            return None

        def steps() -> workers.Work:
            with closing(film.film(inspection, axis, path, style, level, **said)) as frames:
                for done in frames:
                    yield Progress("drawing", done)
            return path

        return steps

    def _result(self) -> Result:
        self._inspection()
        result = self._state.result
        assert result is not None  # noqa: S101  (for the type checker: there is an inspection)
        return result

    def _prepare_maps(self) -> Any:
        result, folder = self._result(), self._ask_folder("Save maps into", io.FILES)
        if folder is None:
            return None

        def steps() -> workers.Work:
            yield Progress("writing", 0.0)
            io.write_prediction(layers.to_prediction(result), folder)
            return folder

        return steps

    def _prepare_zarr(self) -> Any:
        result = self._result()
        path = self._ask("Save maps", "maps.zarr", "OME-Zarr (*.zarr)")
        if not path:
            return None

        def steps() -> workers.Work:
            yield Progress("writing", 0.0)
            prediction = layers.to_prediction(result)
            ome_zarr.write_prediction(prediction, Path(path))
            return path

        return steps

    def _prepare_tables(self) -> Any:
        inspection, label = self._inspection(), self._state.label
        folder = self._ask_folder("Save tables into", TABLES)
        if folder is None:
            return None

        def steps() -> workers.Work:
            yield Progress("writing", 0.0)
            gates, profile = (folder / name for name in TABLES)
            write_csv(gates, inspection.statistics_rows())
            rows = [row for axis in range(3) for row in inspection.profile_rows(axis, label)]
            write_csv(profile, rows)
            return folder

        return steps

    def _prepare_again(self) -> Any:
        run = self._runs.prepare()
        state = self._state
        assert state.image is not None  # noqa: S101  (for the type checker: a run needs it)
        bring = state.labels_on_image(state.truth)
        name, top = state.image.name, self._top()
        shown: dict[str, Any] = {"axis": state.axis, "style": look(self._state), "top": top}
        shown["slices"] = self.chosen_slices()
        out = self._ask_folder("Save everything into", (*io.FILES, "*.csv", "figure.png"))
        if out is None:
            return None

        def steps() -> workers.Work:
            from napari_attn_unet.report.inspect import write_inspection  # noqa: PLC0415  (torch)

            yield Progress("loading the network", 0.0)
            there = None if bring is None else bring()
            truth, shown["notes"] = (None, []) if there is None else (there.labels, [there.note])
            predictor = self._runs.predictor(run)
            yield from write_inspection(predictor, run.volume, out, truth=truth, name=name, **shown)
            return out, run.checkpoint.find()

        return steps

    def _ran_again(self, done: tuple[Path, Path]) -> None:
        """Tell where all was saved, and the command that does the same, where there is one."""
        folder, checkpoint = done
        try:
            told = self.command.line(checkpoint)
        except AttnUNetError:
            told = ""
        self.message.setText(f"Saved in {folder}. {told}".rstrip())
