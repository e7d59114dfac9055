"""The Segment widget: choose an image and a checkpoint, press Segment, see mask and gates."""
# Over 350 lines: one form, every control of which has its short slot here.

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from napari.layers import Image, Shapes
from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from napari_attn_unet.engine import devices
from napari_attn_unet.engine.frame import Frame
from napari_attn_unet.engine.memory import in_words
from napari_attn_unet.engine.planning import Budget, plan_run
from napari_attn_unet.engine.request import Request
from napari_attn_unet.errors import AttnUNetError, MemoryLimitError, RunError
from napari_attn_unet.network.card import Card, read_card
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.plugin import boxes, layers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.navigate import plane_at
from napari_attn_unet.plugin.kit.settings import NEWS, Settings
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.segment.form import MOST_PROBABLE, SegmentForm
from napari_attn_unet.plugin.segment.preview import Preview
from napari_attn_unet.plugin.segment.wish import (
    SLICES,
    WHOLE,
    Live,
    Outcome,
    Selection,
    Selector,
    Wish,
    find_devices,
    outcome,
)

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
        self._dock = Dock(self.native, napari_viewer, "segment")
        self._selector, self._live = Selector(napari_viewer), Live()
        self._card: Card | None = None
        self._has_gpu = False
        self._wish: Wish | None = None  # of the run under way, or the last
        self._source: Any = None
        self._data: Any = None
        self._preview: Preview | None = None
        self._task = Task(
            self._dock,
            "Segment",
            "Run the network on the image.",
            self._prepare,
            self._on_result,
            self._say,
            button=self.run.native,
            bar=self.bar,
            failed=self._say_failed,
            cancelled=self._live_off,
            yielded=self._on_progress,
            finished=self._end_preview,
            rest_ms=REST_MS,
            may_interrupt=lambda: self._live.has_kept,
        )
        self.run.changed.connect(self._task.toggle)
        self._settings.follow({name: getattr(self, name) for name in _KEPT})
        self._connect()
        self._checkpoint_changed()
        self._layers_changed()
        devices_found = Latest(
            self._dock,
            lambda: find_devices,
            self._devices_found,
            lambda error: self._say_failed(f"torch could not be loaded: {error}"),
        )
        devices_found.now()

    def _connect(self) -> None:
        self.browse.changed.connect(self._browse_clicked)
        self.add_box.changed.connect(self._add_box_clicked)
        self.checkpoint.changed.connect(self._checkpoint_changed)
        self.threshold_class.changed.connect(self._threshold_class_changed)
        self.image.changed.connect(self._advise)
        self.region.changed.connect(self._region_changed)
        self.live.changed.connect(self._live_changed)
        for control in (self.precision, self.device, self.memory_gb, self.probabilities):
            control.changed.connect(self._estimate)
        self.link.changed.connect(self._link_gates)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            self._dock.connect(event, self._layers_changed)
        self._dock.connect(self._viewer.dims.events.current_step, self._looked)
        self._dock.connect(NEWS.checkpoints, self.checkpoint.reset_choices)
        self._dock.on_close(self._live.forget)
        self._dock.on_close(self._end_preview)

    def _image_choices(self, _: Any = None) -> list[Any]:
        return [layer for layer in self._viewer.layers if layers.is_segmentable(layer)]

    def _region_choices(self, _: Any = None) -> list[Any]:
        shapes = [layer for layer in self._viewer.layers if isinstance(layer, Shapes)]
        return [WHOLE, SLICES, *shapes]

    def _checkpoint_choices(self, _: Any = None) -> list[tuple[str, str]]:
        return self._settings.checkpoints()

    # --- what the choices mean ------------------------------------------------------------------
    def _layers_changed(self, _: Any = None) -> None:
        self.image.reset_choices()
        self.region.reset_choices()
        self._advise()
        if self.running and self._source not in self._viewer.layers:
            self._task.cancel("Stopped: the image layer was removed during the run.")

    def _devices_found(self, found: dict[str, str]) -> None:
        wanted = self._settings.value("device", "auto")
        self.device.choices = [
            (f"{name} · {about}" if name != "auto" else "auto", name)
            for name, about in found.items()
        ]
        self.device.value = wanted if wanted in found else "auto"
        self._has_gpu = not set(found) <= {"auto", "cpu"}
        self._estimate()

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
            refused = str(self.checkpoint.value)
            if Path(refused).is_file():  # what is only away may come back
                self._settings.forget(refused)
            if self.checkpoint.value != refused:  # another was chosen in its place
                self._say_failed(str(error))
                return
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
            self._tell_need(card, self._selection(card))
        except MemoryLimitError as error:
            self.memory_note.setText(f"too little: needs {in_words(error.least)}")
            self.memory_note.setToolTip(str(error))
        except AttnUNetError as error:  # said in full when the run is started
            self.memory_note.setToolTip(str(error))

    def _tell_need(self, card: Card, chosen: Selection) -> None:
        session = self._live.session if self.live.value else None
        plan, _ = plan_run(
            ModelConfig.from_dict(card.config),
            Frame.of(chosen.volumes[0], card.preprocessing),
            Request(probabilities=self.probabilities.value, region=chosen.region),
            self._budget() if session is None else session.budget(),
            axis=None if chosen.looking is None else chosen.looking[0],
            keep="regions" if self.live.value else None,
            kept_axis=None if session is None else session.kept_axis,
        )
        self.memory_note.setText(f"takes about {in_words(plan.bytes_needed)}")
        self.memory_note.setToolTip(f"How it will be computed: {plan.description}.")

    @property
    def _limit(self) -> int | None:
        return int(self.memory_gb.value * 1e9) or None

    def _budget(self) -> Budget:
        """Return what a run may take; a GPU is asked only once torch is there."""
        on_gpu = self._has_gpu and self.device.value != "cpu"
        device = devices.pick_device(self.device.value) if on_gpu else None
        return devices.budget(self.precision.value, self._limit, device)

    def _selection(self, card: Card) -> Selection:
        return self._selector.select(self.image.value, self.region.value, self.around.value, card)

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
        elif (note := card.smaller_than_seen(volume.shape, volume.geometry.spacing_mm)) is not None:
            self.note.setText(f"{note}.")
        if (note := card.other_voxels(volume.geometry.spacing_mm)) is not None:
            self.note.setText(f"{self.note.text()} {note}.".strip())

    def _add_box_clicked(self) -> None:
        if self.image.value is not None and self._card and self._card.field_of_view_mm:
            box = boxes.box_around(self._viewer, self.image.value, self._card.field_of_view_mm)
            self.region.reset_choices()
            self.region.value = box

    def _browse_clicked(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self.native, "Open a checkpoint", "", "Checkpoints (*.safetensors *.pt *.pth)"
        )
        if path:
            self.use_checkpoint(path)

    def use_checkpoint(self, path: str | Path) -> None:
        """Choose a checkpoint file and remember it for the next session.

        A file that is none is said, and offered no more; what was chosen stays.
        """
        path = str(path)
        try:
            read_card(path)
        except AttnUNetError as error:
            self._settings.forget(path)
            self._say_failed(str(error))
            return
        self._settings.opened(path)
        self.checkpoint.value = path

    # --- the run --------------------------------------------------------------------------------
    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._task.running

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
        chosen = self._selection(card)
        if self.live.value and len(chosen.volumes) > 1:
            msg = "Live slices need a 3D image, but this is a series over time."
            raise RunError(msg)
        names = [c.name for c in card.classes]
        threshold = None
        if self.threshold_class.value in names:
            threshold = names.index(self.threshold_class.value), float(self.threshold.value)
        wish = Wish(
            chosen,
            self.checkpoint.value,
            self.device.value,
            self.precision.value,
            self._limit,
            self.gates.value,
            self.probabilities.value,
            threshold,
            self.live.value,
        )
        self._wish, self._source, self._data = wish, image, image.data
        if not (wish.live and self._live.has_kept):
            self._preview = Preview(self._viewer, chosen, card.classes, gates=self.gates.value)
        earlier = layers.outputs_of(self._viewer, chosen.volumes[0].name)
        return outcome(self._live.steps(wish), wish, earlier)

    def _looked(self, _: Any = None) -> None:
        """Follow the slider: the run under way goes on from there, a live one starts anew."""
        if self.image.value is None:
            return
        if self.live.value:
            self._task.ask()
            return
        looking = None if self._wish is None else self._wish.selection.looking
        if self.running and looking is not None and self._source in self._viewer.layers:
            self._task.send(plane_at(self._viewer, self._source, looking[0]))

    def _live_changed(self, live: bool) -> None:
        if live:
            self._task.now()
            return
        self._live.forget()
        self._task.forget_wishes()
        if self.running and self._wish is not None and self._wish.live:
            self._task.cancel("Stopped: the slider is not followed any more.")

    def _live_off(self) -> None:
        self.live.value = False

    def _on_progress(self, progress: Any) -> None:
        if self._preview is not None and self._source in self._viewer.layers:
            self._preview.show(progress)

    def _on_result(self, found: Outcome) -> None:
        if self._wish is None or self._source not in self._viewer.layers:
            return
        self._end_preview()
        layers.show(
            self._viewer, found.layers, keep_old=self.keep_old.value, corrected=found.corrected
        )
        if isinstance(self._source, Image):
            layers.own_contrast(self._source, found.contrast)
        self._link_gates()
        device = found.prediction.provenance["device"]
        told = f"{found.sizes} · {self._task.seconds:.1f} s on {device}"
        name = f"mask · {self._wish.selection.placement.name}"
        kept = [layer.name for layer in found.corrected if layer.name.startswith(name)]
        if kept and not self.keep_old.value:
            told += (
                f" · {kept[-1]!r} was changed by hand and is kept; the new mask is another layer."
            )
        if self._source.data is not self._data:
            told += " · The image was changed during the run: these results are the earlier one's."
        self._data = None
        self._say(told)
        self.segmented.emit(found.prediction)

    def _end_preview(self) -> None:
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.close()

    def _say(self, text: str) -> None:
        self.result.setText(text)
        self.result.setStyleSheet("")

    def _say_failed(self, text: str) -> None:
        self._say(text)
        self.result.setStyleSheet("color: #ff6b5e;")
        self.failed.emit(text)

    def _link_gates(self, _: Any = None) -> None:
        layers.link_gates(self._viewer, self.link.value)
