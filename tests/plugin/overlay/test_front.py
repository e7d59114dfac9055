"""What is chosen is seen: other runs and other images step back, and come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.choice import Choice, choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.picture import show_picture
from napari_attn_unet.plugin.placement import placement_of
from napari_attn_unet.plugin.results import results
from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction
from napari_attn_unet.volume import Geometry

SHAPE = (4, 6, 8)


def segment(
    viewer: ViewerModel, name: str, date: str, checkpoint: str = "tiny", **more: str
) -> None:
    classes = tuple(ClassInfo.numbered(i, f"class {i}") for i in range(2))
    place = Geometry.from_spacing()
    gates = tuple(
        GateMap(np.zeros((2, 3, 4), np.float32), place.coarsened(2**k), k) for k in (1, 2)
    )
    about: dict[str, Any] = {"image": name, "date": date, "checkpoint": checkpoint}
    about |= {"checkpoint_sha256": checkpoint, **more}
    prediction = Prediction(np.ones(SHAPE, np.uint8), place, classes, gates, provenance=about)
    made = layers.from_prediction(prediction, placement_of(viewer.layers[name]))
    layers.show(viewer, made, keep_old=bool(more))


@pytest.fixture
def choice(dock: Dock, viewer: ViewerModel, qtbot: QtBot) -> Choice:
    """Two images with a result each; the second, which was run last, is looked at."""
    show_picture(dock)
    viewer.add_image(np.zeros(SHAPE), name="a")
    viewer.add_image(np.zeros(SHAPE), name="b")
    segment(viewer, "a", "1")
    choice = choice_of(viewer)
    qtbot.waitUntil(lambda: choice.image is viewer.layers["a"])
    segment(viewer, "b", "2")
    qtbot.waitUntil(lambda: choice.image is viewer.layers["b"])
    return choice


def seen(viewer: ViewerModel) -> set[str]:
    return {layer.name for layer in viewer.layers if layer.visible}


def test_of_two_images_the_one_that_was_run_is_seen_with_its_own_result(
    choice: Choice, viewer: ViewerModel
) -> None:
    assert seen(viewer) == {"a", "b", "gate 1 · b", "mask · b"}  # a lies below


def test_another_result_that_is_chosen_is_seen_and_nothing_over_it(
    choice: Choice, viewer: ViewerModel, dock: Dock
) -> None:
    choice.take(results(viewer)[0], viewer)
    assert seen(viewer) == {"a", "gate 1 · a", "mask · a"}
    choice.take(results(viewer)[1], viewer)
    assert seen(viewer) == {"a", "b", "gate 1 · b", "mask · b"}
    choice.take(results(viewer)[0], viewer)
    dock.close()
    assert "b" in seen(viewer)
    assert "gate 1 · a" in seen(viewer)


def test_another_channel_and_a_faint_image_stay(choice: Choice, viewer: ViewerModel) -> None:
    viewer.layers["b"].blending = "additive"
    choice.take(results(viewer)[0], viewer)
    assert "b" in seen(viewer)
    choice.take(results(viewer)[1], viewer)
    viewer.layers["b"].blending = "translucent"
    viewer.layers["b"].opacity = 0.4
    choice.take(results(viewer)[0], viewer)
    assert "b" in seen(viewer)


def test_of_two_checkpoints_the_one_that_is_hidden_is_shown_when_it_is_chosen(
    choice: Choice, viewer: ViewerModel, qtbot: QtBot
) -> None:
    segment(viewer, "b", "3", "other")
    qtbot.waitUntil(lambda: choice.result.provenance["checkpoint"] == "other")
    assert seen(viewer) >= {"gate 1 · b (other)", "mask · b (other)"}
    assert not seen(viewer) & {"gate 1 · b", "mask · b"}
    choice.take(results(viewer)[1], viewer)
    assert seen(viewer) == {"a", "b", "gate 1 · b", "mask · b"}


def test_a_result_that_was_chosen_stays_so_when_a_helper_comes_and_gives_the_selection_back(
    choice: Choice, viewer: ViewerModel
) -> None:
    viewer.layers.selection.active = viewer.layers["mask · b"]
    choice.take(results(viewer)[0], viewer)
    selected = set(viewer.layers.selection)
    viewer.add_points(np.zeros((1, 3)), metadata={layers.OUTPUT: {"effect": "pins"}})
    viewer.layers.selection = selected
    assert choice.image is viewer.layers["a"]


def test_a_selection_by_hand_is_followed(choice: Choice, viewer: ViewerModel) -> None:
    viewer.layers.selection.active = viewer.layers["mask · a"]
    assert choice.image is viewer.layers["a"]
    viewer.layers.selection.active = viewer.layers["mask · b"]
    assert choice.image is viewer.layers["b"]


def test_a_mask_of_another_run_that_is_chosen_is_seen(choice: Choice, viewer: ViewerModel) -> None:
    choice.take(results(viewer)[0], viewer)
    assert "mask · b" not in seen(viewer)
    choice.choose(mask=viewer.layers["mask · b"])  # as Compare does
    assert "mask · b" in seen(viewer)


def test_a_box_whose_mask_goes_is_told_no_more(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    picture = show_picture(dock)
    viewer.add_image(np.zeros(SHAPE), name="a")
    for box in ("box 1", "box 2"):
        segment(viewer, "a", "1", box=box)
    gone, kept = (r.mask for r in results(viewer))
    qtbot.waitUntil(lambda: len(picture._outlines) == 2)
    choice_of(viewer).take(results(viewer)[1], viewer)
    viewer.layers.remove(gone)
    qtbot.waitUntil(lambda: list(picture._outlines) == [kept])


def test_what_is_selected_is_not_what_was_hidden(choice: Choice, viewer: ViewerModel) -> None:
    viewer.layers.selection.active = viewer.layers["mask · b"]
    choice.take(results(viewer)[0], viewer)
    assert viewer.layers.selection.active is viewer.layers["mask · a"]
    assert choice.result.mask is viewer.layers["mask · a"]
