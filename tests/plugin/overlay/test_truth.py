"""The chosen truth has the classes' colours, and looks as it did once it is chosen no more."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from shown import SHAPE, show

from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.told import Line, told_of
from napari_attn_unet.plugin.overlay.truth import FILL, Truth


@pytest.fixture
def truth(viewer: ViewerModel, dock: Dock) -> Labels:
    choice = show(viewer)
    truth = viewer.add_labels(np.ones(SHAPE, np.uint8), name="truth", opacity=0.7)
    Truth(dock, choice)
    choice.choose(truth=truth)
    return truth


def test_it_has_the_classes_colours_and_hides_nothing(viewer: ViewerModel, truth: Labels) -> None:
    mask = choice_of(viewer).mask
    for label in (1, 2):
        np.testing.assert_allclose(truth.get_color(label), mask.get_color(label))
    assert truth.get_color(7)[3] == 1  # no class, and seen all the same
    assert truth.opacity == FILL


@pytest.mark.parametrize("how", ["another is chosen", "the dock closes"])
def test_it_looks_as_it_did_afterwards(viewer: ViewerModel, dock: Dock, how: str) -> None:
    choice = show(viewer)
    truth = viewer.add_labels(np.ones(SHAPE, np.uint8), name="truth", opacity=0.7)
    own = truth.get_color(1)
    Truth(dock, choice)
    choice.choose(truth=truth)
    assert not np.allclose(truth.get_color(1), own)
    if how == "the dock closes":
        dock.close()
    else:
        choice.choose(truth=None)
    np.testing.assert_allclose(truth.get_color(1), own)
    assert truth.opacity == pytest.approx(0.7)


def test_it_is_told_while_it_is_seen_and_nobody_else_does(
    viewer: ViewerModel, truth: Labels
) -> None:
    told = told_of(viewer)
    assert told.lines == [Line("fill: truth")]
    told.say("compare", [Line("white line: truth")])
    assert told.lines == [Line("white line: truth")]
    told.say("compare", [])
    assert told.lines == [Line("fill: truth")]
    truth.visible = False
    assert told.lines == []
