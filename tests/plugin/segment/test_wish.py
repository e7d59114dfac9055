"""What is asked for is read from the layer as it is when it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_attn_unet.errors import RunError
from napari_attn_unet.network.card import Card, read_card
from napari_attn_unet.plugin.kit import navigate
from napari_attn_unet.plugin.segment.wish import SLICES, WHOLE, Selector


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
        return selector.select(brain, WHOLE, 0, card).volumes[0]

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
    chosen = selector.select(brain, WHOLE, 0, card)
    assert chosen.placement.name == chosen.volumes[0].name == "brain of another"


@pytest.mark.parametrize(("plane", "slices"), [(9, (7, 12)), (0, (0, 3)), (20, (18, 21))])
def test_slices_around_the_one_on_screen(
    viewer: ViewerModel, brain: Image, card: Card, plane: int, slices: tuple[int, int]
) -> None:
    navigate.go_to_slice(viewer, brain, 0, plane)
    chosen = Selector(viewer).select(brain, SLICES, 2, card)
    assert chosen.region is not None
    assert chosen.region[0] == slice(*slices)
    assert chosen.shape == (slices[1] - slices[0], 18, 17)
    assert chosen.looking == (0, plane)
    assert chosen.geometry.origin[0] == 2 * slices[0]


def test_slices_need_a_slice(viewer: ViewerModel, brain: Image, card: Card) -> None:
    viewer.dims.ndisplay = 3
    with pytest.raises(RunError, match="2D button"):
        Selector(viewer).select(brain, SLICES, 2, card)
