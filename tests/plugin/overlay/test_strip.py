"""What the strip draws is the slice on screen, whatever is on screen."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from docks import settle
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget
from shown import PLACE, SHAPE, drawn, effect, expected, rgb, show, strip_of

from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import camera
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.overlay.strip import Strip

LEFT = Qt.MouseButton.LeftButton


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


def test_a_step_is_drawn_with_the_canvas_and_what_it_changes_besides_is_drawn_once(
    strip: Strip, viewer: ViewerModel, qtbot: QtBot, draws: list[int]
) -> None:
    viewer.dims.set_point(0, 9)
    assert len(draws) == 1  # before Qt paints the canvas
    for _ in range(4):
        camera(viewer).zoom *= 1.1
    drawn(strip, qtbot)
    assert len(draws) == 2


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
