"""What is asked for is read from the layer as it is when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_attn_unet.errors import RunError
from napari_attn_unet.network.card import Card, read_card
from napari_attn_unet.plugin import boxes
from napari_attn_unet.plugin.kit import navigate
from napari_attn_unet.plugin.kit.workers import Work
from napari_attn_unet.plugin.placement import transforms
from napari_attn_unet.plugin.segment.wish import (
    ALL_BOXES,
    SLICES,
    WHOLE,
    Live,
    Selector,
    Wish,
    outcomes,
)
from napari_attn_unet.prediction import Prediction, Progress, finish
from napari_attn_unet.volume import Geometry


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def brain(viewer: ViewerModel, image: np.ndarray) -> Image:
    return viewer.add_image(image, name="brain", scale=(2, 1, 1), units=("mm",) * 3)


@pytest.fixture
def card(tiny_checkpoint_path: Path) -> Card:
    return read_card(tiny_checkpoint_path)


def test_volumes_are_known_again_until_the_layer_changes(
    viewer: ViewerModel, brain: Image, card: Card
) -> None:
    selector = Selector(viewer)

    def volume() -> object:
        return selector.select(brain, WHOLE, 0, card)[0].volumes[0]

    last = volume()
    assert volume() is last
    for change in (
        lambda: setattr(brain, "scale", (3, 1, 1)),
        lambda: setattr(brain, "translate", (1, 0, 0)),
        lambda: setattr(brain, "data", brain.data + 1),
        lambda: setattr(brain, "name", "brain of another"),
    ):
        change()
        assert volume() is not last
        last = volume()
        assert volume() is last


def test_a_renamed_layer_is_called_by_its_new_name(
    viewer: ViewerModel, brain: Image, card: Card
) -> None:
    selector = Selector(viewer)
    selector.select(brain, WHOLE, 0, card)
    brain.name = "brain of another"
    (chosen,) = selector.select(brain, WHOLE, 0, card)
    assert chosen.placement.name == chosen.volumes[0].name == "brain of another"


@pytest.mark.parametrize(("plane", "slices"), [(9, (7, 12)), (0, (0, 3)), (20, (18, 21))])
def test_slices_around_the_one_on_screen(
    viewer: ViewerModel, brain: Image, card: Card, plane: int, slices: tuple[int, int]
) -> None:
    navigate.go_to_slice(viewer, brain, 0, plane)
    (chosen,) = Selector(viewer).select(brain, SLICES, 2, card)
    assert chosen.region is not None
    assert chosen.region[0] == slice(*slices)
    assert chosen.shape == (slices[1] - slices[0], 18, 17)
    assert chosen.looking == (0, plane)
    assert chosen.geometry.origin[0] == 2 * slices[0]


def test_slices_need_a_slice(viewer: ViewerModel, brain: Image, card: Card) -> None:
    viewer.dims.ndisplay = 3
    with pytest.raises(RunError, match="2D button"):
        Selector(viewer).select(brain, SLICES, 2, card)


def test_every_box_is_a_part_of_its_own_and_none_has_another_s_name(
    viewer: ViewerModel, brain: Image, card: Card
) -> None:
    first = boxes.in_view(viewer, brain, np.array([6.0, 5, 4]))
    own = boxes.add(viewer, brain, first)
    boxes.add(viewer, brain, first + 1, own)
    drawn = viewer.add_shapes(
        [np.array([[4, 2, 2], [4, 2, 9], [4, 9, 9], [4, 9, 2]])],
        shape_type="rectangle",
        name="lesion",
        **transforms(brain),
    )
    selector = Selector(viewer)
    two = selector.select(brain, own, 0, card)
    assert [one.shape for one in two] == [(6, 5, 4), (6, 5, 4)]
    np.testing.assert_array_equal(
        np.subtract(two[1].geometry.origin, two[0].geometry.origin), [2, 1, 1]
    )
    assert [one.box for one in selector.select(brain, drawn, 0, card)] == ["lesion 1"]
    names = [one.placement.name for one in selector.select(brain, ALL_BOXES, 0, card)]
    assert names == ["brain · box 1", "brain · box 2", "brain · lesion 1"]


class Finds(Live):
    """Runs that find what they are told to."""

    def __init__(self, mask: np.ndarray, card: Card) -> None:
        super().__init__()
        self.prediction = Prediction(mask, Geometry.from_spacing(), card.classes)

    def steps(self, wish: Wish) -> Callable[[], Work]:
        def run() -> Work:
            yield Progress("looking", 0.5)
            return self.prediction

        return run


def told(viewer: ViewerModel, brain: Image, card: Card, region: object, label: int = 0) -> str:
    chosen = Selector(viewer).select(brain, region, 2, card)
    wishes = [Wish(one, "", "cpu", "f32", None, True, False, None, False, card) for one in chosen]
    run = outcomes(Finds(np.full(chosen[0].shape, label, np.uint8), card), wishes, ())
    return finish(run())[0].told


def test_an_empty_mask_says_what_may_be_wrong(
    viewer: ViewerModel, brain: Image, card: Card
) -> None:
    assert "empty" not in told(viewer, brain, card, WHOLE, label=1)
    empty = told(viewer, brain, card, WHOLE)
    assert "the mask is empty" in empty
    assert "Trained on: tiny" in empty
    assert "larger" not in empty
    brain.scale = (20, 10, 10)
    assert "much larger than those the checkpoint was trained on" in told(
        viewer, brain, card, WHOLE
    )
    assert "lies on other slices" in told(viewer, brain, card, SLICES)
    box = boxes.add(viewer, brain, boxes.in_view(viewer, brain, np.array([6.0, 5, 4])))
    assert "the box lies beside the structure" in told(viewer, brain, card, box)
