"""A button that starts something long, becomes Cancel, and shows how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_attn_unet.errors import AttnUNetError
from napari_attn_unet.plugin.kit import workers


class Task(QWidget):
    """A button and its progress bar.

    Parameters
    ----------
    text, tooltip
        Of the button while nothing runs.
    prepare
        Called on a click; returns the generator function to run on a thread. What it yields has
        `done` and `phase`. An `AttnUNetError` it raises is said and nothing is run.
    returned
        Called with what the generator returns.
    say
        Called with messages for the user.
    """

    def __init__(
        self,
        text: str,
        tooltip: str,
        prepare: Callable[[], Callable[[], workers.Steps]],
        returned: Callable[[Any], None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._text, self._tooltip = text, tooltip
        self._prepare, self._returned, self._say = prepare, returned, say
        self._worker: Any = None
        self.button = QPushButton(text)
        self.button.setToolTip(tooltip)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setVisible(False)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.button)
        line.addWidget(self.bar, 1)
        line.addStretch()
        self.button.clicked.connect(self.toggle)

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._worker is not None

    def toggle(self) -> None:
        """Start, or cancel what is under way."""
        if self._worker is not None:
            self._say("Cancelled.")
            self.button.setEnabled(False)
            self._worker.quit()
            return
        try:
            steps = self._prepare()
        except AttnUNetError as error:
            self._say(str(error))
            return
        self._say("")
        self.button.setText("Cancel")
        self.button.setToolTip("Stop; nothing that is shown is lost.")
        self.bar.setValue(0)
        self.bar.setFormat("starting")
        self.bar.setVisible(True)
        self._worker = workers.start(
            steps,
            yielded=self._progressed,
            returned=self._returned,
            errored=lambda error: self._say(str(error)),
            finished=self._finished,
        )

    def _progressed(self, progress: Any) -> None:
        self.bar.setValue(round(1000 * progress.done))
        self.bar.setFormat(f"{progress.phase} · %p %")

    def _finished(self) -> None:
        self._worker = None
        self.bar.setVisible(False)
        self.button.setText(self._text)
        self.button.setToolTip(self._tooltip)
        self.button.setEnabled(True)

    def stop(self) -> None:
        """Stop at the next step; the widget goes away."""
        if self._worker is not None:
            self._worker.quit()
