"""Network runs stand in one line; the network is loaded once while anybody holds it."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import drive

from napari_attn_unet.plugin.kit import queue
from napari_attn_unet.plugin.kit.workers import Work
from napari_attn_unet.volume import Volume


@pytest.fixture(autouse=True)
def the_line_is_empty_again() -> Iterator[None]:
    yield
    gc.collect()
    assert not queue._line


def test_five_runs_started_together_go_as_they_came() -> None:
    begun: list[int] = []
    under_way: list[int] = []

    def steps(number: int) -> Work:
        under_way.append(number)
        assert under_way == [number]  # alone
        begun.append(number)
        for _ in range(3):
            yield None
        under_way.remove(number)
        return number

    runs = [queue.in_turn(lambda i=i: steps(i))() for i in range(5)]
    together = threading.Barrier(5)
    results: dict[int, int] = {}

    def thread(number: int) -> None:
        together.wait(60)
        results[number] = drive(runs[number])[1]

    threads = [threading.Thread(target=thread, args=(i,)) for i in (3, 1, 4, 0, 2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert begun == [0, 1, 2, 3, 4]
    assert results == {i: i for i in range(5)}


def waits(run: Work) -> bool:
    """Whether the next step says that it waits."""
    step = next(run)
    return step is not None and step.phase == "waiting for the run before"


def line() -> list[Work]:
    """Three runs that do nothing for ever; the first has begun."""

    def endless() -> Work:
        while True:
            yield None

    runs = [queue.in_turn(endless)() for _ in range(3)]
    assert [waits(run) for run in runs] == [False, True, True]
    return runs


def test_a_run_that_is_closed_lets_the_next_go() -> None:
    first, second, third = line()
    first.close()
    assert not waits(second)
    assert waits(third)
    second.close()
    assert not waits(third)
    third.close()


def test_a_run_that_is_closed_while_it_waits_leaves_the_line() -> None:
    first, second, third = line()
    second.close()
    assert waits(third)
    first.close()
    assert not waits(third)
    third.close()


def test_a_run_that_fails_lets_the_next_go() -> None:
    def fails() -> Work:
        yield None
        raise MemoryError

    def works() -> Work:
        yield None
        return "done"

    first, second = queue.in_turn(fails)(), queue.in_turn(works)()
    with pytest.raises(MemoryError):
        drive(first)
    assert drive(second)[1] == "done"


def test_a_run_that_never_began_leaves_the_line() -> None:
    run = queue.in_turn(lambda: iter(()))()
    assert len(queue._line) == 1
    del run
    gc.collect()
    assert not queue._line


def listens(heard: list[object]) -> Work:
    """A run of four steps that notes what is sent to it."""
    for _ in range(4):
        heard.append((yield None))
    return "done"


@pytest.mark.parametrize(
    ("while_it_waits", "at_its_first_step", "first"),
    [([3, None, 5], None, 5), ([3], 7, 7), ([None], None, None)],
)
def test_the_last_that_is_sent_to_a_run_that_waits_reaches_its_first_step(
    while_it_waits: list[int | None], at_its_first_step: int | None, first: int | None
) -> None:
    others = line()
    heard: list[object] = []
    run = queue.in_turn(lambda: listens(heard))()
    assert waits(run)
    for sent in while_it_waits:
        run.send(sent)
    for one in others[::-1]:
        one.close()
    assert next(run) is None
    run.send(at_its_first_step)
    run.send(9)
    assert drive(run)[1] == "done"
    assert heard == [first, 9, None, None]


class TestLoading:
    def test_one_network_for_all_who_hold_it(self, tiny_checkpoint_path: Path) -> None:
        first = queue.load(tiny_checkpoint_path, "cpu", "f32", None)
        assert queue.load(str(tiny_checkpoint_path), "cpu", "f32", None) is first

    def test_other_settings_are_another(self, tiny_checkpoint_path: Path) -> None:
        held = [
            queue.load(tiny_checkpoint_path, device, precision, limit)
            for device, precision, limit in (
                ("cpu", "f32", None),
                ("cpu", "bf16", None),
                ("cpu", "f32", 10**9),
            )
        ]
        assert len({id(predictor) for predictor in held}) == 3

    def test_auto_is_the_device_that_it_means(self, tiny_checkpoint_path: Path) -> None:
        auto = queue.load(tiny_checkpoint_path, "auto", "f32", None)
        assert queue.load(tiny_checkpoint_path, str(auto.device), "f32", None) is auto

    def test_another_file_at_the_same_place_is_another(self, tiny_checkpoint_path: Path) -> None:
        first = queue.load(tiny_checkpoint_path, "cpu", "f32", None)
        stamp = tiny_checkpoint_path.stat().st_mtime_ns + 1_000_000
        os.utime(tiny_checkpoint_path, ns=(stamp, stamp))
        assert queue.load(tiny_checkpoint_path, "cpu", "f32", None) is not first

    def test_only_the_one_asked_for_last_is_held(
        self, tiny_checkpoint_path: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.safetensors"
        shutil.copy(tiny_checkpoint_path, other)
        predictor = queue.load(tiny_checkpoint_path, "cpu", "f32", None)
        data = np.random.default_rng(0).normal(size=(1, 12, 12, 12)).astype(np.float32)
        predictor.predict(Volume(data))
        reference = weakref.ref(predictor)
        del predictor
        gc.collect()
        assert queue.load(tiny_checkpoint_path, "cpu", "f32", None) is reference()
        queue.load(other, "cpu", "f32", None)
        gc.collect()
        assert reference() is None
        assert len(queue._predictors) == 1
