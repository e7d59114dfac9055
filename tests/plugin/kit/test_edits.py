"""Whoever changes voxels is heard, and who does not is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.edits import Edits


class Heard:
    """A layer, and how often its voxels were said to have changed."""

    def __init__(self, qtbot: QtBot, shape: tuple[int, ...] = (6, 7, 8)) -> None:
        self.viewer, self.qtbot, self.times = ViewerModel(), qtbot, 0
        self.widget = QWidget()
        self.dock = Dock(self.widget, self.viewer, "test")
        self.labels: Labels = self.viewer.add_labels(np.zeros(shape, np.uint8))
        self.edits = Edits(self.dock, self.labels)
        self.edits.changed.connect(self.hear)
        self.rest()

    def hear(self) -> None:
        self.times += 1

    def rest(self) -> int:
        """Wait until all is looked at; return how often it was told, and forget it."""
        self.qtbot.waitUntil(lambda: not self.edits.busy)
        times, self.times = self.times, 0
        return times

    def stroke(self, z: int) -> None:
        self.viewer.dims.set_point(self.labels.ndim - 3, z)
        self.labels.paint((*(0,) * (self.labels.ndim - 3), z, 3, 3), 2)


@pytest.fixture
def heard(qtbot: QtBot) -> Iterator[Heard]:
    made = Heard(qtbot)
    yield made
    made.dock.close()


def test_a_stroke_is_told_at_once(heard: Heard) -> None:
    heard.stroke(2)
    assert heard.times


def test_an_undo_is_told_wherever_the_slider_is(heard: Heard) -> None:
    heard.stroke(2)
    heard.rest()
    heard.viewer.dims.set_point(0, 4)  # where nothing was painted
    heard.labels.undo()
    assert heard.rest() == 1
    heard.labels.redo()
    assert heard.rest() == 1


def test_an_undo_before_the_stroke_was_looked_at_is_told(heard: Heard) -> None:
    heard.stroke(2)
    heard.qtbot.wait(1)  # whoever listens may have read the stroke meanwhile
    heard.times = 0
    heard.labels.undo()
    assert heard.rest() == 1


def test_voxels_written_into_the_array_are_told_by_a_refresh(heard: Heard) -> None:
    heard.labels.data[5] = 1  # which is not on screen
    heard.labels.refresh()
    assert heard.rest() == 1


def test_voxels_written_while_hidden_are_told_once_it_is_seen(heard: Heard) -> None:
    heard.labels.visible = False
    heard.labels.data[5] = 1
    heard.labels.refresh()
    heard.viewer.dims.set_point(0, 4)
    heard.labels.visible = True
    assert heard.rest() == 1


def test_other_data_are_told_once(heard: Heard) -> None:
    heard.labels.data = np.ones((6, 7, 8), np.uint8)
    assert heard.rest() == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda heard: heard.labels.refresh(),
        lambda heard: heard.viewer.dims.set_point(0, 3),
        lambda heard: setattr(heard.viewer.dims, "order", (2, 0, 1)),
        lambda heard: setattr(heard.viewer.dims, "ndisplay", 3),
        lambda heard: setattr(heard.labels, "visible", False),
        lambda heard: setattr(heard.labels, "selected_label", 3),
        lambda heard: setattr(heard.labels, "opacity", 0.2),
    ],
)
def test_what_changes_no_voxel_is_not_told(heard: Heard, act: Callable[[Heard], None]) -> None:
    act(heard)
    assert heard.rest() == 0


def test_of_a_series_another_time_is_no_edit_but_an_undo_is(qtbot: QtBot) -> None:
    heard = Heard(qtbot, (2, 6, 7, 8))
    heard.stroke(2)
    heard.rest()
    heard.viewer.dims.set_point(0, 1)
    assert heard.rest() == 0
    heard.viewer.dims.set_point(0, 0)
    heard.labels.undo()
    assert heard.rest() == 1
    heard.dock.close()


@pytest.mark.parametrize("who", ["dock", "edits"])
def test_closed_it_hears_no_more(heard: Heard, who: str) -> None:
    getattr(heard, who).close()
    heard.stroke(2)
    heard.labels.undo()
    assert heard.rest() == 0
