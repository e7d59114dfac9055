"""Where the viewer looks is told, and moved to, in a layer's own voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from placed import oblique

from napari_attn_unet.plugin.kit import navigate
from napari_attn_unet.plugin.results import at_time

SHAPE = (12, 10, 8)


def add(viewer: ViewerModel, *lead: int, **options: Any) -> Image:
    data = np.arange(np.prod((*lead, *SHAPE)), dtype=np.float32).reshape(*lead, *SHAPE)
    return viewer.add_image(data, rgb=False, **options)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_plane_on_screen_is_the_one_that_napari_slices(viewer: ViewerModel, axis: int) -> None:
    image = add(viewer, scale=(2, 1, 0.5), translate=(5, -3, 1))
    viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
    navigate.go_to_slice(viewer, image, axis, 6)
    assert navigate.plane_on_screen(viewer, image) == (axis, 6)
    assert image._data_slice.point[axis] == pytest.approx(6)


def test_a_volume_in_3d_has_no_plane(viewer: ViewerModel) -> None:
    image = add(viewer)
    viewer.dims.ndisplay = 3
    assert navigate.plane_on_screen(viewer, image) is None


def test_of_a_series_the_plane_in_space_is_meant(viewer: ViewerModel) -> None:
    image = add(viewer, 4, scale=(9, 2, 1, 1))
    viewer.dims.set_current_step(0, 3)
    navigate.go_to_slice(viewer, image, 0, 5)
    assert navigate.plane_on_screen(viewer, image) == (0, 5)
    assert viewer.dims.current_step[0] == 3
    viewer.dims.ndisplay = 3
    assert navigate.plane_on_screen(viewer, image) is None


def test_a_plane_outside_is_the_nearest(viewer: ViewerModel) -> None:
    image = add(viewer)
    add(viewer, translate=(100, 0, 0))
    for point, plane in ((150, 11), (-20, 0)):
        viewer.dims.set_point(0, point)
        assert navigate.plane_on_screen(viewer, image) == (0, plane)


@pytest.mark.parametrize("mixed", [False, True])
def test_points_are_the_viewer_s_and_voxels_the_layer_s(viewer: ViewerModel, mixed: bool) -> None:
    image = add(viewer, scale=(2, 1, 1), units=("mm",) * 3)
    if mixed:  # the viewer then counts in µm
        add(viewer, scale=(2000, 1000, 1000), units=("um",) * 3)
    navigate.go_to_slice(viewer, image, 0, 7)
    assert viewer.dims.point[0] == pytest.approx(14_000 if mixed else 14)
    for layer in viewer.layers:
        assert navigate.plane_on_screen(viewer, layer) == (0, 7)
        assert layer._data_slice.point[0] == pytest.approx(7)
    navigate.go_to(viewer, image, (3, 4, 5))
    for layer in viewer.layers:
        index = navigate.to_layer(viewer, layer, viewer.dims.point)
        np.testing.assert_allclose(index, (3, 4, 5), atol=1e-6)
        np.testing.assert_allclose(
            navigate.to_viewer(viewer, layer, index), viewer.dims.point, atol=1e-3
        )


def test_the_time_on_screen_is_that_of_the_layer_s_unit(viewer: ViewerModel) -> None:
    series = add(viewer, 4, scale=(2, 1, 1, 1), units=("s", "mm", "mm", "mm"))
    add(viewer, 4, scale=(2000, 1, 1, 1), units=("ms", "mm", "mm", "mm"))
    viewer.dims.set_point(0, 4000)
    np.testing.assert_array_equal(at_time(series, viewer), series.data[2])


def test_a_layer_that_is_not_in_the_viewer_has_its_own_unit(viewer: ViewerModel) -> None:
    image = Image(np.zeros(SHAPE), units=("mm",) * 3)
    np.testing.assert_allclose(navigate.to_layer(viewer, image, (1.0, 2.0, 3.0)), (1, 2, 3))
    add(viewer)  # in pixels
    np.testing.assert_allclose(navigate.to_layer(viewer, image, (1.0, 2.0, 3.0)), (1, 2, 3))


def test_a_voxel_of_an_oblique_layer_is_gone_to(viewer: ViewerModel) -> None:
    image = viewer.add_layer(oblique(np.zeros(SHAPE, np.float32)))
    navigate.go_to(viewer, image, (3, 4, 5), size=(2, 2, 2))
    np.testing.assert_allclose(image.world_to_data(viewer.dims.point), (3, 4, 5), atol=1e-6)
    world = image.data_to_world((3, 4, 5))
    np.testing.assert_allclose(navigate.camera(viewer).center[-2:], world[-2:])


def test_the_camera_comes_nearer_for_a_small_part_but_not_too_near(viewer: ViewerModel) -> None:
    image = add(viewer)
    view = navigate.camera(viewer)
    zooms = []
    for size in ((12, 10, 8), (2, 1.25, 1), (0.1, 0.1, 0.1)):
        navigate.go_to(viewer, image, (6, 5, 4), size=size)
        zooms.append(view.zoom)
    assert zooms[1] / zooms[0] == pytest.approx(2)
    assert zooms[2] / zooms[0] == pytest.approx(navigate._CLOSEST)
    navigate.go_to(viewer, image, (2, 3, 4))
    assert view.zoom == zooms[2]  # without a size only the sliders and the middle move
    np.testing.assert_allclose(viewer.dims.point, (2, 3, 4))


def test_an_image_of_one_slice_is_gone_to(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((1, 10, 8)))
    viewer.dims.order = (1, 0, 2)  # across the slice, which has no extent
    navigate.go_to(viewer, image, (0, 5, 4), size=(1, 2, 2))
    assert np.isfinite(navigate.camera(viewer).zoom)
