"""Slices that follow the slider, and how that ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_attn_unet.engine import session as engine
from napari_attn_unet.plugin.kit import queue
from napari_attn_unet.plugin.segment import widget as segment
from napari_attn_unet.plugin.segment.widget import SegmentWidget
from napari_attn_unet.plugin.segment.wish import SLICES, WHOLE


class Gate:
    """Holds runs before their network until it is opened, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.begun = 0
        evaluate = engine.evaluate

        def held(*arguments: Any, **options: Any) -> Any:
            self.begun += 1
            steps = evaluate(*arguments, **options)
            event = next(steps)
            while not self.open.wait(0.01):
                yield event
            while event.done < 1:
                event = steps.send((yield event))
            yield event

        monkeypatch.setattr(engine, "evaluate", held)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    held = Gate(monkeypatch)
    yield held
    held.open.set()


def names(widget: SegmentWidget) -> list[str]:
    return [layer.name for layer in widget._viewer.layers]


def click_run(qtbot: QtBot, widget: SegmentWidget) -> None:
    qtbot.mouseClick(widget.run.native, Qt.MouseButton.LeftButton)


def follow(qtbot: QtBot, widget: SegmentWidget) -> None:
    widget.region.value = SLICES
    widget.live.value = True
    qtbot.waitUntil(lambda: "mask · brain · slices" in names(widget))
    qtbot.waitUntil(lambda: not widget.running)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each run that was begun was a live one."""
    begun: list[bool] = []
    steps = segment.Live.steps

    def noted(self: Any, wish: Any) -> Any:
        begun.append(wish.live)
        return steps(self, wish)

    monkeypatch.setattr(segment.Live, "steps", noted)
    return begun


def test_the_whole_image_is_not_run_because_the_slider_was_just_moved(
    qtbot: QtBot, widget: SegmentWidget, prepared: list[bool]
) -> None:
    follow(qtbot, widget)
    widget._viewer.dims.set_point(0, 2 * 4)
    widget.region.value = WHOLE
    assert not widget.live.value
    assert not widget._task._latest.busy
    assert prepared == [True]


def test_a_live_run_under_way_ends_with_live(
    qtbot: QtBot, widget: SegmentWidget, gate: Gate
) -> None:
    widget.region.value = SLICES
    widget.live.value = True
    qtbot.waitUntil(lambda: gate.begun == 1)
    widget.live.value = False
    qtbot.waitUntil(lambda: not widget.running)
    assert names(widget) == ["brain"]
    assert "not followed" in widget.result.text()
    assert widget._live._kept.session is None


def test_cancel_ends_live(
    qtbot: QtBot, widget: SegmentWidget, gate: Gate, prepared: list[bool]
) -> None:
    widget.region.value = SLICES
    widget.live.value = True
    qtbot.waitUntil(lambda: gate.begun == 1)
    click_run(qtbot, widget)
    assert not widget.live.value
    assert widget.result.text() == "Cancelled."
    qtbot.waitUntil(lambda: not widget.running)
    widget._viewer.dims.set_point(0, 2 * 4)
    assert not widget._task._latest.busy
    assert prepared == [True]


@pytest.mark.parametrize("stays", [True, False])
def test_a_long_run_is_shown_though_live_was_ticked_meanwhile(
    stays: bool, qtbot: QtBot, widget: SegmentWidget, gate: Gate, prepared: list[bool]
) -> None:
    click_run(qtbot, widget)
    qtbot.waitUntil(lambda: gate.begun == 1)
    widget.region.value = SLICES
    widget.live.value = True
    widget.live.value = stays
    gate.open.set()
    qtbot.waitUntil(lambda: "mask · brain" in names(widget))
    qtbot.waitUntil(lambda: not widget.running)
    assert prepared == ([False, True] if stays else [False])


def test_what_was_unticked_while_it_waited_keeps_nothing(
    qtbot: QtBot, widget: SegmentWidget
) -> None:
    before = object()
    queue._line.append(before)
    try:
        widget.region.value = SLICES
        widget.live.value = True
        qtbot.waitUntil(lambda: widget.bar.format() == queue.WAITING)
        widget.live.value = False
    finally:
        with queue._moved:
            queue._line.remove(before)
            queue._moved.notify_all()
    qtbot.waitUntil(lambda: not widget.running)
    assert widget._live._kept.session is None
    assert names(widget) == ["brain"]


def test_while_live_keeps_its_features_the_need_is_that_of_a_further_slice(
    qtbot: QtBot, widget: SegmentWidget
) -> None:
    follow(qtbot, widget)
    session = widget._live.session
    assert session is not None
    widget._estimate()
    assert "takes about" in widget.memory_note.text()
    assert widget._live.session is session
