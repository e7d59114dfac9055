"""A box drawn in the viewer is the voxels that it meets."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from placed import oblique

from napari_attn_unet.errors import VolumeError
from napari_attn_unet.plugin.boxes import add, in_view, size_of_a_new, voxels
from napari_attn_unet.plugin.kit.navigate import camera, plane_on_screen
from napari_attn_unet.plugin.placement import transforms


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(21, 18, 15)).astype(np.float32)


def rectangle(image: Image, low: tuple[float, ...], high: tuple[float, ...]) -> Shapes:
    """A rectangle drawn on a slice of an image: corners in its voxels, centres at whole numbers."""
    (z, y, x), (_, b, c) = low, high
    corners = [(z, y, x), (z, y, c), (z, b, c), (z, b, x)]
    return Shapes([np.array(corners)], shape_type="rectangle", **transforms(image))


@pytest.mark.parametrize("turned", [False, True])
def test_a_box_holds_the_voxels_that_its_edges_meet(turned: bool, data: np.ndarray) -> None:
    image = oblique(data) if turned else Image(data, name="brain", scale=(2, 1, 1))
    # Voxel 3 reaches from 2.5 to 3.5. From the middle of 3 to the middle of 9, all are met ...
    ((start, stop),) = voxels(rectangle(image, (10, 3, 4), (10, 9, 8)), image)
    assert (start[1:], stop[1:]) == ((3, 4), (10, 9))
    # ... from just within to just within, those alone, and from just beyond, one more.
    ((start, stop),) = voxels(rectangle(image, (10, 2.51, 3.51), (10, 9.49, 8.49)), image)
    assert (start[1:], stop[1:]) == ((3, 4), (10, 9))
    ((start, stop),) = voxels(rectangle(image, (10, 2.49, 3.49), (10, 9.51, 8.51)), image)
    assert (start[1:], stop[1:]) == ((2, 3), (11, 10))


def test_a_flat_box_is_as_deep_as_the_field_of_view_around_its_slice(data: np.ndarray) -> None:
    image = Image(data, name="brain", scale=(2, 1, 1), units=("mm",) * 3)
    flat = rectangle(image, (10, 3, 4), (10, 9, 8))
    ((start, stop),) = voxels(flat, image, depth_mm=(10, 99, 99))  # 5 voxels: 7.5 to 12.5
    assert (start[0], stop[0]) == (8, 13)
    ((start, stop),) = voxels(flat, image)  # the mean of 6 and 4 voxels
    assert (start[0], stop[0]) == (8, 13)
    ((start, stop),) = voxels(rectangle(image, (1, 3, 4), (1, 9, 8)), image, depth_mm=(10, 9, 9))
    assert (start[0], stop[0]) == (0, 4)


def test_a_box_that_meets_no_voxel_is_refused(data: np.ndarray) -> None:
    image = Image(data, name="brain")
    with pytest.raises(VolumeError, match="lies outside 'brain'"):
        voxels(rectangle(image, (40, 3, 4), (40, 9, 8)), image)
    with pytest.raises(VolumeError, match="holds no shape"):
        voxels(Shapes(ndim=3, name="empty"), image)


def test_a_box_around_what_is_shown_has_its_size(data: np.ndarray) -> None:
    viewer = ViewerModel()
    image = viewer.add_image(data, name="brain", scale=(2, 1, 1), units=("mm",) * 3)
    viewer.dims.set_point(0, 20)
    shapes = add(viewer, image, in_view(viewer, image, size_of_a_new(image, (10, 8, 6))))
    assert voxels(shapes, image) == [((8, 5, 4), (13, 13, 10))]
    assert plane_on_screen(viewer, image) == (0, 10)


@pytest.mark.parametrize(("unit", "long"), [("nm", 1e-3), ("mm", 1e3), ("um", 1.0)])
def test_a_box_in_another_unit_than_its_image_holds_the_same_voxels(
    unit: str, long: float, data: np.ndarray
) -> None:
    image = Image(data, scale=(5, 1, 1), translate=(7, -3, 11), units=("um",) * 3, name="cells")
    corners = np.array([(8.0, 3.7, 4.7), (8, 3.7, 9.3), (8, 8.3, 9.3), (8, 8.3, 4.7)])
    world = np.array([image.data_to_world(corner) for corner in corners]) / long
    shapes = Shapes([world], shape_type="rectangle", units=(unit,) * 3)
    ((start, stop),) = voxels(shapes, image)
    assert (start[1:], stop[1:]) == ((4, 5), (9, 10))


def test_a_new_box_lies_in_the_middle_of_the_view_and_within_the_image(data: np.ndarray) -> None:
    viewer = ViewerModel()
    image = viewer.add_image(data, name="brain", scale=(2, 1, 1), units=("mm",) * 3)
    viewer.dims.set_point(0, 40)
    camera(viewer).center = (6, 5)
    box = in_view(viewer, image, size_of_a_new(image, (10, 8, 6)))
    np.testing.assert_array_equal(box, [[15.5, 20.5], [1.5, 9.5], [1.5, 7.5]])
    half = size_of_a_new(image, None)
    np.testing.assert_array_equal(half, [10, 9, 8])


def test_every_shape_is_a_box(data: np.ndarray) -> None:
    image = Image(data, name="brain")
    shapes = rectangle(image, (4, 2, 2), (4, 7, 7))
    shapes.add_rectangles(np.array([(9, 3, 3), (9, 3, 9), (9, 9, 9), (9, 9, 3)]))
    first, second = voxels(shapes, image, None)
    assert first[0][1:] == (2, 2)
    assert second[0][1:] == (3, 3)
    shapes.add_rectangles(np.array([(9, 30, 30), (9, 30, 39), (9, 39, 39), (9, 39, 30)]))
    with pytest.raises(VolumeError, match=r"Box 3 in .* lies outside 'brain'"):
        voxels(shapes, image)


def test_boxes_that_are_added_one_after_the_other_lie_beside_each_other(data: np.ndarray) -> None:
    viewer = ViewerModel()
    image = viewer.add_image(data, name="brain", scale=(2, 1, 1))
    size = np.array([6.0, 6.0, 5.0])
    layer = None
    for _ in range(4):
        layer = add(viewer, image, in_view(viewer, image, size), layer)
    found = voxels(layer, image)
    assert len({start for start, _ in found}) == 4
    for start, stop in found:
        assert np.subtract(stop, start).tolist() == size.tolist()
        assert (np.asarray(start) >= 0).all()
        assert (np.asarray(stop) <= data.shape).all()
