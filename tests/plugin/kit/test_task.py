"""The button that starts a run cancels it, and comes back however it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from docks import settle
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QThreadPool

from napari_attn_unet.errors import RunError
from napari_attn_unet.plugin.kit import queue
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.task import Task
from napari_attn_unet.plugin.kit.workers import Work
from napari_attn_unet.prediction import Progress


class Job:
    """A task that ends when it is let go; `order` tells of several which began."""

    def __init__(self, dock: Dock, name: str, order: list[str], **options: Any) -> None:
        self.name, self.order = name, order
        self.go = threading.Event()
        self.said: list[str] = []
        self.results: list[str] = []
        self.error: BaseException | None = None
        self.task = Task(
            dock, "Go", "Set off.", self._prepare, self.results.append, self.said.append, **options
        )

    def _prepare(self) -> Callable[[], Work]:
        def steps() -> Work:
            self.order.append(self.name)
            while not self.go.wait(0.002):
                yield Progress("thinking", 0.25)
            if self.error is not None:
                raise self.error
            return self.name

        return steps

    def click(self, qtbot: QtBot) -> None:
        qtbot.mouseClick(self.task.button, Qt.MouseButton.LeftButton)

    def is_back(self) -> bool:
        button = self.task.button
        return (
            not self.task.running
            and (button.text(), button.toolTip()) == ("Go", "Set off.")
            and button.isEnabled()
            and self.task.bar.isHidden()
        )


@pytest.fixture
def make(dock: Dock) -> Any:
    jobs: list[Job] = []
    order: list[str] = []

    def make_job(name: str = "a", **options: Any) -> Job:
        jobs.append(Job(dock, name, order, **options))
        return jobs[-1]

    yield make_job
    for job in jobs:
        job.go.set()


def test_the_button_comes_back_after_success(qtbot: QtBot, make: Callable[..., Job]) -> None:
    job = make()
    assert job.is_back()
    job.click(qtbot)
    assert job.task.button.text() == "Cancel"
    assert "nothing that is shown is lost" in job.task.button.toolTip()
    assert not job.task.bar.isHidden()
    job.go.set()
    qtbot.waitUntil(job.is_back)
    assert job.results == ["a"]


@pytest.mark.parametrize("error", [RuntimeError("no"), RunError("no"), SystemExit("no")])
def test_the_button_comes_back_after_failure(
    qtbot: QtBot, make: Callable[..., Job], error: BaseException
) -> None:
    job = make()
    job.error = error
    job.go.set()
    job.click(qtbot)
    qtbot.waitUntil(job.is_back)
    assert job.results == []
    assert job.said[-1].endswith("no")
    assert not queue._line


def test_a_second_click_cancels(qtbot: QtBot, make: Callable[..., Job]) -> None:
    job = make()
    job.click(qtbot)
    qtbot.waitUntil(lambda: job.task.bar.format() == "thinking")
    job.click(qtbot)
    assert not job.task.button.isEnabled()  # no third one, meanwhile
    qtbot.waitUntil(job.is_back)
    assert job.said == ["", "Cancelled."]
    assert job.results == []


def test_a_refusal_is_said_and_the_button_stays(qtbot: QtBot, dock: Dock) -> None:
    def refuses() -> Callable[[], Work]:
        msg = "no image"
        raise RunError(msg)

    said: list[str] = []
    failed: list[str] = []
    Task(dock, "Go", "Set off.", refuses, pytest.fail, said.append).toggle()
    task = Task(dock, "Go", "Set off.", refuses, pytest.fail, said.append, failed=failed.append)
    task.toggle()
    assert (said, failed) == (["no image"], ["no image"])
    assert task.button.text() == "Go"
    assert task.bar.isHidden()


def test_progress_is_told_and_the_time_that_is_left(
    qtbot: QtBot, make: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make()
    job.click(qtbot)
    assert job.task.bar.format() == "starting"
    qtbot.waitUntil(lambda: job.task.bar.format() == "thinking")
    assert job.task.bar.value() == 250
    monkeypatch.setattr(Task, "seconds", 10.0)
    qtbot.waitUntil(lambda: job.task.bar.format() == "thinking · 30 s left")


def test_network_runs_go_one_after_the_other_in_the_order_of_their_clicks(
    qtbot: QtBot, make: Callable[..., Job]
) -> None:
    jobs = [make(name) for name in "abc"]
    for job in jobs:
        job.click(qtbot)
    for i, job in enumerate(jobs):
        qtbot.waitUntil(lambda i=i: len(jobs[0].order) == i + 1)
        if i < 2:
            bar = jobs[i + 1].task.bar
            qtbot.waitUntil(lambda bar=bar: bar.format() == "waiting for the run before")
        job.go.set()
        qtbot.waitUntil(job.is_back)
    assert jobs[0].order == ["a", "b", "c"]


def test_a_run_without_a_network_waits_for_none_even_on_one_core(
    qtbot: QtBot, make: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = QThreadPool.globalInstance()
    cores = pool.maxThreadCount()
    pool.setMaxThreadCount(1)
    try:
        running, waiting = make("running"), make("waiting")
        running.click(qtbot)
        waiting.click(qtbot)
        other = make("other", network=lambda: False)
        other.go.set()
        other.click(qtbot)
        qtbot.waitUntil(other.is_back)
        assert running.task.running
        assert waiting.task.running
        assert other.results == ["other"]
    finally:
        pool.setMaxThreadCount(cores)


def test_cancelling_one_that_waits_lets_the_next_go(qtbot: QtBot, make: Callable[..., Job]) -> None:
    first, second, third = (make(name) for name in "abc")
    for job in (first, second, third):
        job.click(qtbot)
    qtbot.waitUntil(lambda: second.task.bar.format() == "waiting for the run before")
    second.click(qtbot)
    qtbot.waitUntil(second.is_back)
    first.go.set()
    third.go.set()
    qtbot.waitUntil(lambda: first.is_back() and third.is_back())
    assert third.order == ["a", "c"]
    assert third.results == ["c"]


def test_one_that_is_cancelled_at_once_leaves_the_line(
    qtbot: QtBot, make: Callable[..., Job]
) -> None:
    job = make()
    job.click(qtbot)
    job.click(qtbot)
    qtbot.waitUntil(job.is_back)
    assert not queue._line


def test_a_closed_dock_leaves_the_line(qtbot: QtBot, make: Callable[..., Job], docked: Any) -> None:
    jobs = [make(name) for name in "ab"]
    for job in jobs:
        job.click(qtbot)
    qtbot.waitUntil(lambda: jobs[1].task.bar.format() == "waiting for the run before")
    docked.setParent(None)
    qtbot.waitUntil(lambda: not queue._line)
    settle()
