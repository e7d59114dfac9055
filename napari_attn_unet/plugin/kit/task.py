"""`Task`: a button that starts something long, becomes Cancel, and shows how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.queue import WAITING, in_turn

_FULL = 1000
_LEAST = 60
"""Pixels that a bar keeps."""
_FIRST_ESTIMATE = 0.05
"""Share of a run after which the time that is left is told; from less it would mislead."""


class Bar(QProgressBar):
    """How far it is, in words that end with an ellipsis where they have no room."""

    def text(self) -> str:
        """Return what stands in the bar (Qt calls this)."""
        words, right = super().text(), Qt.TextElideMode.ElideRight
        return self.fontMetrics().elidedText(words, right, self.width() - 4)


class Task(QWidget):
    """First come: a run goes on until it is done or cancelled by the button that started it.

    What it found is shown, whatever was wished for meanwhile.

    Runs of the network wait for each other; see `queue`.

    Parameters
    ----------
    dock
        With it everything stops.
    text, tooltip
        Of the button while nothing runs.
    prepare
        Called on a click; returns the generator function to run on a thread. What it yields has
        `done` and `phase`. None runs nothing; an `AttnUNetError` it raises is said.
    returned
        Called with what the generator returns.
    say
        Called with messages for the user.
    network
        Whether a run that begins now runs a network, and so waits in the queue.
    button, bar
        To use in place of own ones; they are then laid out elsewhere, and who gives the button
        connects it to `toggle`.
    failed
        Called with what went wrong, in place of `say`.
    cancelled
        Called when the user cancels.
    yielded, finished, rest_ms, may_interrupt
        As of `Latest`.
    """

    def __init__(  # noqa: PLR0913  (each is named by its caller)
        self,
        dock: Dock,
        text: str,
        tooltip: str,
        prepare: Callable[[], Callable[[], workers.Work] | None],
        returned: Callable[[Any], None],
        say: Callable[[str], None],
        *,
        network: Callable[[], bool] = lambda: True,
        button: QPushButton | None = None,
        bar: QProgressBar | None = None,
        failed: Callable[[str], None] | None = None,
        cancelled: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._text, self._tooltip, self._say = text, tooltip, say
        self._prepare, self._network = prepare, network
        self._failed, self._cancelled = failed or say, cancelled
        self._yielded = options.pop("yielded", lambda _: None)
        self._finished = options.pop("finished", lambda: None)
        self._started = 0.0
        self._latest = Latest(
            dock,
            self._begin,
            returned,
            lambda error: self._failed(str(error)),
            yielded=self._progressed,
            finished=self._ended,
            tells_stale=True,
            **options,
        )
        self.button = button or QPushButton(text)
        self.button.setToolTip(tooltip)
        self.bar = bar or Bar()
        self.bar.setRange(0, _FULL)
        self.bar.setVisible(False)
        if button is None:
            line = QHBoxLayout(self)
            line.setContentsMargins(0, 0, 0, 0)
            line.addWidget(self.button)
            line.addWidget(self.bar, 1)
            self.bar.setMinimumWidth(_LEAST)  # a run that begins must not widen its dock
            line.addStretch()
        if button is None:
            self.button.clicked.connect(self.toggle)

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._latest.running

    @property
    def seconds(self) -> float:
        """How long the run has taken, since it was its turn."""
        return time.monotonic() - self._started

    def toggle(self) -> None:
        """Start, or cancel what is under way."""
        if self.running:
            self._cancelled()
            self.cancel("Cancelled.")
        else:
            self._latest.now()

    def ask(self) -> None:
        """Start once no other wish has come for a while, and the run under way has ended."""
        self._latest.ask()

    def now(self) -> None:
        """Start at once, or after the run under way."""
        self._latest.now()

    def forget_wishes(self) -> None:
        """Let the run under way be the last."""
        self._latest.forget_wishes()

    def cancel(self, why: str) -> None:
        """Stop the run under way at its next step, and say why."""
        if self.running:
            self._say(why)
            self.button.setEnabled(False)
        self._latest.cancel()

    def send(self, value: Any) -> None:
        """Send something into the run under way."""
        self._latest.send(value)

    def _begin(self) -> Callable[[], workers.Work] | None:
        steps = self._prepare()
        if steps is None:
            return None
        self._started = time.monotonic()
        self._say("")
        self.button.setText("Cancel")
        self.button.setToolTip("Stop; nothing that is shown is lost.")
        self.bar.setValue(0)
        self.bar.setFormat("starting")
        self.bar.setVisible(True)
        return in_turn(steps) if self._network() else steps

    def _progressed(self, progress: Any) -> None:
        if progress.phase == WAITING:
            self._started = time.monotonic()
        self.bar.setValue(round(_FULL * progress.done))
        left = ""
        if progress.done > _FIRST_ESTIMATE and self.seconds > 1:
            left = f" · {self.seconds * (1 - progress.done) / progress.done:.0f} s left"
        self.bar.setFormat(f"{progress.phase}{left}")
        self.bar.setToolTip(self.bar.format())
        self._yielded(progress)

    def _ended(self) -> None:
        self.bar.setVisible(False)
        self.button.setText(self._text)
        self.button.setToolTip(self._tooltip)
        self.button.setEnabled(True)
        self._finished()
