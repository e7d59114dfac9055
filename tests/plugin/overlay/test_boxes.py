"""A box is seen on every slice that it spans, along every axis; the user shapes it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_attn_unet.plugin import boxes
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.boxes import BoxesOnScreen

BOX = np.array([[4.5, 9.5], [2.5, 8.5], [6.5, 11.5]])
VOXELS = ((5, 3, 7), (10, 9, 12))


@pytest.fixture
def brain(viewer: ViewerModel) -> Image:
    return viewer.add_image(np.zeros((21, 18, 15)), name="brain", scale=(2, 1, 1), units="mm")


@pytest.fixture
def on_screen(dock: Dock) -> BoxesOnScreen:
    return BoxesOnScreen(dock)


@pytest.fixture
def layer(viewer: ViewerModel, brain: Image, on_screen: BoxesOnScreen) -> Shapes:
    return boxes.add(viewer, brain, BOX)


def seen(layer: Shapes) -> bool:
    """Whether napari shows the first shape on the slice on screen."""
    return bool(layer._data_view._displayed[0])


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_a_box_is_seen_on_every_slice_that_it_spans_and_on_no_other(
    viewer: ViewerModel, brain: Image, layer: Shapes, order: tuple[int, int, int]
) -> None:
    viewer.dims.order = order
    axis = order[0]
    shown = []
    for index in range(brain.data.shape[axis]):
        viewer.dims.set_point(axis, index * brain.scale[axis])
        if seen(layer):
            shown.append(index)
            for other in order[1:]:
                ends = [layer.data[0][:, other].min(), layer.data[0][:, other].max()]
                np.testing.assert_array_equal(ends, BOX[other])
    assert shown == list(range(VOXELS[0][axis], VOXELS[1][axis]))
    assert boxes.voxels(layer, brain) == [VOXELS]


def test_in_3d_a_box_is_a_frame_and_the_same_box(
    viewer: ViewerModel, brain: Image, layer: Shapes
) -> None:
    viewer.dims.ndisplay = 3
    assert layer.shape_type == ["path"]
    ends = np.stack([layer.data[0].min(axis=0), layer.data[0].max(axis=0)], axis=1)
    np.testing.assert_array_equal(ends, BOX)
    edges = {frozenset(map(tuple, pair)) for pair in pairwise(layer.data[0])}
    assert len(edges) == 12
    assert boxes.voxels(layer, brain) == [VOXELS]
    viewer.dims.ndisplay = 2
    assert layer.shape_type == ["rectangle"]


def drag(layer: Shapes, by: dict[int, float]) -> None:
    """Move the first shape as a drag does, which napari tells at its end."""
    moved = layer.data[0].copy()
    for axis, distance in by.items():
        moved[:, axis] += distance
    layer._data_view.edit(0, moved)
    layer.events.data(
        value=layer.data, action="changed", data_indices=(0,), vertex_indices=((0, 1, 2, 3),)
    )


def test_what_is_dragged_moves_the_box_along_the_axes_on_screen(
    viewer: ViewerModel, brain: Image, layer: Shapes
) -> None:
    viewer.dims.set_point(0, 14)
    drag(layer, {1: 3.0, 2: -2.0})
    assert boxes.voxels(layer, brain) == [((5, 6, 5), (10, 12, 10))]
    viewer.dims.order = (1, 0, 2)
    drag(layer, {0: 4.0})
    assert boxes.voxels(layer, brain) == [((9, 6, 5), (14, 12, 10))]


def test_a_box_is_as_deep_as_is_said(
    viewer: ViewerModel, brain: Image, layer: Shapes, on_screen: BoxesOnScreen
) -> None:
    assert on_screen.depth(layer) == 5
    on_screen.set_depth(layer, 9)
    assert boxes.voxels(layer, brain) == [((3, 3, 7), (12, 9, 12))]
    viewer.dims.order = (2, 0, 1)
    on_screen.set_depth(layer, 3)
    assert boxes.voxels(layer, brain) == [((3, 3, 8), (12, 9, 11))]


def test_a_rectangle_drawn_beside_it_gets_a_depth_of_its_own(
    viewer: ViewerModel, brain: Image, layer: Shapes, on_screen: BoxesOnScreen
) -> None:
    on_screen.depth_mm = (8.0, 99, 99)
    layer.add(np.array([[12, 2, 2], [12, 2, 5], [12, 6, 5], [12, 6, 2]]), shape_type="rectangle")
    assert boxes.voxels(layer, brain) == [VOXELS, ((10, 2, 2), (15, 7, 6))]


def test_a_closed_dock_leaves_the_boxes_and_moves_them_no_more(
    viewer: ViewerModel, layer: Shapes, dock: Dock
) -> None:
    before = layer.data[0].copy()
    dock.close()
    viewer.dims.set_point(0, 14)
    np.testing.assert_array_equal(layer.data[0], before)
    assert layer in viewer.layers
