"""One choice per viewer, which follows the layers, the selection and whoever chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.choice import Choice, choice_of
from napari_attn_unet.plugin.placement import placement_of
from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction
from napari_attn_unet.volume import Geometry

SHAPE = (4, 6, 8)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def segment(viewer: ViewerModel, name: str, date: str) -> None:
    image = viewer.layers[name]
    classes = tuple(ClassInfo.numbered(i, f"class {i}") for i in range(2))
    place = Geometry.from_spacing()
    gates = (GateMap(np.zeros((2, 3, 4), np.float32), place.regridded((2, 2, 2), (0, 0, 0)), 1),)
    about: dict[str, Any] = {"image": name, "date": date, "checkpoint": "tiny"}
    prediction = Prediction(np.ones(SHAPE, np.uint8), place, classes, gates, provenance=about)
    data = layers.from_prediction(prediction, placement_of(image))
    layers.show(viewer, data, keep_old=False)


def add(viewer: ViewerModel, name: str) -> None:
    viewer.add_image(np.zeros(SHAPE), name=name)


def chosen(choice: Choice) -> tuple[Any, ...]:
    named = [None if la is None else la.name for la in (choice.image, choice.mask, choice.truth)]
    return (None if choice.result is None else choice.result.key[0], *named)


def test_viewers_in_the_same_state_have_choices_of_their_own() -> None:
    one, other = ViewerModel(), ViewerModel()
    assert one == other
    assert choice_of(one) is not choice_of(other)
    assert choice_of(one) is choice_of(one)


def test_a_new_result_is_looked_at_with_its_image_and_mask(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    add(viewer, "a")
    add(viewer, "b")
    choice.update(viewer)
    assert chosen(choice) == (None, "a", None, None)
    segment(viewer, "b", "1")
    choice.update(viewer)
    assert chosen(choice) == ("1", "b", "mask · b", None)


def test_a_result_that_is_gone_is_looked_at_no_more(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    add(viewer, "a")
    segment(viewer, "a", "1")
    choice.update(viewer)
    for layer in list(viewer.layers)[1:]:
        viewer.layers.remove(layer)
    choice.update(viewer)
    assert chosen(choice) == (None, "a", None, None)


def test_the_selection_brings_its_own_result_and_never_a_truth(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    for name in ("a", "b"):
        add(viewer, name)
        segment(viewer, name, name)
    choice.update(viewer)
    assert chosen(choice)[:3] == ("b", "b", "mask · b")
    choice.follow(viewer.layers["gate 1 · a"], viewer)
    assert chosen(choice)[:3] == ("a", "a", "mask · a")
    choice.follow(viewer.layers["b"], viewer)
    assert chosen(choice)[:3] == ("b", "b", "mask · b")
    add(viewer, "c")
    choice.follow(viewer.layers["c"], viewer)
    assert chosen(choice)[:3] == (None, "c", None)
    labels = viewer.add_labels(np.zeros(SHAPE, int), name="mine")
    before = chosen(choice)
    choice.follow(labels, viewer)
    assert chosen(choice) == before


def test_a_truth_is_picked_once_and_not_forced_on_anybody(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    add(viewer, "a")
    segment(viewer, "a", "1")
    viewer.add_labels(np.zeros(SHAPE, int), name="by hand")
    choice.update(viewer)
    assert chosen(choice)[3] == "by hand"
    choice.choose(truth=None)
    viewer.add_image(np.zeros(SHAPE), name="another")
    choice.update(viewer)
    assert chosen(choice)[3] is None
    viewer.add_labels(np.zeros(SHAPE, int), name="the truth")
    choice.update(viewer)
    assert chosen(choice)[3] == "the truth"


def test_it_is_told_once_and_only_if_anything_is_another(viewer: ViewerModel) -> None:
    choice, told = choice_of(viewer), []
    choice.changed.connect(lambda: told.append(1))
    add(viewer, "a")
    segment(viewer, "a", "1")
    choice.update(viewer)
    assert len(told) == 1
    choice.update(viewer)
    choice.choose(image=choice.image, mask=choice.mask)
    assert len(told) == 1


def test_a_mask_of_the_user_s_own_stays_when_an_image_is_opened(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    add(viewer, "a")
    mine = viewer.add_labels(np.zeros(SHAPE, int), name="mine")
    choice.update(viewer)
    assert isinstance(choice.mask, Labels)
    add(viewer, "b")
    choice.follow(viewer.layers["b"], viewer)
    assert choice.mask is mine


def test_an_image_without_a_result_can_be_looked_at_beside_one_with(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    add(viewer, "a")
    add(viewer, "b")
    segment(viewer, "a", "1")
    choice.update(viewer)
    choice.follow(viewer.layers["b"], viewer)
    choice.update(viewer)
    assert chosen(choice)[:3] == (None, "b", None)


def test_only_volumes_are_looked_at(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    flat = viewer.add_image(np.zeros((5, 5)), name="flat")
    colours = viewer.add_image(np.zeros((4, 5, 6, 3)), name="colours", rgb=True)
    choice.update(viewer)
    for layer in (flat, colours):
        choice.follow(layer, viewer)
    assert choice.image is None


def test_it_holds_no_layer_while_nobody_looks_and_finds_it_again(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    for name in ("a", "b"):
        add(viewer, name)
        segment(viewer, name, name)
    choice.update(viewer)
    choice.follow(viewer.layers["a"], viewer)
    choice.let_go()
    assert choice.image is choice.result is choice.mask is None
    choice.update(viewer)
    assert chosen(choice)[:3] == ("a", "a", "mask · a")


def test_a_result_takes_the_place_of_labels_that_were_taken_for_a_mask(
    viewer: ViewerModel,
) -> None:
    choice = choice_of(viewer)
    add(viewer, "a")
    viewer.add_labels(np.zeros(SHAPE, int), name="by hand")
    viewer.layers.events.inserted.connect(lambda _: choice.update(viewer))
    choice.update(viewer)
    assert chosen(choice)[2:] == ("by hand", None)
    segment(viewer, "a", "1")  # its layers come one by one, the mask last
    assert chosen(choice)[2:] == ("mask · a", "by hand")


def test_of_results_that_are_opened_the_one_that_came_is_looked_at(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    add(viewer, "a")
    segment(viewer, "a", "2026-06-01")
    choice.update(viewer)
    add(viewer, "b")
    segment(viewer, "b", "2026-01-01")  # an older one, from a file
    choice.update(viewer)
    assert chosen(choice)[0] == "2026-01-01"


def test_an_image_that_is_renamed_keeps_its_results(viewer: ViewerModel) -> None:
    choice = choice_of(viewer)
    for name in "ab":
        add(viewer, name)
        segment(viewer, name, name)
        choice.update(viewer)
    viewer.layers["a"].name = "patient 7"
    choice.follow(viewer.layers["patient 7"], viewer)
    assert chosen(choice) == ("a", "patient 7", "mask · a", None)
