"""The demo's window: the bundled MRI opened, segmented, photographed, written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import napari
from napari.settings import get_settings
from napari.utils.notifications import (
    Notification,
    NotificationSeverity,
    notification_manager,
)
from qtpy.QtCore import QTimer

from napari_attn_unet import io, output
from napari_attn_unet.errors import FileError
from napari_attn_unet.plugin.segment.widget import SegmentWidget
from napari_attn_unet.prediction import Prediction

PLUGIN = "napari-attn-unet"
SAMPLE = "mni152"
SIZE = (1600, 1000)
SETTLE_MS = 1500
"""Time for the window to draw the new layers before it is photographed."""


def quiet_viewer() -> napari.Viewer:
    """Return a viewer without napari's notice of PyQt5 over its picture.

    It is for whoever chooses a Qt; the demo runs with the one that it was installed with. The
    console has it all the same, and any other notice is shown once the window is there.
    """
    notices: list[Notification] = []

    def hear(notice: Notification) -> None:
        notices.append(notice)

    ready, application = notification_manager.notification_ready, get_settings().application
    ready.connect(hear)
    try:
        with application.events.blocker():  # nothing is written into the user's settings
            level = application.gui_notification_level
            application.gui_notification_level = NotificationSeverity.ERROR
            try:
                viewer = napari.Viewer(title="napari-attn-unet demo")
            finally:
                application.gui_notification_level = level
    finally:
        ready.disconnect(hear)
    for notice in notices:
        of_qt = "PyQt5" in notice.message and "deprecated" in notice.message
        if notice.severity < NotificationSeverity.ERROR and not of_qt:
            ready(notice)
    return viewer


class Demo:
    """Opens the window and does what a user would: the sample, the widget, the button."""

    def __init__(self, out: Path, *, close: bool, overwrite: bool = False) -> None:
        self.out, self.close, self.overwrite = out, close, overwrite
        self.exit_code = 1 if close else 0
        self.viewer = quiet_viewer()
        self.viewer.window.resize(*SIZE)
        self.viewer.open_sample(PLUGIN, SAMPLE)
        _, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
        assert isinstance(widget, SegmentWidget)  # noqa: S101  (for the type checker)
        self.widget = widget
        bundled = dict(widget._checkpoint_choices())  # noqa: SLF001
        widget.checkpoint.value = bundled["hippocampus"]
        widget.segmented.connect(self.done)
        widget.failed.connect(self.failed)
        QTimer.singleShot(0, widget.run.native.click)

    def done(self, prediction: Prediction) -> None:
        """Write the outputs, and the picture once the window has drawn them."""
        self.viewer.reset_view()  # the dock has narrowed the canvas since the sample was opened
        try:
            with output.result(self.out, io.RESULT, overwrite=self.overwrite) as part:
                written = io.write_prediction(prediction, part)
        except FileError as error:
            self.failed(str(error))
            return
        print(f"The mask and the gate maps are in {self.out.resolve()}:")
        for path in written:
            print(f"  {path.name}")
        QTimer.singleShot(SETTLE_MS, self.photograph)

    def photograph(self) -> None:
        """Save the picture of the window, and end if nobody is watching."""
        path = self.out / "screenshot.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        print(f"  {path.name}")
        self.exit_code = 0
        if self.close:
            self.viewer.close()

    def failed(self, message: str) -> None:
        """Say what went wrong, and end if nobody is watching."""
        print(f"attn-unet demo: {message}", file=sys.stderr)
        if self.close:
            self.viewer.close()


def main() -> int:
    """Run the demo; return its exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--close", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    options = parser.parse_args()
    output.plain_console()
    demo = Demo(options.out, close=options.close, overwrite=options.overwrite)
    napari.run()
    return demo.exit_code


if __name__ == "__main__":
    sys.exit(main())
