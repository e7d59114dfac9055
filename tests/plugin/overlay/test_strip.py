"""What the strip draws is the slice on screen, whatever is on screen."""
# Over 350 lines: one strip, drawn of every kind of layer, axis and display.

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import dask.array as da
import numpy as np
import pytest
from docks import settle
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget
from shown import PLACE, SHAPE, show

from napari_attn_unet.gates.cover import Cover
from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import camera
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.overlay.place import Place
from napari_attn_unet.plugin.overlay.sides import Sides
from napari_attn_unet.plugin.overlay.strip import Strip
from napari_attn_unet.plugin.results import gate_map
from napari_attn_unet.report.picture import compose, grey, outlines

Open = Callable[..., Strip]
LEFT = Qt.MouseButton.LeftButton


def strip_of(dock: Dock, qtbot: QtBot) -> Strip:
    choice = choice_of(dock.viewer)
    strip = Strip(dock, choice, Sides(dock, choice, Place(dock, choice)))
    qtbot.addWidget(strip)
    strip.show()
    return strip


@pytest.fixture
def strip(dock: Dock, viewer: ViewerModel, qtbot: QtBot) -> Iterator[Strip]:
    show(viewer)
    strip = strip_of(dock, qtbot)
    drawn(strip, qtbot)
    yield strip
    dock.close()
    settle()


def drawn(strip: Strip, qtbot: QtBot) -> None:
    """Wait until all that was asked for is drawn."""

    def is_done() -> bool:
        waits = strip._later.isActive() or strip._listing.isActive() or strip.slices.busy
        return not waits and all(pane.plane is not None for pane, _ in strip.cells.values())

    qtbot.waitUntil(is_done)


def rgb(strip: Strip, name: str) -> np.ndarray:
    plane = strip.cells[name][0].plane
    assert plane is not None
    return plane.rgb


def expected(
    viewer: ViewerModel, name: str, axis: int, index: int, image: np.ndarray | None = None
) -> np.ndarray:
    """The picture of a gate on a slice, its axes in ascending order."""
    layer, gate = viewer.layers["brain"], viewer.layers[f"{name} · brain"]
    data = np.asarray(layer.data) if image is None else image
    cover = Cover(gate_map(gate, viewer), PLACE, data.shape)
    base = grey(data.take(index, axis), tuple(layer.contrast_limits))
    table = np.asarray(gate.colormap.map(np.linspace(0, 1, 256)), np.float32)
    alpha = cover.spread(cover.values.astype(np.float32), np.nan, axis, index)
    return compose(base, alpha, table, gate.opacity)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_it_shows_the_slice_on_screen_in_every_axis_and_display_order(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot, order: tuple[int, int, int]
) -> None:
    viewer.dims.order = order
    drawn(strip, qtbot)
    axis, rows, columns = viewer.dims.order  # upright where the file knows: here it does not
    for index in (0, 3, SHAPE[axis] - 1):
        viewer.dims.set_point(axis, index * viewer.layers["brain"].scale[axis])
        drawn(strip, qtbot)
        for name in ("gate 1", "gate 2"):
            plane = expected(viewer, name, axis, index)
            seen = plane if rows < columns else plane.swapaxes(0, 1)
            np.testing.assert_array_equal(rgb(strip, name), seen)
            step = strip.cells[name][0].plane.step
            assert step == (PLACE.spacing[rows], PLACE.spacing[columns])


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


def test_contrast_colour_and_opacity_are_the_layers(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.layers["brain"].contrast_limits = (0.4, 0.6)
    viewer.layers["gate 1 · brain"].opacity = 0.3
    viewer.layers["gate 1 · brain"].colormap = "viridis"
    drawn(strip, qtbot)
    index = viewer.dims.current_step[0]
    np.testing.assert_array_equal(rgb(strip, "gate 1"), expected(viewer, "gate 1", 0, index))


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
        assert pane.plane.mean == pytest.approx(alpha[inside].mean())
        assert pane.caption == f"gate 1 · α {alpha[inside].mean():.2f}"
        assert len(pane.plane.edges) == (1 if label else 2)


def test_where_the_mask_is_not_no_mean_is_told(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.dims.set_point(0, 0)
    drawn(strip, qtbot)
    assert strip.cells["gate 1"][0].caption == "gate 1"


# --- zoom ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_it_shows_the_part_that_the_canvas_shows(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot, order: tuple[int, int, int]
) -> None:
    viewer.dims.order = order
    viewer.canvas.size = (100, 200)
    eye = camera(viewer)
    eye.zoom = 50.0  # 2 mm high and 4 mm wide
    _, rows, columns = viewer.dims.order
    scale = np.asarray(PLACE.spacing)
    eye.center = (0, *(scale[[rows, columns]] * (3, 4)))
    drawn(strip, qtbot)
    top, left, height, width = strip.cells["gate 1"][0].plane.part
    assert (height, width) == pytest.approx((2 / scale[rows], 4 / scale[columns]))
    assert (top + height / 2, left + width / 2) == pytest.approx((3, 4))


def test_what_lies_outside_the_image_is_not_shown(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.canvas.size = (1000, 1000)
    camera(viewer).zoom = 0.5
    drawn(strip, qtbot)
    assert strip.cells["gate 1"][0].plane.part == (-0.5, -0.5, SHAPE[1], SHAPE[2])


def test_in_3d_the_slice_before_stays_and_follows_its_layers(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.dims.set_point(0, 9)
    drawn(strip, qtbot)
    viewer.dims.ndisplay = 3
    viewer.layers["brain"].contrast_limits = (0.2, 0.5)
    drawn(strip, qtbot)
    np.testing.assert_array_equal(rgb(strip, "gate 2"), expected(viewer, "gate 2", 0, 3))
    viewer.dims.ndisplay = 2
    viewer.dims.set_point(0, 0)
    drawn(strip, qtbot)
    np.testing.assert_array_equal(rgb(strip, "gate 2"), expected(viewer, "gate 2", 0, 0))


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
    show(viewer, lazy, contrast_limits=(0, 1))
    strip = strip_of(dock, qtbot)
    drawn(strip, qtbot)
    viewer.layers["brain"].visible = False  # or napari itself would compute it
    threads.clear()
    planes.clear()
    viewer.dims.set_point(0, 12)
    drawn(strip, qtbot)
    np.testing.assert_array_equal(rgb(strip, "gate 1"), expected(viewer, "gate 1", 0, 4, data))
    assert set(planes[:1]) == {4}
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


# --- what there is, and clicks ------------------------------------------------------------------
def press(strip: Strip, name: str, qtbot: QtBot) -> None:
    qtbot.mouseClick(strip.cells[name][0], LEFT)
    drawn(strip, qtbot)


def visible(viewer: ViewerModel) -> list[str]:
    names = ("gate 1", "gate 2")
    return [name for name in names if viewer.layers[f"{name} · brain"].visible]


def test_a_click_brings_a_gate_to_the_canvas_and_a_second_one_puts_back_what_was_there(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    assert visible(viewer) == ["gate 1"]
    press(strip, "gate 2", qtbot)
    assert visible(viewer) == ["gate 2"]
    assert [name for name, (pane, _) in strip.cells.items() if pane.is_marked] == ["gate 2"]
    press(strip, "gate 1", qtbot)
    assert visible(viewer) == ["gate 1"]
    press(strip, "gate 2", qtbot)
    press(strip, "gate 2", qtbot)
    assert visible(viewer) == ["gate 1"]
    viewer.layers["gate 2 · brain"].visible = True
    press(strip, "gate 2", qtbot)
    assert visible(viewer) == ["gate 2"]
    press(strip, "gate 2", qtbot)
    assert visible(viewer) == ["gate 1", "gate 2"]


def effect(viewer: ViewerModel, name: str, kind: str) -> Any:
    about = {OUTPUT: {"effect": kind, "image": "brain"}}
    place = {"scale": (3, 2, 1), "units": "mm", "metadata": about}
    if kind == "errors":
        return viewer.add_labels(np.ones(SHAPE, np.uint8), name=name, **place)
    return viewer.add_image(np.zeros(SHAPE), name=name, contrast_limits=(-1, 1), **place)


def test_truth_errors_and_effects_have_their_pictures_and_a_click_toggles_them(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    truth = viewer.add_labels(np.ones(SHAPE, np.uint8), name="truth", scale=(3, 2, 1), units="mm")
    choice_of(viewer).choose(truth=truth)
    errors = effect(viewer, "errors · mask · brain", "errors")
    effect(viewer, "Δ probability of one · brain", "gate 1 shut")
    effect(viewer, "Δ probability of two · brain", "gate 1 shut")
    effect(viewer, "Grad-CAM of one, level 2 · brain", "Grad-CAM")
    effect(viewer, "helper · brain", "outline")
    other = effect(viewer, "errors · other", "errors")
    other.metadata[OUTPUT]["image"] = "other"
    drawn(strip, qtbot)
    gates = ["gate 1", "gate 2"]
    found = ["errors", "Δ one", "Δ two", "Grad-CAM one, level 2"]
    assert list(strip.cells) == [*gates, "truth", *found]
    choice_of(viewer).choose(label=2)
    drawn(strip, qtbot)
    assert "Δ one" not in strip.cells  # of another class than the one looked at
    for name, layer in (("truth", truth), ("errors", errors)):
        assert strip.cells[name][0].is_marked
        press(strip, name, qtbot)
        assert not layer.visible
        assert not strip.cells[name][0].is_marked
        press(strip, name, qtbot)
        assert layer.visible
    assert visible(viewer) == ["gate 1"]


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


def test_layers_that_go_take_their_pictures_along(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    press(strip, "gate 2", qtbot)
    viewer.layers.remove(viewer.layers["gate 2 · brain"])
    drawn(strip, qtbot)
    assert list(strip.cells) == ["gate 1"]
    assert viewer.layers["gate 1 · brain"].visible  # what it had hidden comes back
    viewer.layers.remove(viewer.layers["mask · brain"])
    drawn(strip, qtbot)
    viewer.layers.remove(viewer.layers["brain"])
    settle()
    viewer.layers.clear()
    settle()
    assert not strip.cells


def test_two_viewers_have_strips_of_their_own(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot
) -> None:
    second, widget = ViewerModel(), QWidget()
    qtbot.addWidget(widget)
    dock = Dock(widget, second, "test")
    show(second)
    other = strip_of(dock, qtbot)
    drawn(other, qtbot)
    before = rgb(other, "gate 1")
    viewer.dims.set_point(0, 15)
    drawn(strip, qtbot)
    settle()
    assert rgb(other, "gate 1") is before
    press(other, "gate 2", qtbot)
    assert visible(viewer) == ["gate 1"]
    dock.close()


# --- how often it draws -------------------------------------------------------------------------
@pytest.fixture
def draws(strip: Strip, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    planes = strip.slices.planes
    monkeypatch.setattr(strip.slices, "planes", lambda *a: calls.append(1) or planes(*a))
    return calls


def test_many_steps_at_once_are_drawn_once(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot, draws: list[int]
) -> None:
    for z in (0, 3, 6, 9, 12):
        viewer.dims.set_point(0, z)
    camera(viewer).zoom *= 2
    drawn(strip, qtbot)
    assert len(draws) == 1


def test_while_it_is_hidden_nothing_is_drawn_and_shown_again_it_is_up_to_date(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot, draws: list[int]
) -> None:
    strip.hide()
    viewer.dims.set_point(0, 12)
    settle()
    assert not draws
    strip.show()
    drawn(strip, qtbot)
    np.testing.assert_array_equal(rgb(strip, "gate 1"), expected(viewer, "gate 1", 0, 4))


def test_closed_it_leaves_nothing(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot, strip: Strip
) -> None:
    press(strip, "gate 2", qtbot)
    dock.close()
    assert visible(viewer) == ["gate 1"]
    groups = [viewer.dims.events, viewer.layers.events, viewer.canvas.events]
    groups += [layer.events for layer in viewer.layers]
    for group in groups:
        for emitter in getattr(group, "emitters", {}).values():
            for callback in emitter.callbacks:
                owner = callback[0]() if isinstance(callback, tuple) else callback
                assert not type(owner).__module__.startswith("napari_attn_unet.plugin.overlay")
    strip.ask()
    viewer.dims.set_point(0, 0)
    settle()
