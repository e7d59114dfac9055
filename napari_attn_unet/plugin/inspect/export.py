"""Taking it away: figure, film, maps, tables, and the command that does the same."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_attn_unet import io
from napari_attn_unet.errors import AttnUNetError, ConfigError, RunError
from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.io import ome_zarr
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.runs import Runs
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.results import labels_on
from napari_attn_unet.plugin.segment.form import Text
from napari_attn_unet.report import figure
from napari_attn_unet.table import write_csv


class _Step:
    """Progress of an export."""

    def __init__(self, phase: str, done: float) -> None:
        self.phase, self.done = phase, done


class ExportTab(QWidget):
    """Buttons that save what is on screen and what was counted."""

    def __init__(self, state: State, runs: Runs) -> None:
        super().__init__()
        self._state, self._runs = state, runs
        self.message = Text()
        self.slices = QLineEdit()
        self.slices.setPlaceholderText("the one on screen")
        self.slices.setToolTip(
            "Slices of the figure along the axis on screen: indices such as 10, 20, 30. Empty is "
            "the slice on screen."
        )
        self.figure = QPushButton("Figure…")
        self.figure.setToolTip(
            "Save slices × (image, mask, gates, truth) as PNG, SVG or PDF, with names, colour bar "
            "and scale bar; contrast, colormap and opacity as on screen."
        )
        self.film = Task(
            "Film…",
            "Save a GIF or MP4 through all slices along the axis on screen.",
            self._prepare_film,
            lambda path: self.message.setText(f"Saved {path}."),
            self.message.setText,
        )
        self.maps = QPushButton("Maps…")
        self.maps.setToolTip(
            "Save mask and gate maps as NIfTI, each on its own grid; 3D Slicer and ITK-SNAP "
            "overlay them."
        )
        self.zarr = QPushButton("Maps as OME-Zarr…")
        self.zarr.setToolTip(
            "Save mask and gate maps as OME-Zarr images in one folder: for large volumes, read "
            "piece by piece."
        )
        self.tables = QPushButton("Tables…")
        self.tables.setToolTip("Save gates.csv and profile.csv (all three axes) into a folder.")
        self.again = Task(
            "Rerun into a folder…",
            "Run all of it again on the image and write mask, maps, every table and a figure: what "
            "the copied command does.",
            self._prepare_again,
            lambda out: self.message.setText(f"Saved in {out}. {self.command()}"),
            self.message.setText,
        )
        self.copy = QPushButton("Copy command")
        self.copy.setToolTip("Copy the command line that writes all of this without a screen.")
        column = QVBoxLayout(self)
        form = QFormLayout()
        form.addRow("slices", self.slices)
        column.addLayout(form)
        buttons = (self.figure, self.film, self.maps, self.zarr, self.tables, self.again, self.copy)
        for button in buttons:
            column.addWidget(button)
        column.addWidget(self.message)
        column.addWidget(QLabel(""))
        column.addStretch()
        self.figure.clicked.connect(self._figure)
        self.maps.clicked.connect(self._maps)
        self.zarr.clicked.connect(self._zarr)
        self.tables.clicked.connect(self._tables)
        self.copy.clicked.connect(self._copy)

    def _inspection(self) -> Inspection:
        if self._state.inspection is None:
            msg = "There is nothing to save yet: choose a result above."
            raise RunError(msg)
        return self._state.inspection

    def look(self) -> figure.Style:
        """Return how the layers look on screen."""
        state = self._state
        gates = list(state.result.gates.values()) if state.result is not None else []
        mask = state.mask
        colours: list[tuple[float, float, float]] = []
        if mask is not None:
            for label in range(max(len(state.class_names), 2)):
                colour = mask.colormap.map(label) if label else (0, 0, 0)
                colours.append((float(colour[0]), float(colour[1]), float(colour[2])))
        limits = state.image.contrast_limits if state.image is not None else None
        return figure.Style(
            limits=None if limits is None else (float(limits[0]), float(limits[1])),
            colormap=gates[0].colormap.name if gates else "inferno",
            opacity=gates[0].opacity if gates else 0.6,
            gate_limits=tuple(gates[0].contrast_limits) if gates else (0.0, 1.0),
            mask_opacity=mask.opacity if mask is not None else 0.5,
            colours=colours,
        )

    def chosen_slices(self) -> list[int]:
        """Return the slices that the figure shows."""
        state = self._state
        assert state.image is not None  # noqa: S101  (for the type checker)
        text = self.slices.text().strip()
        count = self._inspection().image.shape[state.axis]
        if not text:
            looking = layers.plane_on_screen(state.viewer, state.image)
            return [looking[1] if looking is not None else count // 2]
        try:
            indices = [int(part) for part in text.split(",")]
        except ValueError:
            indices = [-1]
        if any(not 0 <= index < count for index in indices):
            msg = f"Slices are whole numbers from 0 to {count - 1}, such as 10, 20; got {text!r}."
            raise ConfigError(msg)
        return indices

    def save_figure(self, path: str | Path) -> None:
        """Write the figure."""
        state, inspection = self._state, self._inspection()
        name = "" if state.image is None else state.image.name
        picture = figure.draw(inspection, state.axis, self.chosen_slices(), self.look(), name)
        figure.save(picture, path)

    def _figure(self) -> None:
        kinds = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf)"
        path, _ = QFileDialog.getSaveFileName(self, "Save a figure", "figure.png", kinds)
        self._do(path, self.save_figure)

    def _do(self, path: str, save: Any) -> None:
        if not path:
            return
        try:
            save(path)
        except AttnUNetError as error:
            self.message.setText(str(error))
            return
        self.message.setText(f"Saved {path}.")

    def _prepare_film(self) -> Any:
        inspection, axis, style = self._inspection(), self._state.axis, self.look()
        path, _ = QFileDialog.getSaveFileName(
            self, "Save a film", "slices.gif", "GIF (*.gif);;MP4 (*.mp4)"
        )
        if not path:
            msg = "No film was saved."
            raise RunError(msg)

        def steps() -> workers.Steps:
            for done in figure.film(inspection, axis, path, style):
                yield _Step("drawing", done)
            return path

        return steps

    def _outputs(self) -> dict[str, Layer]:
        self._inspection()
        result = self._state.result
        assert result is not None  # noqa: S101  (for the type checker)
        named: dict[str, Layer] = {f"gate{level}": gate for level, gate in result.gates.items()}
        return named if result.mask is None else {"mask": result.mask, **named}

    def save_maps(self, folder: str | Path) -> None:
        """Write mask and gate maps as NIfTI."""
        for name, layer in self._outputs().items():
            path = Path(folder) / f"{name}.nii.gz"
            io.write(path, layer.data, layers.geometry_of(layer), layer.metadata)

    def _maps(self) -> None:
        self._do(QFileDialog.getExistingDirectory(self, "Save maps into"), self.save_maps)

    def save_zarr(self, path: str | Path) -> None:
        """Write mask and gate maps as OME-Zarr images in a new group."""
        outputs = self._outputs()
        group = ome_zarr.open_store(Path(path))
        for name, layer in outputs.items():
            data = np.asarray(layer.data)
            geometry = layers.geometry_of(layer)
            array = ome_zarr.create_array(
                group, name, data.shape, geometry, data.dtype.name, "tzyx"
            )
            array[...] = data

    def _zarr(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save maps", "maps.zarr", "OME-Zarr (*.zarr)")
        self._do(path, self.save_zarr)

    def save_tables(self, folder: str | Path) -> None:
        """Write the tables of statistics and profiles."""
        inspection, label = self._inspection(), self._state.label
        write_csv(Path(folder) / "gates.csv", inspection.statistics_rows())
        rows = [row for axis in range(3) for row in inspection.profile_rows(axis, label)]
        write_csv(Path(folder) / "profile.csv", rows)

    def _tables(self) -> None:
        self._do(QFileDialog.getExistingDirectory(self, "Save tables into"), self.save_tables)

    def _prepare_again(self) -> Any:
        run = self._runs.prepare()
        state = self._state
        assert state.image is not None  # noqa: S101  (for the type checker: a run needs it)
        truth = None if state.truth is None else labels_on(state.truth, state.image, state.viewer)
        name = state.image.name
        folder = QFileDialog.getExistingDirectory(self, "Save everything into")
        if not folder:
            msg = "Nothing was run: no folder was chosen."
            raise RunError(msg)

        def steps() -> workers.Steps:
            from napari_attn_unet.report.inspect import write_inspection  # noqa: PLC0415  (torch)

            predictor, out = self._runs.predictor(run), Path(folder)
            yield from write_inspection(predictor, run.volume, out, truth=truth, name=name)
            return out

        return steps

    def command(self) -> str:
        """Return the command line that does all of this without a screen."""
        state = self._state
        about = state.result.provenance if state.result is not None else {}
        source = state.image.source.path if state.image is not None else None
        parts = ["attn-unet", "inspect", str(source or "IMAGE.nii.gz"), "--out", "OUT"]
        truth = None if state.truth is None else state.truth.source.path
        if state.truth is not None:
            parts += ["--truth", str(truth or "TRUTH.nii.gz")]
        parts += ["--checkpoint", str(about.get("checkpoint_file", "hippocampus"))]
        if about.get("precision") == "bf16":
            parts += ["--precision", "bf16"]
        return shlex.join(parts)

    def _copy(self) -> None:
        command = self.command()
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(command)
        self.message.setText(f"Copied: {command}")
