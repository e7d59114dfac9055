"""The Segment widget: choose an image and a checkpoint, press Segment, see mask and gates."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, PushButton
from napari.layers import Shapes
from napari.qt.threading import create_worker
from psygnal import Signal
from qtpy.QtCore import QSettings, Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QProgressBar
from superqt import QCollapsible

from napari_attn_unet.card import Card, read_card
from napari_attn_unet.errors import AttnUNetError, RunError
from napari_attn_unet.plugin import layers, workers

if TYPE_CHECKING:
    from napari_attn_unet.prediction import Prediction

WHOLE = "whole image"
MOST_PROBABLE = "most probable class"
MUCH_LARGER = 1.6
"""An image this many times larger than what a checkpoint was trained on deserves a word."""
REMEMBERED = 8
_KEPT = ("device", "precision", "gates", "probabilities", "keep_old", "link", "memory_gb")


def _text() -> QLabel:
    """Return a line of text that wraps and can be copied."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


class SegmentWidget(Container):  # type: ignore[type-arg]
    """Run a checkpoint on an image layer and show the mask and every gate's map.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered and that receives the results.
    """

    segmented = Signal(object)
    """Emitted with the `Prediction` once its layers are shown."""
    failed = Signal(str)
    """Emitted with the message once a run has failed."""

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__(labels=True)
        self._viewer = napari_viewer
        self._settings = QSettings(
            QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-attn-unet", "segment"
        )
        self._worker: Any = None
        self._card: Card | None = None
        self._started = 0.0
        self._source: Any = None
        self._data: Any = None
        self._closed = False
        self._build()
        self._restore()
        self._connect()
        self._checkpoint_changed()
        self._layers_changed()
        self._find_devices()

    # --- the controls ---------------------------------------------------------------------------
    def _build(self) -> None:
        self.image = ComboBox(choices=self._image_choices, tooltip="The image layer to segment.")
        self.region = ComboBox(
            choices=self._region_choices,
            tooltip="The whole image, or the box that a Shapes layer encloses. A box is cropped "
            "and normalised on its own; its results lie where the box lies.",
        )
        self.checkpoint = ComboBox(
            choices=self._checkpoint_choices, tooltip="The trained network to run."
        )
        self.browse = PushButton(text="Browse…", tooltip="Open a checkpoint (.safetensors).")
        self.summary = _text()
        self.note = _text()
        self.add_box = PushButton(
            text="Add a box",
            tooltip="Add a rectangle of the size that the checkpoint was trained on. "
            "Move it over the structure.",
            visible=False,
        )
        self.device = ComboBox(choices=["auto"], tooltip="Where to compute.")
        self.precision = ComboBox(
            choices=["f32", "bf16"],
            tooltip="f32 is exact; bf16 is faster where the processor has it and changes about "
            "2 in 10,000 labels.",
        )
        self.gates = CheckBox(
            value=True, text="gate maps", tooltip="Show where each attention gate looks."
        )
        self.probabilities = CheckBox(
            text="probabilities", tooltip="Also show the probability of each class."
        )
        self.keep_old = CheckBox(
            text="keep earlier results",
            tooltip="Add new layers rather than update those of the last run.",
        )
        self.link = CheckBox(
            text="link gates",
            tooltip="All gate maps follow one visibility, opacity, colormap and contrast.",
        )
        self.memory_gb = FloatSpinBox(
            value=0.0,
            max=100_000.0,
            step=0.5,
            tooltip="Memory that a run may take, in GB; 0 is 60 % of what is free. "
            "A volume that does not fit is run slab by slab, with the same result.",
        )
        self.threshold_class = ComboBox(
            choices=[MOST_PROBABLE],
            tooltip="Give each voxel its most probable class, or find one class by a threshold.",
        )
        self.threshold = FloatSpinBox(
            value=0.5,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Least probability of the chosen class.",
            enabled=False,
        )
        self.run = PushButton(text="Segment", tooltip="Run the network on the image.")
        self.result = _text()
        for name, label in (
            ("image", "image"),
            ("checkpoint", "checkpoint"),
            ("region", "region"),
            ("device", "device"),
            ("precision", "precision"),
            ("memory_gb", "memory limit (GB)"),
            ("threshold_class", "label by"),
            ("threshold", "threshold"),
        ):
            getattr(self, name).label = label
        self.run.native.setDefault(True)
        self.run.native.setMinimumHeight(32)

        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.setVisible(False)
        self._advanced = Container(
            widgets=[self.memory_gb, self.threshold_class, self.threshold, self.keep_old, self.link]
        )
        self._advanced.native.layout().setContentsMargins(0, 0, 0, 0)
        self._fold = QCollapsible("Advanced")
        self._fold.setContent(self._advanced.native)
        self._fold.collapse(animate=False)
        self.extend([self.image, self.checkpoint, self.browse, self.region, self.add_box])
        self.extend([self.device, self.precision, self.gates, self.probabilities, self.run])
        # magicgui lays out its own widgets only; the others go between them, from the end up.
        column = self.native.layout()
        column.insertWidget(len(self), self.result)
        column.insertWidget(len(self), self.bar)
        column.insertWidget(len(self) - 1, self._fold)
        column.insertWidget(4, self.note)
        column.insertWidget(3, self.summary)
        column.addStretch()

    def _connect(self) -> None:
        self.run.changed.connect(self._run_clicked)
        self.browse.changed.connect(self._browse_clicked)
        self.add_box.changed.connect(self._add_box_clicked)
        self.checkpoint.changed.connect(self._checkpoint_changed)
        self.threshold_class.changed.connect(self._threshold_class_changed)
        self.image.changed.connect(self._advise)
        self.region.changed.connect(self._advise)
        self.link.changed.connect(self._link_gates)
        for name in (*_KEPT, "checkpoint"):
            getattr(self, name).changed.connect(self._remember)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self._layers_changed)
        self.native.destroyed.connect(self._on_destroyed)

    def _image_choices(self, _: Any = None) -> list[Any]:
        return [layer for layer in self._viewer.layers if layers.is_segmentable(layer)]

    def _region_choices(self, _: Any = None) -> list[Any]:
        return [WHOLE, *(layer for layer in self._viewer.layers if isinstance(layer, Shapes))]

    def _checkpoint_choices(self, _: Any = None) -> list[tuple[str, str]]:
        folder = Path(__file__).parents[1] / "checkpoints"
        ships = [(path.stem, str(path)) for path in sorted(folder.glob("*.safetensors"))]
        return ships + [(Path(p).name, p) for p in self._seen() if Path(p).is_file()]

    def _seen(self) -> list[str]:
        seen = self._settings.value("seen", [])
        return [seen] if isinstance(seen, str) else list(seen or [])

    def _restore(self) -> None:
        for name in (*_KEPT, "checkpoint"):
            widget, value = getattr(self, name), self._settings.value(name)
            if value is None:
                continue
            if isinstance(widget, CheckBox):
                widget.value = value in (True, "true")
            elif isinstance(widget, FloatSpinBox):
                widget.value = float(value)
            elif value in widget.choices:
                widget.value = value

    def _remember(self) -> None:
        for name in (*_KEPT, "checkpoint"):
            value = getattr(self, name).value
            if value is not None:
                self._settings.setValue(name, value)

    # --- what the choices mean ------------------------------------------------------------------
    def _layers_changed(self, _: Any = None) -> None:
        if self._closed:
            return
        self.image.reset_choices()
        self.region.reset_choices()
        self._advise()
        if self._worker is not None and self._source not in self._viewer.layers:
            self._say("Stopped: the image layer was removed during the run.")
            self._worker.quit()

    def _find_devices(self) -> None:
        def find() -> dict[str, str]:
            from napari_attn_unet.devices import available_devices  # noqa: PLC0415  (torch)

            return available_devices()

        worker = create_worker(find, _ignore_errors=True)
        worker.returned.connect(self._devices_found)
        worker.errored.connect(self._devices_missing)

    def _devices_found(self, devices: dict[str, str]) -> None:
        if self._closed:
            return
        wanted = self._settings.value("device", "auto")
        self.device.choices = [
            (f"{name} · {about}" if name != "auto" else "auto", name)
            for name, about in devices.items()
        ]
        self.device.value = wanted if wanted in devices else "auto"

    def _devices_missing(self, error: Exception) -> None:
        if not self._closed:
            self._say(f"torch could not be loaded: {error}", failed=True)

    def _checkpoint_changed(self, _: Any = None) -> None:
        self._card = None
        classes: tuple[str, ...] = ()
        try:
            if self.checkpoint.value is None:
                self.summary.setText("No checkpoint: press Browse… and choose one.")
                return
            self._card = read_card(self.checkpoint.value)
            classes = tuple(c.name for c in self._card.classes[1:])
            self.summary.setText(self._card.summary)
            self.checkpoint.tooltip = self._card.describe()
            self.summary.setToolTip(self.checkpoint.tooltip)
        except AttnUNetError as error:
            self.summary.setText(str(error))
        self.threshold_class.choices = [MOST_PROBABLE, *classes]
        self._advise()

    def _threshold_class_changed(self, value: str) -> None:
        self.threshold.enabled = value != MOST_PROBABLE

    def _advise(self, _: Any = None) -> None:
        """Say what keeps a run from making sense, before it is started."""
        image = self.image.value
        self.add_box.visible = False
        if image is None:
            self.note.setText("Open a 3D image, or a sample: File → Open Sample → Attention U-Net.")
            return
        self.note.setText("")
        view = self._card.field_of_view_mm if self._card else None
        if view is None or isinstance(self.region.value, Shapes):
            return
        try:
            volumes, _ = layers.to_volumes(image, self._card.in_channels if self._card else 1)
        except AttnUNetError as error:
            self.note.setText(str(error))
            return
        spacing = volumes[0].geometry.spacing_mm
        if spacing is None:
            return
        extent = [n * s for n, s in zip(volumes[0].shape, spacing, strict=True)]
        if any(e > MUCH_LARGER * v for e, v in zip(extent, view, strict=True)):
            have, want = (" × ".join(f"{v:.0f}" for v in size) for size in (extent, view))
            self.note.setText(
                f"This image ({have} mm) is much larger than those the checkpoint was trained on "
                f"({want} mm). It may find structures elsewhere: draw a box."
            )
            self.add_box.visible = True

    def _add_box_clicked(self) -> None:
        if self.image.value is not None and self._card and self._card.field_of_view_mm:
            box = layers.box_around(self._viewer, self.image.value, self._card.field_of_view_mm)
            self.region.reset_choices()
            self.region.value = box

    def _browse_clicked(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self.native, "Open a checkpoint", "", "Checkpoints (*.safetensors *.pt *.pth)"
        )
        if path:
            self.use_checkpoint(path)

    def use_checkpoint(self, path: str | Path) -> None:
        """Choose a checkpoint file and remember it for the next session."""
        path = str(path)
        self._settings.setValue(
            "seen", [path, *(p for p in self._seen() if p != path)][:REMEMBERED]
        )
        self.checkpoint.reset_choices()
        self.checkpoint.value = path

    # --- the run --------------------------------------------------------------------------------
    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._worker is not None

    def _run_clicked(self) -> None:
        if self._worker is not None:
            self._say("Cancelled.")
            self.run.enabled = False
            self._worker.quit()
            return
        try:
            steps = self._prepare()
        except AttnUNetError as error:
            self._say(str(error), failed=True)
            return
        self._started = time.monotonic()
        self._say("")
        self.run.text = "Cancel"
        self.run.tooltip = "Stop the run."
        self.bar.setRange(0, 1000)
        self.bar.setValue(0)
        self.bar.setFormat("loading the network")
        self.bar.setVisible(True)
        self._worker = workers.start(
            steps,
            yielded=self._on_progress,
            returned=self._on_result,
            errored=self._on_error,
            finished=self._on_finished,
        )

    def _prepare(self) -> Any:
        """Return the run as a generator function; everything it needs is read here."""
        image = self.image.value
        if image is None:
            msg = "There is no image to segment. Open a 3D image, or a sample from File."
            raise RunError(msg)
        if self.checkpoint.value is None:
            msg = "There is no checkpoint. Press Browse… and choose a .safetensors file."
            raise RunError(msg)
        card = self._card or read_card(self.checkpoint.value)
        volumes, self._placement = layers.to_volumes(image, card.in_channels)
        self._source, self._data = image, image.data
        if isinstance(self.region.value, Shapes):
            start, stop = layers.box(self.region.value, image, card.field_of_view_mm)
            volumes = [volume.cropped(start, stop) for volume in volumes]
        source, device, precision = self.checkpoint.value, self.device.value, self.precision.value
        limit = int(self.memory_gb.value * 1e9) or None
        probabilities, threshold = self.probabilities.value, None
        names = [c.name for c in card.classes]
        if self.threshold_class.value in names:
            threshold = (names.index(self.threshold_class.value), float(self.threshold.value))

        def steps() -> Generator[Any, None, Prediction]:
            from napari_attn_unet.inference import Predictor  # noqa: PLC0415  (torch)

            predictor = Predictor(source, device, precision, limit)
            return (
                yield from predictor.steps(
                    volumes, probabilities=probabilities, threshold=threshold
                )
            )

        return steps

    def _on_progress(self, progress: Any) -> None:
        if self._closed:
            return
        self.bar.setValue(round(1000 * progress.done))
        elapsed = time.monotonic() - self._started
        left = ""
        if progress.done > 0.05 and elapsed > 1:  # noqa: PLR2004  (an estimate from less misleads)
            left = f" · {elapsed * (1 - progress.done) / progress.done:.0f} s left"
        self.bar.setFormat(f"{progress.phase}{left}")

    def _on_result(self, prediction: Prediction) -> None:
        if self._closed or self._source not in self._viewer.layers:
            return
        data = layers.from_prediction(prediction, self._placement, gates=self.gates.value)
        layers.show(self._viewer, data, keep_old=self.keep_old.value)
        self._link_gates()
        sizes = ", ".join(
            f"{name} {mm3:,.0f} mm³" if mm3 is not None else f"{name} {count:,} voxels"
            for name, count, mm3 in prediction.class_sizes().values()
        )
        seconds = time.monotonic() - self._started
        told = f"{sizes} · {seconds:.1f} s on {prediction.provenance['device']}"
        if self._source.data is not self._data:
            told += " · The image was changed during the run: these results are the earlier one's."
        self._data = None
        self._say(told)
        self.segmented.emit(prediction)

    def _on_error(self, error: Exception) -> None:
        if not self._closed:
            self._say(str(error), failed=True)

    def _on_finished(self) -> None:
        self._worker = None
        if self._closed:
            return
        self.bar.setVisible(False)
        self.run.enabled = True
        self.run.text = "Segment"
        self.run.tooltip = "Run the network on the image."

    def _say(self, text: str, *, failed: bool = False) -> None:
        self.result.setText(text)
        self.result.setStyleSheet("color: #ff6b5e;" if failed else "")
        if failed:
            self.failed.emit(text)

    def _link_gates(self, _: Any = None) -> None:
        gates = [x for x in self._viewer.layers if "gate" in x.metadata]
        attributes = ("visible", "opacity", "colormap", "contrast_limits")
        if len(gates) > 1:
            self._viewer.layers.unlink_layers(gates, attributes)
            if self.link.value:
                self._viewer.layers.link_layers(gates, attributes)

    def _on_destroyed(self) -> None:
        """End the thread when the widget goes; nothing of it may be touched afterwards."""
        self._closed = True
        if self._worker is not None:
            self._worker.quit()
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self._layers_changed)
