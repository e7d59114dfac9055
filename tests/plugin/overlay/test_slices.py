"""Planes cut out of layers of every kind, where they lie, as they look."""

from __future__ import annotations

import threading
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from docks import settle
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from shown import PLACE, SHAPE, drawn, effect, expected, rgb, show, strip_of

from napari_attn_unet.gates.cover import Cover
from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.strip import Strip
from napari_attn_unet.plugin.results import gate_map
from napari_attn_unet.report.picture import compose, grey, outlines


def test_a_truth_is_filled_where_it_lies(strip: Strip, viewer: ViewerModel, qtbot: QtBot) -> None:
    data = np.zeros((3, 4, 5), np.uint8)
    data[1, 1:3, 1:3] = 1
    place = {"scale": (6, 4, 2), "translate": (1.5, 1, 0.5), "units": "mm"}
    truth = viewer.add_labels(data, name="truth", opacity=1.0, **place)
    choice_of(viewer).choose(truth=truth)
    viewer.dims.set_point(0, 9)
    drawn(strip, qtbot)
    base = compose(grey(np.asarray(viewer.layers["brain"].data)[3], tuple(
        viewer.layers["brain"].contrast_limits)))  # fmt: skip
    changed = (rgb(strip, "truth") != base).any(axis=-1)
    assert changed[2:6, 2:6].all()
    changed[2:6, 2:6] = False
    assert not changed.any()


def test_what_is_dark_of_an_additive_map_leaves_the_image_as_it_is(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    cam = effect(viewer, "Grad-CAM of one · brain", "Grad-CAM")
    cam.contrast_limits, cam.colormap, cam.blending = (0, 1), "inferno", "additive"
    drawn(strip, qtbot)
    index = viewer.dims.current_step[0]
    image = viewer.layers["brain"]
    base = compose(grey(np.asarray(image.data)[index], tuple(image.contrast_limits)))
    assert (
        np.abs(rgb(strip, "Grad-CAM one").astype(int) - base).max() <= 3
    )  # inferno begins with a shade of blue


def test_contrast_colour_and_opacity_are_the_layers(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.layers["brain"].contrast_limits = (0.4, 0.6)
    viewer.layers["gate 1 · brain"].opacity = 0.3
    viewer.layers["gate 1 · brain"].colormap = "viridis"
    drawn(strip, qtbot)
    index = viewer.dims.current_step[0]
    np.testing.assert_array_equal(rgb(strip, "gate 1"), expected(viewer, "gate 1", 0, index))


def test_outlines_are_those_of_the_mask_on_the_slice_in_its_colours(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.dims.set_point(0, 9)
    drawn(strip, qtbot)
    mask = choice_of(viewer).mask
    found = strip.cells["gate 1"][0].plane.edges
    wanted = outlines(mask.data[3])
    for edges, (label, pieces) in zip(found, wanted.items(), strict=True):
        np.testing.assert_array_equal(edges.pieces, pieces)
        assert edges.colour == pytest.approx(tuple(mask.get_color(label)[:3]))


@pytest.mark.parametrize("how", ["paint", "undo", "data", "moved"])
def test_outlines_follow_whatever_becomes_of_the_mask(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot, how: str
) -> None:
    viewer.dims.set_point(0, 9)
    drawn(strip, qtbot)
    mask = choice_of(viewer).mask
    assert isinstance(mask, Labels)
    area = strip.cells["gate 1"][0].plane.edges[0].pieces
    mask.selected_label = 1
    if how in ("paint", "undo"):
        mask.paint((3, 6, 8), 1)
        drawn(strip, qtbot)
        painted = strip.cells["gate 1"][0].plane.edges[0].pieces
        assert len(painted) != len(area)
        if how == "undo":
            mask.undo()
            drawn(strip, qtbot)
            np.testing.assert_array_equal(strip.cells["gate 1"][0].plane.edges[0].pieces, area)
    elif how == "data":
        mask.data = np.roll(mask.data, 1, axis=1)
        drawn(strip, qtbot)
        found = strip.cells["gate 1"][0].plane.edges[0].pieces
        np.testing.assert_array_equal(found, np.add(area, (1, 0)))
    else:
        mask.translate = np.add(mask.translate, (0, 2, 0))
        drawn(strip, qtbot)
        found = strip.cells["gate 1"][0].plane.edges[0].pieces
        np.testing.assert_array_equal(found, np.add(area, (1, 0)))


def test_the_class_looked_at_alone_is_outlined_and_averaged(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.dims.set_point(0, 9)
    drawn(strip, qtbot)
    mask, gate = choice_of(viewer).mask, viewer.layers["gate 1 · brain"]
    cover = Cover(gate_map(gate, viewer), PLACE, SHAPE)
    alpha = cover.spread(cover.values, np.nan, 0, 3)
    for label in (None, 2):
        choice_of(viewer).choose(label=label)
        drawn(strip, qtbot)
        inside = mask.data[3] == label if label else mask.data[3] > 0
        pane, _ = strip.cells["gate 1"]
        means = alpha[inside].mean(), alpha[~inside].mean()
        assert pane.plane.means == pytest.approx(means)
        assert pane.note == "in {:.2f} · out {:.2f}".format(*means)
        assert len(pane.plane.edges) == (1 if label else 2)


def test_where_the_mask_is_not_no_mean_is_told(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.dims.set_point(0, 0)
    drawn(strip, qtbot)
    assert strip.cells["gate 1"][0].note == "no mask here"


def test_the_gate_that_tells_inside_from_outside_stands_out(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    mask = choice_of(viewer).mask
    one, two = (viewer.layers[f"gate {k} · brain"] for k in (1, 2))
    one.data = np.full_like(one.data, 0.98)  # open everywhere: more inside than the other has
    two.data = np.full_like(two.data, 0.1)
    place = np.argwhere(mask.data[3]).mean(axis=0) / 4
    two.data[:, int(place[0]), int(place[1])] = 0.6
    two.refresh()
    viewer.dims.set_point(0, 9)
    drawn(strip, qtbot)
    qtbot.waitUntil(lambda: strip.cells["gate 2"][0].is_noteworthy)
    assert not strip.cells["gate 1"][0].is_noteworthy
    two.data = np.full_like(two.data, 0.1)
    qtbot.waitUntil(lambda: not strip.cells["gate 2"][0].is_noteworthy)


# --- arrays of every kind -----------------------------------------------------------------------
def test_a_slice_that_must_be_computed_is_so_on_a_thread_and_alone(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    data = np.random.default_rng(0).random(SHAPE, np.float32)
    threads, planes = set(), []

    def computed(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        threads.add(threading.current_thread())
        planes.append(block_info[0]["chunk-location"][0])
        return block

    lazy = da.from_array(data, chunks=(1, *SHAPE[1:])).map_blocks(computed, dtype=data.dtype)
    with dask.config.set(scheduler="synchronous"):  # on the thread that asks for it
        show(viewer, lazy, contrast_limits=(0, 1))
        strip = strip_of(dock, qtbot)
        drawn(strip, qtbot)
        viewer.layers["brain"].visible = False  # or napari itself would compute it
        threads.clear()
        planes.clear()
        viewer.dims.set_point(0, 12)
        drawn(strip, qtbot)
    np.testing.assert_array_equal(rgb(strip, "gate 1"), expected(viewer, "gate 1", 0, 4, data))
    assert set(planes) == {4}
    assert threading.main_thread() not in threads


def test_what_cannot_be_read_is_told_and_not_tried_over_and_over(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    tries: list[int] = []

    def broken(block: np.ndarray) -> np.ndarray:
        tries.append(1)
        msg = "the disk is gone"
        raise OSError(msg)

    lazy = da.zeros(SHAPE, dtype=np.float32, chunks=SHAPE)
    choice = show(viewer, lazy, contrast_limits=(0, 1))
    choice.image.visible = False
    choice.image.data = lazy.map_blocks(broken, dtype=np.float32, meta=np.zeros((0, 0, 0)))
    tries.clear()
    strip = strip_of(dock, qtbot)
    qtbot.waitUntil(lambda: "the disk is gone" in strip.cells["gate 1"][0].toolTip())
    settle()
    settle()
    assert len(tries) == 1
    assert strip.cells["gate 1"][0].plane is None


def test_of_a_multiscale_image_the_full_resolution_is_shown(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    data = np.random.default_rng(0).random(SHAPE, np.float32)
    show(viewer, [data, data[:, ::2, ::2]], multiscale=True, contrast_limits=(0, 1))
    strip = strip_of(dock, qtbot)
    viewer.dims.set_point(0, 6)
    drawn(strip, qtbot)
    np.testing.assert_array_equal(rgb(strip, "gate 1"), expected(viewer, "gate 1", 0, 2, data))


def test_of_a_series_the_time_on_screen_is_shown(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    show(viewer)
    gate, mask = viewer.layers["gate 1 · brain"], choice_of(viewer).mask
    data = np.random.default_rng(3).random((2, *SHAPE), np.float32)
    series = viewer.add_image(data, name="series", scale=(1, 3, 2, 1), contrast_limits=(0, 1))
    labels = np.stack([np.zeros_like(mask.data), mask.data])
    choice_of(viewer).choose(
        image=series, mask=viewer.add_labels(labels, scale=(1, 3, 2, 1), name="both")
    )
    strip = strip_of(dock, qtbot)
    for time in (0, 1):
        viewer.dims.set_point((0, 1), (time, 9))
        drawn(strip, qtbot)
        plane = strip.cells["gate 1"][0].plane
        base = grey(data[time, 3], (0, 1))
        cover = Cover(gate_map(gate, viewer), PLACE, SHAPE)
        alpha = cover.spread(cover.values.astype(np.float32), np.nan, 0, 3)
        table = np.asarray(gate.colormap.map(np.linspace(0, 1, 256)), np.float32)
        np.testing.assert_array_equal(plane.rgb, compose(base, alpha, table, gate.opacity))
        assert bool(plane.edges) == bool(time)


def test_units_are_minded(strip: Strip, viewer: ViewerModel, qtbot: QtBot) -> None:
    image = viewer.layers["brain"]
    image.scale, image.units = np.multiply(image.scale, 1000), ("um",) * 3
    viewer.dims.set_point(0, 4 * 3000)
    drawn(strip, qtbot)
    np.testing.assert_array_equal(rgb(strip, "gate 1"), expected(viewer, "gate 1", 0, 4))
    assert len(strip.cells["gate 1"][0].plane.edges) == 2
