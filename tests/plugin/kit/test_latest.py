"""One run at a time; of the wishes that come meanwhile, the latest counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QWidget

from napari_attn_unet.errors import RunError, VolumeError
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.latest import Latest
from napari_attn_unet.plugin.kit.workers import Work


class Runs:
    """Runs that return their number once they are let go, and what was heard of them."""

    def __init__(self, dock: Dock, **options: Any) -> None:
        self.prepared = 0
        self.go = threading.Event()
        self.told: list[tuple[str, Any]] = []
        self.sent: list[Any] = []
        self.closed: list[int] = []
        self.latest = Latest(
            dock,
            self._prepare,
            lambda result: self.told.append(("returned", result)),
            lambda error: self.told.append(("errored", error)),
            yielded=lambda value: self.told.append(("yielded", value)),
            finished=lambda: self.told.append(("finished", None)),
            **options,
        )

    def _prepare(self) -> Callable[[], Work]:
        self.prepared += 1
        number = self.prepared

        def steps() -> Work:
            try:
                while not self.go.wait(0.002):
                    sent = yield None
                    self.sent += [] if sent is None else [sent]
            finally:
                self.closed.append(number)
            return number

        return steps

    def results(self) -> list[Any]:
        return [value for what, value in self.told if what == "returned"]

    def heard(self) -> list[str]:
        return [what for what, _ in self.told if what != "yielded"]


@pytest.fixture
def runs(dock: Dock) -> Iterator[Runs]:
    made = Runs(dock)
    yield made
    made.go.set()


def ended(qtbot: QtBot, runs: Runs) -> None:
    qtbot.waitUntil(lambda: not runs.latest.busy)


def test_of_many_wishes_the_newest_is_run_and_delivered(qtbot: QtBot, runs: Runs) -> None:
    runs.latest.now()
    qtbot.waitUntil(lambda: ("yielded", None) in runs.told)
    for _ in range(5):
        runs.latest.now()
    assert runs.latest.is_stale
    runs.go.set()
    ended(qtbot, runs)
    assert runs.prepared == 2
    assert runs.results() == [2]
    assert runs.heard() == ["finished", "returned", "finished"]


def test_a_run_that_nobody_overtakes_is_delivered(qtbot: QtBot, runs: Runs) -> None:
    runs.go.set()
    for _ in range(2):
        runs.latest.now()
        assert runs.latest.running
        ended(qtbot, runs)
    assert runs.results() == [1, 2]


def test_ask_begins_once_no_wish_has_come_for_a_while(qtbot: QtBot, dock: Dock) -> None:
    runs = Runs(dock, rest_ms=60)
    runs.go.set()
    for _ in range(4):
        runs.latest.ask()
        assert runs.prepared == 0
    assert runs.latest.busy
    ended(qtbot, runs)
    assert runs.results() == [1]


def test_a_wish_that_rests_makes_the_run_under_way_stale(qtbot: QtBot, dock: Dock) -> None:
    runs = Runs(dock, rest_ms=60)
    runs.latest.now()
    runs.latest.ask()
    runs.go.set()
    ended(qtbot, runs)
    assert runs.results() == [2]


@pytest.mark.parametrize("wish", ["ask", "now"])
def test_a_run_that_may_be_interrupted_is_stopped_for_a_newer_wish(
    qtbot: QtBot, dock: Dock, wish: str
) -> None:
    runs = Runs(dock, may_interrupt=lambda: True)
    runs.latest.now()
    qtbot.waitUntil(lambda: ("yielded", None) in runs.told)
    getattr(runs.latest, wish)()
    qtbot.waitUntil(lambda: runs.prepared == 2)
    assert runs.closed == [1]  # it was never let go
    runs.go.set()
    ended(qtbot, runs)
    assert runs.results() == [2]


def test_nothing_to_do_is_no_run(dock: Dock) -> None:
    latest = Latest(dock, lambda: None, pytest.fail, pytest.fail)
    latest.now()
    assert not latest.busy


def test_a_refusal_in_prepare_is_told(dock: Dock) -> None:
    def refuses() -> None:
        msg = "flat"
        raise VolumeError(msg)

    errors: list[Exception] = []
    latest = Latest(dock, refuses, pytest.fail, errors.append)
    latest.now()
    assert [str(error) for error in errors] == ["flat"]
    assert not latest.busy


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("out of memory"),
        MemoryError("full"),
        KeyError("lost"),
        OSError("disk"),
        SystemExit("a library's exit()"),
        KeyboardInterrupt("by hand"),
        VolumeError("flat"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_error_of_any_type_is_told_and_ends_the_run(
    qtbot: QtBot, dock: Dock, error: BaseException, at_once: bool
) -> None:
    def steps() -> Work:
        if not at_once:
            yield None
        raise error

    told: list[Any] = []
    latest = Latest(
        dock, lambda: steps, pytest.fail, told.append, finished=lambda: told.append("finished")
    )
    latest.now()
    qtbot.waitUntil(lambda: not latest.running)
    failure, finished = told
    assert str(error.args[0]) in str(failure)
    assert isinstance(failure, VolumeError if isinstance(error, VolumeError) else RunError)
    assert finished == "finished"
    latest.now()  # and the next may run
    qtbot.waitUntil(lambda: not latest.running)


def test_cancel_closes_the_run_and_forgets_the_wishes(qtbot: QtBot, runs: Runs) -> None:
    runs.latest.now()
    qtbot.waitUntil(lambda: ("yielded", None) in runs.told)
    runs.latest.now()
    runs.latest.cancel()
    qtbot.waitUntil(lambda: runs.closed == [1] and not runs.latest.busy)
    assert runs.prepared == 1
    assert runs.heard() == ["finished"]


def test_a_result_that_came_just_before_cancel_is_not_delivered(qtbot: QtBot, runs: Runs) -> None:
    runs.go.set()
    runs.latest.now()
    assert QThreadPool.globalInstance().waitForDone(60_000)  # returned, and not heard of yet
    runs.latest.cancel()
    ended(qtbot, runs)
    assert runs.heard() == ["finished"]


def test_a_closed_dock_closes_the_run_and_hears_no_more(
    qtbot: QtBot, docked: QWidget, dock: Dock
) -> None:
    runs = Runs(dock)
    runs.latest.now()
    qtbot.waitUntil(lambda: ("yielded", None) in runs.told)
    docked.setParent(None)
    told = list(runs.told)
    qtbot.waitUntil(lambda: runs.closed == [1])
    qtbot.wait(20)
    runs.latest.now()
    runs.latest.ask()
    qtbot.wait(20)
    assert runs.told == told
    assert runs.prepared == 1


def test_what_is_sent_reaches_the_run(qtbot: QtBot, runs: Runs) -> None:
    runs.latest.send("too early")
    runs.latest.now()
    qtbot.waitUntil(lambda: ("yielded", None) in runs.told)
    runs.latest.send("hello")
    qtbot.waitUntil(lambda: runs.sent == ["hello"])


@pytest.mark.parametrize("tells", [True, False])
def test_what_a_run_found_is_told_though_a_wish_waits_if_so_chosen(
    tells: bool, qtbot: QtBot, dock: Dock
) -> None:
    runs = Runs(dock, tells_stale=tells)
    runs.latest.now()
    runs.latest.now()
    runs.go.set()
    qtbot.waitUntil(lambda: 2 in runs.results())
    assert runs.results() == ([1, 2] if tells else [2])


def test_wishes_are_forgotten_and_the_run_under_way_is_not(qtbot: QtBot, runs: Runs) -> None:
    runs.latest.now()
    runs.latest.now()
    runs.latest.ask()
    runs.latest.forget_wishes()
    runs.go.set()
    qtbot.waitUntil(lambda: not runs.latest.busy)
    assert runs.results() == [1]
    assert runs.prepared == 1
