"""Photograph the real program, every picture of README and docs: `make pictures`.

Each is of a window of 1280 × 800, as small as the program promises to be used at, but for one of
1920 × 1080. The README's film is what `attn-unet figure` writes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_attn_unet.plugin.demo import quiet_viewer

PLUGIN = "napari-attn-unet"
SMALL, LARGE = (1280, 800), (1920, 1080)
out = Path(sys.argv[1])


def until(done: Callable[[], bool]) -> None:
    """Let the window work until something holds, and until it has drawn what follows."""
    end = None
    while end is None or time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)
        if end is None and done():
            end = time.monotonic() + 1.0


def photograph(viewer: Any, name: str) -> None:
    """Save the window; say so where it outgrew what it was given."""
    until(lambda: True)
    pixels = viewer.screenshot(str(out / f"{name}.png"), canvas_only=False, flash=False)
    size = pixels.shape[1], pixels.shape[0]
    print(f"{name}.png" if size in (SMALL, LARGE) else f"{name}.png: {size} is not as asked for")


def dock(viewer: Any, name: str) -> Any:
    """Open one of the plugin's widgets and return it."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    return widget


def click(task: Any) -> None:
    """Press a task's button and wait for its end."""
    task.button.click()
    until(lambda: not task.running)


def remove(viewer: Any, *words: str) -> None:
    """Remove the layers whose name holds one of the words."""
    for layer in list(viewer.layers):
        if any(word in layer.name for word in words):
            viewer.layers.remove(layer)


def segmented(sample: str, checkpoint: str) -> tuple[Any, Any]:
    """Return a viewer with a sample, segmented, and the widget that did it."""
    viewer = quiet_viewer()
    viewer.window.resize(*SMALL)
    viewer.open_sample(PLUGIN, sample)
    segment = dock(viewer, "Segment")
    segment.checkpoint.value = dict(segment._checkpoint_choices())[checkpoint]  # noqa: SLF001
    segment.probabilities.value = True
    segment.run.native.click()
    until(lambda: not segment.running)
    return viewer, segment


def segment_picture() -> None:
    """Photograph Segment with its result."""
    viewer, _ = segmented("mni152", "hippocampus")
    viewer.reset_view()
    photograph(viewer, "segment")
    viewer.close()


def wide(viewer: Any) -> None:
    """Photograph a large window, and make it small again."""
    for size in (LARGE, SMALL):
        viewer.window.resize(*size)
        until(lambda: True)
        viewer.reset_view()
        if size == LARGE:
            photograph(viewer, "wide")


def inspect_pictures() -> None:
    """Photograph every tab of Inspect."""
    viewer, _ = segmented("mni152", "hippocampus")
    inspect = dock(viewer, "Inspect")
    until(lambda: not inspect.state.counting)
    viewer.reset_view()
    tabs = {inspect.tabs.tabText(i): i for i in range(inspect.tabs.count())}

    def show(tab: str) -> None:
        inspect.tabs.setCurrentIndex(tabs[tab])

    show("Gates")
    wide(viewer)
    inspect.gates.threshold.setValue(0.5)
    inspect.gates.contour.setChecked(True)
    photograph(viewer, "inspect-gates")
    inspect.gates.contour.setChecked(False)
    show("Profile")
    photograph(viewer, "inspect-profile")
    inspect.grid.setChecked(True)
    photograph(viewer, "inspect-side-by-side")
    inspect.grid.setChecked(False)
    show("Probe")
    mask = next(layer for layer in viewer.layers if layer.name.startswith("mask"))
    inside = (mask.data[mask.data.shape[0] // 2] > 0).nonzero()
    for i in (0, len(inside[0]) // 2, -1):
        voxel = (mask.data.shape[0] // 2, inside[0][i], inside[1][i])
        viewer.cursor.position = mask.data_to_world(voxel)
        for callback in viewer.mouse_move_callbacks:
            callback(viewer, None)
        inspect.probe.add(viewer.cursor.position)
    photograph(viewer, "inspect-probe")
    show("Agreement")
    click(inspect.agreement.task)
    photograph(viewer, "inspect-agreement")
    show("Knock-out")
    click(inspect.knockout.task)
    photograph(viewer, "inspect-knockout")
    remove(viewer, "Δ", "changed voxels")
    show("Second")
    inspect.difference.second.setCurrentIndex(inspect.difference.second.findText("phantom"))
    click(inspect.difference.task)
    inspect.difference.next.click()
    photograph(viewer, "inspect-second")
    remove(viewer, "−")
    viewer.reset_view()
    show("Export")
    inspect.export.slices.setText("18, 23, 28")
    QFileDialog.getSaveFileName = lambda *_: (str(out / "inspect-figure.png"), "")
    click(inspect.export.figure)
    viewer.close()


def compare_pictures() -> None:
    """Photograph every view of Compare."""
    viewer, _ = segmented("phantom", "phantom")
    compare = dock(viewer, "Compare")
    until(lambda: not compare.busy)
    viewer.reset_view()
    by_eye = compare.by_eye
    compare.numbers.attention.button.click()
    until(lambda: not compare.numbers.attention.running)
    by_eye.contour.setChecked(True)
    compare.slices.step(1)
    photograph(viewer, "compare-numbers")
    by_eye.contour.setChecked(False)
    by_eye.errors.setChecked(True)
    compare.tabs.setCurrentIndex(1)
    photograph(viewer, "compare-slices")
    compare.tabs.setCurrentIndex(2)
    compare.errors.step(1)
    photograph(viewer, "compare-errors")
    viewer.reset_view()
    by_eye.grid.setChecked(True)
    compare.tabs.setCurrentIndex(0)
    photograph(viewer, "compare-side-by-side")
    by_eye.grid.setChecked(False)
    by_eye.errors.setChecked(False)
    compare.tabs.setCurrentIndex(3)
    compare.threshold.sliders[0].setValue(0.1)
    until(lambda: not compare.busy)
    by_eye.contours.setChecked(True)
    photograph(viewer, "compare-threshold")
    by_eye.contours.setChecked(False)
    compare.threshold.reset.click()
    until(lambda: not compare.busy)
    by_eye.swipe.setChecked(True)
    photograph(viewer, "compare-swipe")
    by_eye.checkerboard.setChecked(True)
    photograph(viewer, "compare-checkerboard")
    by_eye.distance.setChecked(True)
    until(lambda: not compare.busy)
    photograph(viewer, "compare-distance")
    viewer.close()


with tempfile.TemporaryDirectory() as folder:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
    segment_picture()
    inspect_pictures()
    compare_pictures()
