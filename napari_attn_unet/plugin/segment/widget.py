"""The Segment widget: choose an image and a checkpoint, press Segment, see mask and gates."""
# Over 350 lines: one form, every control of which has its short slot here.

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image
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
from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.contributions import FOR_CHECKPOINT
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.navigate import plane_at
from napari_attn_unet.plugin.kit.settings import NEWS, Settings
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.kit.workers import Work
from napari_attn_unet.plugin.overlay.boxes import BoxesOnScreen
from napari_attn_unet.plugin.overlay.picture import show_picture
from napari_attn_unet.plugin.panel import panel_of
from napari_attn_unet.plugin.results import labels_on
from napari_attn_unet.plugin.segment.form import MOST_PROBABLE, SegmentForm
from napari_attn_unet.plugin.segment.preview import Preview
from napari_attn_unet.plugin.segment.wish import (
    ALL_BOXES,
    SLICES,
    WHOLE,
    Live,
    Outcome,
    Selection,
    Selector,
    Step,
    Wish,
    find_devices,
    outcomes,
    shapes_of,
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
        self._boxes = BoxesOnScreen(self._dock)
        self._placing = Latest(
            self._dock,
            self._prepare_box,
            self._place_box,
            lambda error: self._say_failed(str(error)),
        )
        self._choice = choice_of(napari_viewer)
        self._follows = False
        self.head.addWidget(panel_of(napari_viewer).add("Segment", self.native, self._dock))
        self._card: Card | None = None
        self._has_gpu = False
        self._wishes: list[Wish] = []  # of the run under way, or the last
        self._source: Any = None
        self._data: Any = None
        self._previews: list[Preview] = []
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
        self._boxes.changed.connect(self._boxes_changed)
        devices_found = Latest(
            self._dock,
            lambda: find_devices,
            self._devices_found,
            lambda error: self._say_failed(f"torch could not be loaded: {error}"),
        )
        devices_found.now()
        self.picture = show_picture(self._dock)
        self._follow()
        self._take_checkpoint(self.image.value)

    def _connect(self) -> None:
        self.browse.changed.connect(self._browse_clicked)
        self.add_box.changed.connect(self._add_box_clicked)
        self.box_depth.changed.connect(self._depth_changed)
        self._dock.connect(self._viewer.dims.events.order, self._show_depth)
        self.checkpoint.changed.connect(self._checkpoint_changed)
        self.threshold_class.changed.connect(self._threshold_class_changed)
        self.image.changed.connect(self._image_chosen)
        self._dock.connect(self._choice.changed, self._follow)
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
        shapes = shapes_of(self._viewer)
        return [WHOLE, SLICES, *shapes, *([ALL_BOXES] if len(shapes) > 1 else [])]

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

    def _image_chosen(self, image: Any) -> None:
        if not self._follows:
            self._choice.follow(image, self._viewer)
        self._take_checkpoint(image)
        if not self.running and image is not self._source:
            self.result.setText("")  # what stood there was of another image
        self._advise()

    def _take_checkpoint(self, image: Any) -> None:
        """Choose the checkpoint that a sample is for."""
        name = None if image is None else image.metadata.get(FOR_CHECKPOINT)
        known = dict(self._settings.checkpoints())
        if name in known:
            self.checkpoint.value = known[name]

    def _follow(self) -> None:
        """Take the image that was chosen elsewhere."""
        image = self._choice.image
        if image is not None and image is not self.image.value and image in self.image.choices:
            self._follows = True
            self.image.value = image
            self._follows = False

    def _checkpoint_changed(self, _: Any = None) -> None:
        self._card = self._boxes.depth_mm = None
        if not self.running:
            self.result.setText("")  # what stood there was of another network
        classes: tuple[str, ...] = ()
        try:
            if self.checkpoint.value is None:
                self.summary.setText("No checkpoint: press Browse… and choose one.")
                return
            self._card = read_card(self.checkpoint.value)
            self._boxes.depth_mm = self._card.field_of_view_mm
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
        self._show_depth()
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
            chosen = self._selections(card)
            self._tell_need(card, max(chosen, key=lambda one: math.prod(one.shape)))
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

    def _selections(self, card: Card) -> list[Selection]:
        return self._selector.select(self.image.value, self.region.value, self.around.value, card)

    def _advise(self, _: Any = None) -> None:
        """Say what keeps a run from making sense, before it is started."""
        self._estimate()
        image = self.image.value
        self.add_box.visible = image is not None and self.region.value != SLICES
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
            self.note.setText(f"{note}: add a box.")
        elif (
            note := card.row_of_seen(volume.shape, volume.geometry.spacing_mm)
            or card.smaller_than_seen(volume.shape, volume.geometry.spacing_mm)
        ) is not None:
            self.note.setText(f"{note}.")
        if (note := card.other_voxels(volume.geometry.spacing_mm)) is not None:
            self.note.setText(f"{self.note.text()} {note}.".strip())

    # --- boxes ----------------------------------------------------------------------------------
    def _add_box_clicked(self) -> None:
        if self.image.value is not None:
            self._placing.now()

    def _prepare_box(self) -> Callable[[], Work] | None:
        """Look for the parts of a mask, if there is one on the image's grid."""
        image, mask = self.image.value, self._choice.mask
        if image is None:
            return None
        view = None if self._card is None else self._card.field_of_view_mm
        size = boxes.size_of_a_new(image, view)
        data: Any = image.data[0] if image.multiscale else image.data
        shape = tuple(data.shape[-3:])
        bring = None if mask is None else labels_on(mask, image, self._viewer, "mask")

        def steps() -> Work:
            yield None
            parts = [] if bring is None else boxes.around_parts(bring().labels, size, shape)
            return image, size, parts

        return steps

    def _place_box(self, found: tuple[Image, Any, list[Any]]) -> None:
        """Add a box around the largest part of the mask that has none, or in the view's middle."""
        image, size, parts = found
        if image not in self._viewer.layers:
            return
        name = boxes.name_for(image)
        there = [la for la in shapes_of(self._viewer) if la.name == name and boxes.is_boxes(la)]
        layer = there[-1] if there else None
        taken = np.zeros((0, 3, 2)) if layer is None else boxes.edges(layer)
        box = boxes.free(parts, taken)
        if box is None:
            box = boxes.in_view(self._viewer, image, size)
        layer = boxes.add(self._viewer, image, box, layer)
        self.region.reset_choices()
        self.region.value = layer
        self._show_depth()

    def _show_depth(self, _: Any = None) -> None:
        """Show how deep the box is along the axis across the screen."""
        layer = self.region.value
        self.box_depth.visible = boxes.is_boxes(layer) and bool(len(layer.data))
        if self.box_depth.visible:
            with self.box_depth.changed.blocked():
                self.box_depth.value = max(self._boxes.depth(layer), 1)

    def _boxes_changed(self, _: Any = None) -> None:
        self._show_depth()
        self._estimate()

    def _depth_changed(self, depth: int) -> None:
        if boxes.is_boxes(self.region.value):
            self._boxes.set_depth(self.region.value, depth)

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
        chosen = self._selections(card)
        if self.live.value and len(chosen[0].volumes) > 1:
            msg = "Live slices need a 3D image, but this is a series over time."
            raise RunError(msg)
        names = [c.name for c in card.classes]
        threshold = None
        if self.threshold_class.value in names:
            threshold = names.index(self.threshold_class.value), float(self.threshold.value)
        self._wishes = [
            Wish(
                one,
                self.checkpoint.value,
                self.device.value,
                self.precision.value,
                self._limit,
                self.gates.value,
                self.probabilities.value,
                threshold,
                self.live.value,
                card,
            )
            for one in chosen
        ]
        self._source, self._data = image, image.data
        if not (self.live.value and self._live.has_kept):
            self._previews = [
                Preview(self._viewer, one, card.classes, gates=self.gates.value) for one in chosen
            ]
        earlier = layers.outputs_of(self._viewer, chosen[0].volumes[0].name)
        return outcomes(self._live, self._wishes, earlier)

    def _looked(self, _: Any = None) -> None:
        """Follow the slider: the run under way goes on from there, a live one starts anew."""
        if self.image.value is None:
            return
        if self.live.value:
            self._task.ask()
            return
        looking = self._wishes[0].selection.looking if self._wishes else None
        if self.running and looking is not None and self._source in self._viewer.layers:
            self._task.send(plane_at(self._viewer, self._source, looking[0]))

    def _live_changed(self, live: bool) -> None:
        if live:
            self._task.now()
            return
        self._live.forget()
        self._task.forget_wishes()
        if self.running and self._wishes and self._wishes[0].live:
            self._task.cancel("Stopped: the slider is not followed any more.")

    def _live_off(self) -> None:
        self.live.value = False

    def _on_progress(self, step: Any) -> None:
        # A run that waits for its turn says so by a progress of its own.
        if isinstance(step, Step) and self._previews and self._source in self._viewer.layers:
            self._previews[step.number].show(step.progress)

    def _on_result(self, found: list[Outcome]) -> None:
        if not self._wishes or self._source not in self._viewer.layers:
            return
        self._end_preview()
        layers.show(
            self._viewer,
            [layer for one in found for layer in one.layers],
            keep_old=self.keep_old.value,
            corrected=found[0].corrected,
        )
        if isinstance(self._source, Image):
            layers.own_contrast(self._source, found[0].contrast)
        self._link_gates()
        self._say(self._told(found))
        self._data = None
        for one in found:
            self.segmented.emit(one.prediction)

    def _told(self, found: list[Outcome]) -> str:
        """Return what was found, of what and where, and what there is to know of it."""
        chosen = [wish.selection for wish in self._wishes]
        told = "; ".join(
            f"{one.box}: {outcome.told}" if one.box and len(found) > 1 else outcome.told
            for one, outcome in zip(chosen, found, strict=True)
        )
        about = found[0].prediction.provenance
        part = "box" if chosen[0].box else "slices" if chosen[0].region else WHOLE
        told = f"{self._source.name} · {about['checkpoint']} · {part}: {told}"
        told += f" · {self._task.seconds:.1f} s on {about['device']}"
        kept = [
            layer.name
            for one in chosen
            for layer in found[0].corrected
            if layer.name.startswith(f"mask · {one.placement.name}")
        ]
        if kept and not self.keep_old.value:
            told += (
                f" · {kept[-1]!r} was changed by hand and is kept; the new mask is another layer."
            )
        if self._source.data is not self._data:
            told += " · The image was changed during the run: these results are the earlier one's."
        return told

    def _end_preview(self) -> None:
        previews, self._previews = self._previews, []
        for preview in reversed(previews):
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
