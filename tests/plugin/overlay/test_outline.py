"""A mask drawn as outline: where its edges are, as wide on every screen, gone without a trace."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot

from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import camera
from napari_attn_unet.plugin.overlay.lines import WIDTH
from napari_attn_unet.plugin.overlay.outline import Outline
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
    qtbot.waitUntil(lambda: not outline.busy and outline.lines is not None)
    return outline


def on_screen(outline: Outline, mask: Labels, axis: int, index: int) -> np.ndarray:
    """The pieces on one slice as start and end (row, column) in the mask's voxels."""
    assert outline.lines is not None
    ends = np.asarray(outline.lines.data, np.float64).copy()
    ends[:, 1] += ends[:, 0]
    there = np.asarray([[outline.lines.data_to_world(p) for p in piece] for piece in ends])
    index_of = np.asarray([[mask.world_to_data(p) for p in piece] for piece in there])
    here = index_of[np.isclose(index_of[:, 0, axis], index)]
    return np.delete(here, axis, axis=-1)


def as_set(pieces: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(np.round(piece.ravel(), 3)) for piece in pieces}


@pytest.mark.parametrize("axis", range(3))
def test_lines_lie_on_the_edges_of_every_slice_of_the_axis_on_screen(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot, axis: int
) -> None:
    viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
    outline = drawn(dock, mask, qtbot)
    for index in range(mask.data.shape[axis]):
        wanted = outlines(mask.data.take(index, axis)).values()
        wanted = np.concatenate([*wanted, np.zeros((0, 2, 2))])
        assert as_set(on_screen(outline, mask, axis, index)) == as_set(wanted)


def test_lines_have_their_labels_colours(dock: Dock, mask: Labels, qtbot: QtBot) -> None:
    outline = drawn(dock, mask, qtbot)
    assert outline.lines is not None
    found = np.unique(np.asarray(outline.lines.edge_color), axis=0)
    wanted = np.unique([mask.get_color(label) for label in (1, 2)], axis=0)
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_another_axis_gets_lines_of_its_own(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    viewer.dims.order = (2, 0, 1)
    assert outline.lines is not None
    assert not outline.lines.visible  # not those of the axis before
    assert mask.opacity == pytest.approx(0.4)
    qtbot.waitUntil(lambda: outline.lines is not None and outline.lines.visible)
    wanted = np.concatenate(list(outlines(mask.data.take(3, 2)).values()))
    assert as_set(on_screen(outline, mask, 2, 3)) == as_set(wanted)


def test_lines_follow_the_brush_and_undo(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    before = as_set(on_screen(outline, mask, 0, 3))
    viewer.dims.set_point(0, 14)
    mask.selected_label = 2
    mask.paint((3, 3, 3), 2)
    qtbot.waitUntil(lambda: as_set(on_screen(outline, mask, 0, 3)) != before)
    mask.undo()
    qtbot.waitUntil(lambda: as_set(on_screen(outline, mask, 0, 3)) == before)


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
    assert outline.lines is not None
    assert not outline.lines.visible
    assert mask.opacity == pytest.approx(0.4)
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: outline.lines is not None and outline.lines.visible)


@pytest.mark.parametrize("zoom", [0.5, 2.0, 11.0])
@pytest.mark.parametrize("axis", range(3))
def test_lines_are_two_pixels_wide_at_any_zoom_on_voxels_of_any_shape(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot, zoom: float, axis: int
) -> None:
    viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
    outline = drawn(dock, mask, qtbot)
    camera(viewer).zoom = zoom

    def widths() -> list[float]:
        assert outline.lines is not None
        steps = [outline.lines.scale[a] for a in range(3) if a != axis]
        return [outline.lines.edge_width * step * zoom for step in steps]

    qtbot.waitUntil(lambda: np.allclose(widths(), WIDTH, rtol=0.03))


def test_the_sliders_positions_stay_those_of_the_volume(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    before = viewer.dims.range[0]
    drawn(dock, mask, qtbot)
    assert tuple(viewer.dims.range[0]) == tuple(before)


def test_lines_go_with_the_layers_eye(dock: Dock, mask: Labels, qtbot: QtBot) -> None:
    outline = drawn(dock, mask, qtbot)
    mask.visible = False
    assert outline.lines is not None
    assert not outline.lines.visible
    mask.visible = True
    assert outline.lines.visible


def test_an_empty_mask_is_no_error(dock: Dock, viewer: ViewerModel, qtbot: QtBot) -> None:
    mask = viewer.add_labels(np.zeros((4, 5, 6), np.uint8))
    outline = Outline(dock, mask)
    qtbot.waitUntil(lambda: not outline.busy)
    assert outline.lines is None
    mask.data = np.ones((4, 5, 6), np.uint8)
    qtbot.waitUntil(lambda: outline.lines is not None and outline.lines.visible)


def test_of_a_series_the_time_on_screen_is_outlined(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    data = np.zeros((2, 4, 5, 6), np.uint8)
    data[0, 2, 1:3, 1:3] = 1
    data[1, 2, 2:5, 2:6] = 1
    mask = viewer.add_labels(data)
    outline = drawn(dock, mask, qtbot)

    def area() -> float:
        assert outline.lines is not None
        return float(np.ptp(np.asarray(outline.lines.data)[:, 0, 2]))

    viewer.dims.set_point(0, 1)
    qtbot.waitUntil(lambda: area() == 4)
    viewer.dims.set_point(0, 0)
    qtbot.waitUntil(lambda: area() == 2)


@pytest.mark.parametrize("who", ["dock", "outline", "mask", "lines"])
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
        assert outline.lines is not None
        viewer.layers.remove(outline.lines)
    assert not any(layer.name.startswith("outline") for layer in viewer.layers)
    assert mask.opacity == pytest.approx(0.4)
    outline.close()


def test_what_was_selected_stays_selected(
    dock: Dock, viewer: ViewerModel, mask: Labels, qtbot: QtBot
) -> None:
    viewer.layers.selection = {mask}
    drawn(dock, mask, qtbot)
    assert set(viewer.layers.selection) == {mask}


def test_a_layer_that_was_moved_while_hidden_has_its_lines_where_it_lies(
    dock: Dock, mask: Labels, qtbot: QtBot
) -> None:
    outline = drawn(dock, mask, qtbot)
    mask.visible = False
    mask.translate = (50, 60, 70)
    mask.visible = True
    qtbot.waitUntil(lambda: not outline.busy)
    wanted = np.concatenate(list(outlines(mask.data[3]).values()))
    assert as_set(on_screen(outline, mask, 0, 3)) == as_set(wanted)
