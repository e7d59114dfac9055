"""The chosen truth is a white line in no other's way, and looks as it did once it is let go."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from shown import SHAPE, show

from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import grid
from napari_attn_unet.plugin.overlay.told import Line, told_of
from napari_attn_unet.plugin.overlay.truth import Truth, claims_of

SAID = [Line("white line: truth")]


def add(viewer: ViewerModel) -> Labels:
    data = np.zeros(SHAPE, np.uint8)
    data[:, 2:5, 2:5] = 1
    return viewer.add_labels(data, name="truth", opacity=0.7, scale=(3, 2, 1), units="mm")


@pytest.fixture
def drawn(viewer: ViewerModel, dock: Dock, qtbot: QtBot) -> Truth:
    choice = show(viewer)
    drawn = Truth(dock, choice)
    choice.choose(truth=add(viewer))
    qtbot.waitUntil(lambda: drawn.outline is not None and drawn.outline.lines.visible)
    return drawn


def test_it_is_a_white_line_and_its_fill_is_gone(viewer: ViewerModel, drawn: Truth) -> None:
    assert drawn.outline is not None
    viewer.dims.set_point(0, 9)
    assert len(drawn.outline.lines.segments) == 4
    assert viewer.layers["truth"].opacity == 0
    assert told_of(viewer).lines == SAID


def test_filled_it_has_the_classes_colours(viewer: ViewerModel, drawn: Truth) -> None:
    mask, truth = choice_of(viewer).mask, viewer.layers["truth"]
    for label in (1, 2):
        np.testing.assert_allclose(truth.get_color(label), mask.get_color(label))
    assert truth.get_color(7)[3] == 1  # no class, and seen all the same


@pytest.mark.parametrize("how", ["another is chosen", "the dock closes"])
def test_it_looks_as_it_did_afterwards(
    viewer: ViewerModel, dock: Dock, qtbot: QtBot, how: str
) -> None:
    choice, truth = show(viewer), add(viewer)
    own = truth.get_color(1)
    drawn = Truth(dock, choice)
    choice.choose(truth=truth)
    assert not np.allclose(truth.get_color(1), own)
    qtbot.waitUntil(lambda: truth.opacity == 0)
    if how == "the dock closes":
        dock.close()
    else:
        choice.choose(truth=None)
    assert drawn.outline is None
    np.testing.assert_allclose(truth.get_color(1), own)
    assert truth.opacity == pytest.approx(0.7)
    assert told_of(viewer).lines == []


@pytest.mark.parametrize("who", ["Compare", "the grid", "its eye"])
def test_it_steps_back_for(viewer: ViewerModel, drawn: Truth, qtbot: QtBot, who: str) -> None:
    def on(there: bool) -> None:
        if who == "Compare":
            (claims_of(viewer).claim if there else claims_of(viewer).release)("compare")
        elif who == "the grid":
            grid(viewer).enabled = there
        else:
            viewer.layers["truth"].visible = not there

    on(True)
    assert drawn.outline is None
    assert told_of(viewer).lines == []
    assert viewer.layers["truth"].opacity == pytest.approx(0.7)
    on(False)
    qtbot.waitUntil(lambda: drawn.outline is not None and drawn.outline.lines.visible)
    assert told_of(viewer).lines == SAID
