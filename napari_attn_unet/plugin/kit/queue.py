"""One queue of network runs: whoever comes first is first, and each plans with what is free then.

Two networks at once would each plan for most of the free memory, and fight for the processor.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from qtpy.QtCore import QThreadPool

from napari_attn_unet.plugin.kit.workers import Steps
from napari_attn_unet.prediction import Progress

if TYPE_CHECKING:
    from napari_attn_unet.engine.predictor import Predictor

_WAIT = 0.1
"""Seconds after which a run that waits looks whether it was cancelled."""

_line: deque[object] = deque()
_moved = threading.Condition()
_predictors: WeakValueDictionary[tuple[Any, ...], Predictor] = WeakValueDictionary()


def in_turn(steps: Callable[[], Steps]) -> Callable[[], Steps]:
    """Return the steps of a run that waits, cancellable, until those before it have ended.

    It takes its place in the line when the returned function is called, and gives it back when
    the generator ends or is closed.
    """

    def waiting() -> Steps:
        ticket = object()
        with _moved:
            _line.append(ticket)
        # The pool has as many threads as there are cores. One that waits, or waits for torch's
        # own threads, must not keep the short runs of the other widgets from starting.
        pool = QThreadPool.globalInstance()
        assert pool is not None  # noqa: S101  (for the type checker)
        pool.releaseThread()
        try:
            yield None
            while _line[0] is not ticket:
                yield Progress("waiting for the run before", 0.0)
                with _moved:
                    _moved.wait_for(lambda: _line[0] is ticket, _WAIT)
            return (yield from steps())
        finally:
            with _moved:
                _line.remove(ticket)
                _moved.notify_all()
            pool.reserveThread()

    def begin() -> Steps:
        run = waiting()
        next(run)  # into the line, before there is a thread
        return run

    return begin


def load(path: str | Path, device: str, precision: str, memory_limit: int | None) -> Predictor:
    """Return a predictor, the same one for the same file and settings while anybody holds it.

    torch is loaded here: call it in a run, on a thread.

    Raises
    ------
    AttnUNetError
        If the checkpoint cannot be loaded, or there is no such device.
    """
    from napari_attn_unet.engine.predictor import Predictor  # noqa: PLC0415  (torch)

    path = Path(path)
    stamp = path.stat().st_mtime_ns if path.is_file() else None
    key = (path, stamp, device, precision, memory_limit)
    predictor = _predictors.get(key)
    if predictor is None:
        predictor = _predictors[key] = Predictor(path, device, precision, memory_limit)
    return predictor
