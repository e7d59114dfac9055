"""A generator on a thread: progress, cancel, and errors of every type shown."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from superqt.utils import GeneratorWorker, create_worker

from napari_attn_unet.errors import AttnUNetError, RunError, reason

Work = Generator[Any, None, Any]
"""What is done on a thread, step by step; a run of the network is one, and so is a count."""


_HEARD: dict[int, tuple[object, ...]] = {}
"""Slots of runs under way, held until the last was called: PySide6 calls one whose object is gone,
if the call was on its way from the thread, and the window crashes."""


def start(
    steps: Callable[[], Work],
    *,
    yielded: Callable[[Any], None],
    returned: Callable[[Any], None],
    errored: Callable[[Exception], None],
    finished: Callable[..., None],
) -> GeneratorWorker[Any, Any, Any]:
    """Run `steps()` on a thread; the slots are called on the thread of the window.

    `worker.quit()` stops at the next yield; the generator is then closed, which frees its memory.
    """
    # superqt's worker, not napari's own: napari 0.9 lists each of its workers as a task and keeps
    # it, with all that its generator holds, for as long as the window lives.
    generator = steps()

    def guarded() -> Work:
        # superqt drops RuntimeError (torch's errors, CUDA out of memory) without a signal; what is
        # no Exception, such as SystemExit, it lets pass, and then never says that it has finished.
        try:
            return (yield from generator)
        except (AttnUNetError, GeneratorExit):
            raise
        except BaseException as error:
            raise RunError(reason(error)) from error

    def close(*_: Any) -> None:
        generator.close()

    worker: GeneratorWorker[Any, Any, Any] = create_worker(
        guarded, _start_thread=False, _ignore_errors=True
    )
    worker.yielded.connect(yielded)
    worker.returned.connect(returned)
    worker.errored.connect(errored)
    worker.aborted.connect(close)
    worker.finished.connect(finished)
    key = id(worker)
    _HEARD[key] = yielded, returned, errored, finished

    def let_go(*_: Any) -> None:
        _HEARD.pop(key, None)

    worker.finished.connect(let_go)
    worker.start()
    return worker
