"""One queue of network runs: whoever comes first is first, and each plans with what is free then.

Two networks at once would each plan for most of the free memory, and fight for the processor.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from qtpy.QtCore import QThreadPool

from napari_attn_unet.plugin.kit.workers import Work
from napari_attn_unet.prediction import Progress

if TYPE_CHECKING:
    from napari_attn_unet.engine.predictor import Predictor

WAITING = "waiting for the run before"
"""The phase of a run that waits."""
_WAIT = 0.1
"""Seconds after which a run that waits looks whether it was cancelled."""

_line: deque[object] = deque()
_moved = threading.Condition()
_predictors: WeakValueDictionary[tuple[Any, ...], Predictor] = WeakValueDictionary()
_last: list[Predictor] = []
"""The one that was asked for last, so that the next run need not load it again."""


def in_turn(steps: Callable[[], Work]) -> Callable[[], Work]:
    """Return the steps of a run that waits, cancellable, until those before it have ended.

    It takes its place in the line when the returned function is called, and gives it back when
    the generator ends or is closed. What is sent to it while it waits, the last of it, reaches the
    run at its first step.
    """

    def waiting() -> Work:
        ticket = object()
        with _moved:
            _line.append(ticket)
        # The pool has as many threads as there are cores. One that waits, or waits for torch's
        # own threads, must not keep the short runs of the other widgets from starting.
        pool = QThreadPool.globalInstance()
        assert pool is not None  # noqa: S101  (for the type checker)
        pool.releaseThread()
        try:
            wish = yield None
            while _line[0] is not ticket:
                sent = yield Progress(WAITING, 0.0)
                wish = wish if sent is None else sent
                with _moved:
                    _moved.wait_for(lambda: _line[0] is ticket, _WAIT)
            return (yield from _told(steps(), wish))
        finally:
            with _moved:
                _line.remove(ticket)
                _moved.notify_all()
            pool.reserveThread()

    def begin() -> Work:
        run = waiting()
        next(run)  # into the line, before there is a thread
        return run

    return begin


def _told(run: Work, wish: Any) -> Work:
    """Pass on a run, a wish sent into its first step unless there is a newer one."""
    with closing(run):
        try:
            step = next(run)
            sent = yield step
            step = run.send(wish if sent is None else sent)
            while True:
                step = run.send((yield step))
        except StopIteration as stop:
            return stop.value


def load(path: str | Path, device: str, precision: str, memory_limit: int | None) -> Predictor:
    """Return a predictor, the same one for the same file and settings.

    It is kept while anybody holds it, or until another one is asked for.

    torch is loaded here: call it in a run, on a thread.

    Raises
    ------
    AttnUNetError
        If the checkpoint cannot be loaded, or there is no such device.
    """
    from napari_attn_unet.engine.devices import pick_device  # noqa: PLC0415  (torch)
    from napari_attn_unet.engine.predictor import Predictor  # noqa: PLC0415

    path, place = Path(path).resolve(), str(pick_device(device))  # "auto" is one of the others
    stamp = path.stat().st_mtime_ns if path.is_file() else None
    key = (path, stamp, place, precision, memory_limit)
    predictor = _predictors.get(key)
    if predictor is None:
        _last.clear()
        predictor = _predictors[key] = Predictor(path, place, precision, memory_limit)
    _last[:] = [predictor]
    return predictor
