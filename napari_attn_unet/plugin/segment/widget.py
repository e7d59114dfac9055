"""The Segment widget: choose an image and a checkpoint, press Segment, see mask and gates."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.layers import Shapes
from napari.qt.threading import create_worker
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog

from napari_attn_unet.engine import devices
from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.memory import in_words
from napari_attn_unet.engine.planning import plan_run
from napari_attn_unet.engine.request import Request
from napari_attn_unet.errors import AttnUNetError, MemoryLimitError, RunError
from napari_attn_unet.network.card import Card, read_card
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.segment.form import MOST_PROBABLE, SegmentForm
from napari_attn_unet.plugin.segment.preview import Preview

if TYPE_CHECKING:
    from napari_attn_unet.engine.planning import Budget
    from napari_attn_unet.engine.predictor import Predictor
    from napari_attn_unet.engine.request import Wanted
    from napari_attn_unet.engine.session import Session
    from napari_attn_unet.prediction import Prediction
    from napari_attn_unet.volume import Box, Volume

WHOLE = "whole image"
SLICES = "slices on screen"
REST_MS = 250
"""How long the slider must rest before a live run starts."""
_KEPT = (
    "device",
    "precision",
    "gates",
    "probabilities",
    "keep_old",
    "link",
    "memory_gb",
    "around",
    "checkpoint",
)


def _alike(some: list[Volume], others: list[Volume]) -> bool:
    """Whether volumes of the same layer lie at the same place."""
    return len(some) == len(others) and all(
        np.array_equal(a.geometry.affine, b.geometry.affine) and a.data.shape == b.data.shape
        for a, b in zip(some, others, strict=True)
    )


class SegmentWidget(SegmentForm):
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
        self._viewer = napari_viewer
        self._settings = Settings("segment")
        super().__init__(self._image_choices, self._region_choices, self._checkpoint_choices)
        self._worker: Any = None
        self._card: Card | None = None
        self._started = 0.0
        self._source: Any = None
        self._data: Any = None
        self._axis: int | None = None
        self._preview: Preview | None = None
        self._predictor: tuple[Any, Predictor] | None = None
        self._session: Session | None = None
        self._volumes: tuple[Any, list[Volume]] = (None, [])
        self._again = False
        self._has_gpu = False
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._closed = False
        self._settings.follow({name: getattr(self, name) for name in _KEPT})
        self._connect()
        self._checkpoint_changed()
        self._layers_changed()
        self._find_devices()

    def _connect(self) -> None:
        self.run.changed.connect(self._run_clicked)
        self.browse.changed.connect(self._browse_clicked)
        self.add_box.changed.connect(self._add_box_clicked)
        self.checkpoint.changed.connect(self._checkpoint_changed)
        self.threshold_class.changed.connect(self._threshold_class_changed)
        self.image.changed.connect(self._advise)
        self.region.changed.connect(self._region_changed)
        self.live.changed.connect(self._live_changed)
        for control in (self.precision, self.device, self.memory_gb, self.probabilities):
            control.changed.connect(self._estimate)
        self._rest.timeout.connect(self._rested)
        self.link.changed.connect(self._link_gates)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self._layers_changed)
        self._viewer.dims.events.current_step.connect(self._looked)
        self.native.destroyed.connect(self._on_destroyed)

    def _image_choices(self, _: Any = None) -> list[Any]:
        return [layer for layer in self._viewer.layers if layers.is_segmentable(layer)]

    def _region_choices(self, _: Any = None) -> list[Any]:
        return [
            WHOLE,
            SLICES,
            *(layer for layer in self._viewer.layers if isinstance(layer, Shapes)),
        ]

    def _checkpoint_choices(self, _: Any = None) -> list[tuple[str, str]]:
        return self._settings.checkpoints()

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
            return devices.available_devices()

        create_worker(
            find,
            _ignore_errors=True,
            _connect={"returned": self._devices_found, "errored": self._devices_missing},
        )

    def _devices_found(self, found: dict[str, str]) -> None:
        if self._closed:
            return
        wanted = self._settings.value("device", "auto")
        self.device.choices = [
            (f"{name} · {about}" if name != "auto" else "auto", name)
            for name, about in found.items()
        ]
        self.device.value = wanted if wanted in found else "auto"
        self._has_gpu = any(name not in ("auto", "cpu") for name in found)
        self._estimate()

    def _devices_missing(self, error: Exception) -> None:
        if not self._closed:
            self._say(f"torch could not be loaded: {error}", failed=True)

    def _checkpoint_changed(self, _: Any = None) -> None:
        self._card = None
        if not self.running:
            self.result.setText("")  # what stood there was of another network
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

    def _region_changed(self, _: Any = None) -> None:
        slices = self.region.value == SLICES
        self.around.visible = self.live.visible = slices
        if not slices:
            self.live.value = False
        self._advise()

    def _estimate(self, _: Any = None) -> None:
        """Say what a run would take."""
        self.memory_note.setText("")
        card = self._card
        if card is None or self.image.value is None:
            return
        try:
            volumes, region, _ = self._selection(card)
            looking = layers.plane_on_screen(self._viewer, self.image.value)
            plan, _ = plan_run(
                ModelConfig.from_dict(card.config),
                Frame.of(volumes[0], card.preprocessing),
                Request(probabilities=self.probabilities.value, region=region),
                self._budget(),
                axis=None if looking is None else looking[0],
                keep="regions" if self.live.value else None,
            )
            self.memory_note.setText(f"takes about {in_words(plan.bytes_needed)}")
            self.memory_note.setToolTip(f"How it will be computed: {plan.description}.")
        except MemoryLimitError as error:
            self.memory_note.setText(f"too little: needs {in_words(error.least)}")
            self.memory_note.setToolTip(str(error))
        except AttnUNetError as error:  # said in full when the run is started
            self.memory_note.setToolTip(str(error))

    def _budget(self) -> Budget:
        """Return what a run may take; a GPU is asked only once torch is there."""
        limit = int(self.memory_gb.value * 1e9) or None
        if self.device.value in ("auto", "cpu") and not self._has_gpu:
            return devices.budget(self.precision.value, limit)
        return devices.budget(self.precision.value, limit, devices.pick_device(self.device.value))

    def _advise(self, _: Any = None) -> None:
        """Say what keeps a run from making sense, before it is started."""
        self._estimate()
        image = self.image.value
        self.add_box.visible = False
        if image is None:
            self.note.setText("Open a 3D image, or a sample: File → Open Sample → Attention U-Net.")
            return
        self.note.setText("")
        card = self._card
        if card is None or self.region.value != WHOLE:
            return
        try:
            volumes, _ = layers.to_volumes(image, card.in_channels)
        except AttnUNetError as error:
            self.note.setText(str(error))
            return
        volume = volumes[0]
        note = card.larger_than_seen(volume.shape, volume.geometry.spacing_mm)
        if note is not None:
            self.note.setText(f"{note}: draw a box.")
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
        self._settings.opened(path)
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
            self.live.value = self._again = False
            self.run.enabled = False
            self._worker.quit()
            return
        self._start()

    def _start(self) -> None:
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

    def _selection(self, card: Card) -> tuple[list[Volume], Box | None, layers.Placement]:
        """Return the volumes to run, the region of them that is wanted, and where they lie.

        A volume is made once for an image, so that a live run knows it again.
        """
        image = self.image.value
        volumes, placement = layers.to_volumes(image, card.in_channels)
        known, kept = self._volumes
        if known is image.data and _alike(kept, volumes):
            volumes = kept
        self._volumes = image.data, volumes
        if isinstance(self.region.value, Shapes):
            start, stop = layers.box(self.region.value, image, card.field_of_view_mm)
            return [volume.cropped(start, stop) for volume in volumes], None, placement
        if self.region.value != SLICES:
            return volumes, None, placement
        looking = layers.plane_on_screen(self._viewer, image)
        if looking is None:
            msg = "The viewer shows a volume in 3D; press its 2D button to choose slices."
            raise RunError(msg)
        axis, plane = looking
        region = [slice(0, n) for n in volumes[0].shape]
        first, last = plane - self.around.value, plane + self.around.value + 1
        region[axis] = slice(max(0, first), min(last, region[axis].stop))
        placement = replace(placement, name=f"{placement.name} · slices")
        return volumes, (region[0], region[1], region[2]), placement

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
        volumes, region, self._placement = self._selection(card)
        self._source, self._data = image, image.data
        live = bool(self.live.value)
        if live and len(volumes) > 1:
            msg = "Live slices need a 3D image, but this is a series over time."
            raise RunError(msg)
        looking = layers.plane_on_screen(self._viewer, image)
        if isinstance(self.region.value, Shapes):
            looking = None
        axis, plane = looking or (None, None)
        self._axis = axis
        source, device, precision = self.checkpoint.value, self.device.value, self.precision.value
        limit = int(self.memory_gb.value * 1e9) or None
        probabilities, threshold = self.probabilities.value, None
        names = [c.name for c in card.classes]
        if self.threshold_class.value in names:
            threshold = (names.index(self.threshold_class.value), float(self.threshold.value))
        stamp = Path(source).stat().st_mtime_ns if Path(source).is_file() else None
        key = (source, stamp, device, precision, limit)
        if self._predictor is not None and self._predictor[0] != key:
            self._predictor = self._session = None
        if not (live and self._has_kept):
            self._preview = self._new_preview(volumes, region, card)

        wanted: Wanted = {
            "probabilities": probabilities,
            "threshold": threshold,
            "region": region,
        }

        def steps() -> Generator[Any, int | None, Prediction]:
            from napari_attn_unet.engine.predictor import Predictor  # noqa: PLC0415  (torch)

            if self._predictor is None:
                self._predictor = key, Predictor(source, device, precision, limit)
            predictor = self._predictor[1]
            if not live:
                return (yield from predictor.steps(volumes, axis=axis, look_at=plane, **wanted))
            session = self._session
            if session is None or session.volume is not volumes[0] or session.axis != axis:
                session = self._session = predictor.session(volumes[0], axis=axis, keep="regions")
            return (yield from session.run(look_at=plane, **wanted))

        return steps

    def _new_preview(self, volumes: list[Volume], region: Box | None, card: Card) -> Preview:
        geometry, shape = volumes[0].geometry, volumes[0].shape
        if region is not None:
            geometry = geometry.regridded((1, 1, 1), [s.start for s in region])
            shape = tuple(s.stop - s.start for s in region)
        series = (len(volumes),) if len(volumes) > 1 else ()
        return Preview(
            self._viewer,
            volumes[0].name,
            self._placement,
            geometry,
            (*series, *shape),
            card.classes,
            gates=self.gates.value,
        )

    def _looked(self, _: Any = None) -> None:
        """Follow the slider: the run under way goes on from there, a live one starts anew."""
        if self._closed or self.image.value is None:
            return
        if self.live.value:
            if self._worker is not None and self._has_kept:
                self._again = True
                self._worker.quit()
            self._rest.start()
        elif (
            self._worker is not None
            and self._axis is not None
            and self._source in self._viewer.layers
        ):
            self._worker.send(layers.plane_at(self._viewer, self._source, self._axis))

    @property
    def _has_kept(self) -> bool:
        """Whether a live run has the deeper levels' features, and can be cancelled lightly."""
        return self._session is not None and self._session.has_kept

    def _live_changed(self, live: bool) -> None:
        if live:
            self._rested()
        else:
            self._session = None  # with all that it kept

    def _rested(self) -> None:
        if self._closed or not self.live.value:
            return
        if self._worker is not None:  # the deeper levels are under way; they serve every slice
            self._again = True
        else:
            self._start()

    def _on_progress(self, progress: Any) -> None:
        if self._closed:
            return
        self.bar.setValue(round(1000 * progress.done))
        if self._preview is not None and self._source in self._viewer.layers:
            self._preview.show(progress)
        elapsed = time.monotonic() - self._started
        left = ""
        if progress.done > 0.05 and elapsed > 1:  # noqa: PLR2004  (an estimate from less misleads)
            left = f" · {elapsed * (1 - progress.done) / progress.done:.0f} s left"
        self.bar.setFormat(f"{progress.phase}{left}")

    def _on_result(self, prediction: Prediction) -> None:
        if self._closed or self._source not in self._viewer.layers:
            return
        self._end_preview()
        data = layers.from_prediction(prediction, self._placement, gates=self.gates.value)
        layers.show(self._viewer, data, keep_old=self.keep_old.value)
        self._link_gates()
        seconds = time.monotonic() - self._started
        told = (
            f"{prediction.sizes_in_words()} · {seconds:.1f} s on {prediction.provenance['device']}"
        )
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
        self._end_preview()
        self.bar.setVisible(False)
        self.run.enabled = True
        self.run.text = "Segment"
        self.run.tooltip = "Run the network on the image."
        if self._again:
            self._again = False
            self._rest.start()

    def _end_preview(self) -> None:
        if self._preview is not None:
            self._preview.close()
            self._preview = None

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
        self._viewer.dims.events.current_step.disconnect(self._looked)
        with suppress(RuntimeError):  # at the end of the program Qt may have deleted it first
            self._rest.stop()
