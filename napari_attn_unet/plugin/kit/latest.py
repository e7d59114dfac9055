"""`Latest`: one run at a time on a thread; of the wishes that come meanwhile, the latest counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_attn_unet.errors import AttnUNetError
from napari_attn_unet.plugin.kit import workers
from napari_attn_unet.plugin.kit.dock import Hold


def _nothing(*_: Any) -> None:
    pass


class Latest:
    """Latest wins: a run under way goes on (or is stopped), then the newest wish is run.

    Parameters
    ----------
    hold
        With it everything stops.
    prepare
        Called on the window's thread when a run begins; returns the generator function to run on
        a thread, or None where there is nothing to do. An `AttnUNetError` goes to `errored`.
    returned
        Called with what the generator returns, unless it was cancelled or, without `tells_stale`,
        a newer wish has come.
    errored
        Called with what went wrong, in the same cases.
    yielded
        Called with what the generator yields.
    finished
        Called when a run has ended, however.
    rest_ms
        How long no wish may have come before `ask` begins.
    may_interrupt
        Whether a run under way is stopped for a newer wish.
    tells_stale
        Whether what a run found is told although a newer wish waits.
    """

    def __init__(  # noqa: PLR0913  (what a run tells)
        self,
        hold: Hold,
        prepare: Callable[[], Callable[[], workers.Work] | None],
        returned: Callable[[Any], None],
        errored: Callable[[Exception], None],
        *,
        yielded: Callable[[Any], None] = _nothing,
        finished: Callable[[], None] = _nothing,
        rest_ms: int = 0,
        may_interrupt: Callable[[], bool] = lambda: False,
        tells_stale: bool = False,
    ) -> None:
        self._hold = hold
        self._prepare, self._returned, self._errored = prepare, returned, errored
        self._yielded, self._finished, self._may_interrupt = yielded, finished, may_interrupt
        self._tells_stale = tells_stale
        self._worker: Any = None
        self._again = False
        self._timer = hold.timer(rest_ms, self.now)
        hold.on_close(self.cancel)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._worker is not None

    @property
    def busy(self) -> bool:
        """Whether a run is under way, or a wish waits."""
        return self.running or self._timer.isActive()

    @property
    def is_stale(self) -> bool:
        """Whether a newer wish waits for the run under way."""
        return self._again or self._timer.isActive()

    def ask(self) -> None:
        """Wish for a run, once no other wish has come for a while."""
        if not self._hold.is_closed:
            if self.running and self._may_interrupt():
                self._worker.quit()
            self._timer.start()

    def now(self) -> None:
        """Wish for a run at once, or after the one under way."""
        if self._hold.is_closed:
            return
        self._timer.stop()
        if self._worker is not None:
            self._again = True
            if self._may_interrupt():
                self._worker.quit()
            return
        try:
            steps = self._prepare()
        except AttnUNetError as error:
            self._errored(error)
            return
        if steps is not None:
            self._worker = workers.start(
                steps,
                yielded=self._on_yielded,
                returned=self._on_returned,
                errored=self._on_errored,
                finished=self._on_finished,
            )

    def forget_wishes(self) -> None:
        """Let the run under way be the last."""
        self._again = False
        self._timer.stop()

    def cancel(self) -> None:
        """Stop the run under way at its next step, and forget every wish."""
        self.forget_wishes()
        if self._worker is not None:
            self._worker.quit()

    def send(self, value: Any) -> None:
        """Send something into the run under way."""
        if self._worker is not None:
            self._worker.send(value)

    def _on_yielded(self, value: Any) -> None:
        if not self._hold.is_closed:
            self._yielded(value)

    def _on_returned(self, result: Any) -> None:
        if self._is_awaited():
            self._returned(result)

    def _on_errored(self, error: Exception) -> None:
        if self._is_awaited():
            self._errored(error)

    def _is_awaited(self) -> bool:
        # It may have ended before it was cancelled, and be heard of only now.
        cancelled = self._worker is None or self._worker.abort_requested
        stale = self.is_stale and not self._tells_stale
        return not (self._hold.is_closed or cancelled or stale)

    def _on_finished(self) -> None:
        self._worker = None
        if self._hold.is_closed:
            return
        self._finished()
        if self._again:
            self._again = False
            self.now()
