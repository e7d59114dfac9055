"""The controls of the Segment widget: what they are called, what they say, where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, PushButton, SpinBox
from qtpy.QtWidgets import QVBoxLayout

from napari_attn_unet.plugin.kit.choices import narrow
from napari_attn_unet.plugin.kit.dock import scroll
from napari_attn_unet.plugin.kit.fold import Fold
from napari_attn_unet.plugin.kit.task import Bar
from napari_attn_unet.plugin.kit.text import Text

MOST_PROBABLE = "most probable class"

Choices = Callable[..., list[Any]]


class SegmentForm(Container):  # type: ignore[type-arg]
    """The controls; they do nothing yet.

    Parameters
    ----------
    images, regions, checkpoints
        What the three boxes offer, asked again whenever that may have changed.
    """

    def __init__(self, images: Choices, regions: Choices, checkpoints: Choices) -> None:
        super().__init__(labels=True)
        self.image = ComboBox(choices=images, tooltip="The image layer to segment.")
        self.region = ComboBox(
            choices=regions,
            tooltip="The whole image; the slices on screen, the same as those of the whole image's "
            "result; or the boxes that a Shapes layer encloses, one run for each. A box is an "
            "image of its own: cropped first, then normalised. Its results lie where the box lies.",
        )
        self.around = SpinBox(
            value=2,
            min=0,
            max=1000,
            tooltip="How many slices to each side of the one on screen.",
            visible=False,
        )
        self.live = CheckBox(
            text="live",
            tooltip="Compute the slices again whenever the slider rests. The deeper levels are "
            "computed once for the whole image and kept, so a slice takes a moment.",
            visible=False,
        )
        self.checkpoint = ComboBox(choices=checkpoints, tooltip="The trained network to run.")
        self.browse = PushButton(text="Browse…", tooltip="Open a checkpoint (.safetensors).")
        self.summary = Text()
        self.note = Text()
        self.add_box = PushButton(
            text="Add a box",
            tooltip="Add a box of the size that the checkpoint was trained on: around the largest "
            "part of the mask that has none, or else in the middle of the view. Drag it, or its "
            "corners, with the layer's select tool; along another axis its depth. Each box is an "
            "image and a run of its own.",
        )
        self.box_depth = SpinBox(
            value=1,
            min=1,
            max=100_000,
            tooltip="How many slices deep the selected box is along the axis across the screen; "
            "without a selection, every box of the layer.",
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
            tooltip="All gate maps follow one opacity, colormap and contrast.",
        )
        self.memory_gb = FloatSpinBox(
            value=0.0,
            max=100_000.0,
            step=0.5,
            tooltip="Memory that a run may take, in GB; 0 is 60 % of what is free. "
            "A volume that does not fit is run slab by slab, with the same result.",
        )
        self.memory_note = Text()
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
        self.result = Text()
        for name, label in (
            ("image", "image"),
            ("checkpoint", "checkpoint"),
            ("region", "region"),
            ("around", "slices ±"),
            ("box_depth", "box depth (slices)"),
            ("device", "device"),
            ("precision", "precision"),
            ("memory_gb", "memory limit (GB)"),
            ("threshold_class", "label by"),
            ("threshold", "threshold"),
        ):
            getattr(self, name).label = label
        for box in (self.image, self.checkpoint, self.region, self.device, self.precision):
            narrow(box.native)
        narrow(self.threshold_class.native)
        self._arrange()

    def _arrange(self) -> None:
        self.run.native.setDefault(True)
        self.run.native.setMinimumHeight(32)

        self.bar = Bar()
        self.bar.setTextVisible(True)
        self.advanced = Container(
            widgets=[self.memory_gb, self.threshold_class, self.threshold, self.keep_old, self.link]
        )
        self.advanced.native.layout().insertWidget(1, self.memory_note)
        self._fold = Fold("Advanced")
        self._fold.hold(self.advanced.native)
        self.extend([self.image, self.checkpoint, self.browse, self.region])
        self.extend([self.add_box, self.box_depth, self.around, self.live])
        self.extend([self.device, self.precision, self.gates, self.probabilities, self.run])
        # magicgui lays out its own widgets only; the others go between them, from the end up.
        column = self.native.layout()
        column.insertWidget(len(self), self.result)
        column.insertWidget(len(self), self.bar)
        column.insertWidget(len(self) - 1, self._fold)
        column.insertWidget(4, self.note)
        column.insertWidget(3, self.summary)
        self.head = QVBoxLayout()
        column.insertLayout(0, self.head)
        column.addStretch()
        scroll(self.native)
