"""A mask drawn as outline: where its edges are, as wide on every screen, gone without a trace."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.looks import Looks
from napari_attn_unet.plugin.kit.navigate import camera, go_to_slice
from napari_attn_unet.plugin.overlay.lines import WIDTH
from napari_attn_unet.plugin.overlay.outline import Outline
from napari_attn_unet.plugin.overlay.scene import node_of
from napari_attn_unet.report.picture import outlines

SCALE = (3.0, 1.0, 0.5)


@pytest.fixture
def mask(viewer: ViewerModel) -> Labels:
    data = np.random.default_rng(1).integers(0, 3, (6, 7, 8)).astype(np.uint8)
    data[0] = 0
    viewer.add_image(np.zeros((6, 7, 8)), scale=SCALE, units="mm")
    return viewer.add_labels(data, scale=SCALE, translate=(5, 6, 7), units="mm", opacity=0.4)


def drawn(dock: Dock, mask: Labels, qtbot: QtBot) -> Outline:
    outline = Outline(dock, mask)
    qtbot.waitUntil(lambda: not outline.busy and outline.lines.visible)
    return outline


def on_screen(outline: Outline, mask: Labels, viewer: ViewerModel) -> np.ndarray:
    """The pieces that are drawn, as start and end (row, column) in the mask's voxels."""
    axes = list(viewer.dims.displayed)
    points = np.tile(np.asarray(viewer.dims.point), (*outline.lines.segments.shape[:2], 1))
    points[..., axes] = outline.lines.segments
    found = [[mask.world_to_data(p) for p in piece] for piece in points]
    return np.asarray(found).reshape(-1, 2, 3)[..., axes]


def wanted(mask: Labels, axis: int, index: int) -> np.ndarray:
    pieces = outlines(mask.data.take(index, axis)).values()
    return np.concatenate([*pieces, np.zeros((0, 2, 2))])


def as_set(pieces: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(np.round(piece.ravel(), 3)) for piece in pieces}


@pytest.mark.parametrize("axis", range(3))
def test_lines_lie_on_the_edges_of_every_slice_of_the_axis_on_screen(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot, axis: int
) -> None:
    viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
    outline = drawn(dock, mask, qtbot)
    for index in range(mask.data.shape[axis]):
        go_to_slice(viewer, mask, axis, index)
        assert as_set(on_screen(outline, mask, viewer)) == as_set(wanted(mask, axis, index))


def test_another_axis_gets_lines_of_its_own(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    viewer.dims.order = (2, 0, 1)
    assert not outline.lines.visible  # not those of the axis before
    assert mask.opacity == pytest.approx(0.4)
    qtbot.waitUntil(lambda: outline.lines.visible)
    go_to_slice(viewer, mask, 2, 3)
    assert as_set(on_screen(outline, mask, viewer)) == as_set(wanted(mask, 2, 3))


def test_what_the_user_fills_stays_filled_on_another_axis(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    mask.opacity = 0.7
    viewer.dims.order = (2, 0, 1)
    qtbot.waitUntil(lambda: outline.lines.visible)
    assert mask.opacity == pytest.approx(0.7)
    outline.close()
    assert mask.opacity == pytest.approx(0.4)


def test_who_shows_the_mask_in_another_way_goes_on_on_another_axis(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline, other = drawn(dock, mask, qtbot), Looks()
    other.change(mask, opacity=0.6)
    viewer.dims.order = (2, 0, 1)
    qtbot.waitUntil(lambda: outline.lines.visible)
    assert mask.opacity == pytest.approx(0.6)
    other.restore()
    assert mask.opacity == 0


def test_lines_follow_the_brush_and_undo(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    go_to_slice(viewer, mask, 0, 3)
    before = as_set(on_screen(outline, mask, viewer))
    mask.selected_label = 2
    mask.paint((3, 3, 3), 2)
    qtbot.waitUntil(lambda: as_set(on_screen(outline, mask, viewer)) != before)
    mask.undo()
    qtbot.waitUntil(lambda: as_set(on_screen(outline, mask, viewer)) == before)


def test_while_a_brush_is_in_hand_the_labels_are_filled(
    dock: Dock, mask: Labels, qtbot: QtBot
) -> None:
    drawn(dock, mask, qtbot)
    assert mask.opacity == 0
    mask.mode = "paint"
    assert mask.opacity == pytest.approx(0.4)
    mask.mode = "pan_zoom"
    assert mask.opacity == 0


def test_in_3d_the_labels_are_as_they_were(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    viewer.dims.ndisplay = 3
    assert not outline.lines.visible
    assert mask.opacity == pytest.approx(0.4)
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: outline.lines.visible)


def test_the_sliders_positions_stay_those_of_the_volume(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    before = viewer.dims.range[0]
    drawn(dock, mask, qtbot)
    assert tuple(viewer.dims.range[0]) == tuple(before)


def test_lines_go_with_the_layers_eye(dock: Dock, mask: Labels, qtbot: QtBot) -> None:
    outline = drawn(dock, mask, qtbot)
    mask.visible = False
    assert not outline.lines.visible
    mask.visible = True
    assert outline.lines.visible


def test_an_empty_mask_is_no_error(dock: Dock, viewer: ViewerModel, qtbot: QtBot) -> None:
    mask = viewer.add_labels(np.zeros((4, 5, 6), np.uint8))
    outline = Outline(dock, mask)
    qtbot.waitUntil(lambda: not outline.busy)
    assert not len(outline.lines.segments)
    assert mask.opacity > 0
    mask.data = np.ones((4, 5, 6), np.uint8)
    qtbot.waitUntil(lambda: bool(len(outline.lines.segments)))


def test_of_a_series_the_time_on_screen_is_outlined(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    data = np.zeros((2, 4, 5, 6), np.uint8)
    data[0, 2, 1:3, 1:3] = 1
    data[1, 2, 2:5, 2:6] = 1
    mask = viewer.add_labels(data)
    viewer.dims.set_point(1, 2)
    outline = drawn(dock, mask, qtbot)

    def area() -> float:
        segments = outline.lines.segments[..., 1]
        return float(np.ptp(segments)) if len(segments) else 0.0

    viewer.dims.set_point(0, 1)
    qtbot.waitUntil(lambda: area() == 4)
    viewer.dims.set_point(0, 0)
    qtbot.waitUntil(lambda: area() == 2)


@pytest.mark.parametrize("who", ["dock", "outline", "mask"])
def test_whoever_takes_it_away_nothing_is_left(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot, who: str
) -> None:
    outline = drawn(dock, mask, qtbot)
    viewer.layers.selection = {viewer.layers[0]}
    if who in ("dock", "outline"):
        {"dock": dock, "outline": outline}[who].close()
    elif who == "mask":
        viewer.layers.remove(mask)
    else:
        viewer.layers.remove(outline.lines)
    assert not any(layer.name.startswith("outline") for layer in viewer.layers)
    assert mask.opacity == pytest.approx(0.4)
    outline.close()


def test_a_mask_that_is_gone_is_forgotten(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    outline.close()
    known = weakref.ref(outline)
    viewer.layers.clear()
    del outline, mask
    gc.collect()
    assert known() is None


def test_a_layer_that_was_moved_while_hidden_has_its_lines_where_it_lies(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    mask.visible = False
    mask.translate = (50, 60, 70)
    mask.visible = True
    qtbot.waitUntil(lambda: not outline.busy)
    go_to_slice(viewer, mask, 0, 3)
    assert as_set(on_screen(outline, mask, viewer)) == as_set(wanted(mask, 0, 3))


@pytest.mark.parametrize("closer", [0.3, 1.0, 1.6])
@pytest.mark.parametrize("axis", range(3))
def test_on_a_canvas_lines_are_two_pixels_wide_on_voxels_of_any_shape(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, axis: int, closer: float
) -> None:
    viewer = make_napari_viewer(show=True)
    data = np.zeros((20, 20, 20), np.uint8)
    data[5:15, 5:15, 5:15] = 1
    mask = viewer.add_labels(data, scale=SCALE, units="mm")
    viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
    go_to_slice(viewer, mask, axis, 10)
    viewer.reset_view()
    camera(viewer).zoom *= closer
    anchor = QWidget()
    qtbot.addWidget(anchor)
    dock = Dock(anchor, viewer, "test")
    drawn(dock, mask, qtbot)
    seen = viewer.screenshot(canvas_only=True, flash=False)[..., :3] / 255
    lines = np.abs(seen - np.asarray(mask.get_color(1))[:3]).max(axis=-1) < 0.1
    height, width = lines.shape
    # Two edges are crossed, whichever way one goes.
    for crossed in (lines[height // 2], lines[:, width // 2]):
        assert crossed.sum() == pytest.approx(2 * WIDTH, abs=1)
    dock.close()
    seen = viewer.screenshot(canvas_only=True, flash=False)[..., :3] / 255
    assert (seen.max(axis=-1) > 0).sum() > 2 * lines.sum()  # filled again


def test_what_has_no_opacity_is_not_drawn_until_it_has(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    mask = viewer.add_labels(np.ones((4, 5, 6), np.uint8))
    anchor = QWidget()
    qtbot.addWidget(anchor)
    dock = Dock(anchor, viewer, "test")
    drawn(dock, mask, qtbot)

    def is_drawn() -> bool:
        return bool(node_of(viewer, mask).visible)

    assert not is_drawn()
    viewer.dims.set_point(0, 2)
    assert not is_drawn()
    mask.opacity = 0.5
    assert is_drawn()
    mask.opacity = 0
    assert not is_drawn()
    dock.close()
    assert is_drawn()


def test_a_mask_that_changed_while_hidden_is_filled_in_3d(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    drawn(dock, mask, qtbot)
    mask.visible = False
    mask.data = np.ones_like(mask.data)
    viewer.dims.ndisplay = 3
    mask.visible = True
    assert mask.opacity == pytest.approx(0.4)
