"""An upright view with letters where the file knows the patient; all of it goes back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QWidget

from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.contributions import get_reader
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import camera, grid
from napari_attn_unet.plugin.overlay.buttons import PlaneButtons
from napari_attn_unet.plugin.overlay.place import Place
from napari_attn_unet.plugin.overlay.sides import PREFERENCE, Sides

SHAPE = (9, 11, 13)
WAYS = [(p, f) for p in permutations(range(3)) for f in product((1, -1), repeat=3)]


def nifti(path: Path, order: tuple[int, ...] = (0, 1, 2), flips: Any = (1, 1, 1)) -> Path:
    """A file whose left, posterior, inferior corner is bright; its axes run as is said."""
    world = np.zeros(SHAPE, np.float32)
    world[:2, :2, :2] = 100
    data = np.transpose(world, order)[tuple(slice(None, None, f) for f in flips)]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (of, flip) in enumerate(zip(order, flips, strict=True)):
        affine[of, axis] = flip
        affine[of, 3] += 0 if flip > 0 else SHAPE[of] - 1
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(data), affine), path)
    return path


@pytest.fixture
def show(viewer: ViewerModel, dock: Dock, tmp_path: Path) -> Callable[..., Sides]:
    def act(*way: Any) -> Sides:
        path = str(nifti(tmp_path / "head.nii.gz", *way))
        reader = get_reader(path)
        assert reader is not None
        ((data, about, _),) = reader(path)
        image = viewer.add_image(data, **{k: v for k, v in about.items() if k != "rgb"})
        choice = choice_of(viewer)
        choice.choose(image=image)
        return Sides(dock, choice, Place(dock, choice))

    return act


def letters(viewer: ViewerModel) -> dict[str, str]:
    found = {}
    for side in ("top", "bottom", "left", "right"):
        overlay = viewer.canvas.overlays.get(f"attn-unet side {side}")
        found[side] = overlay.text if overlay is not None and overlay.visible else ""
    return found


def corner_on_screen(viewer: ViewerModel) -> tuple[str, str]:
    """Where on screen the bright corner lies, by napari's order of axes and camera."""
    image = viewer.layers[0]
    bright = np.argwhere(np.asarray(image.data) > 50).mean(axis=0)
    low = bright < (np.asarray(image.data.shape) - 1) / 2
    vertical, horizontal = map(str, camera(viewer).orientation2d)
    rows, columns = viewer.dims.displayed
    top = low[rows] == (vertical == "down")
    left = low[columns] == (horizontal == "right")
    return "top" if top else "bottom", "left" if left else "right"


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
@pytest.mark.parametrize(("order", "flips"), WAYS[::5])
def test_what_is_left_posterior_and_inferior_lies_where_the_letters_say(
    viewer: ViewerModel, qtbot: QtBot, show: Callable[..., Sides], convention: Any, order, flips
) -> None:
    PREFERENCE.value = convention
    sides = show(order, flips)
    for axis in range(3):
        sides.show_plane(axis)
        qtbot.waitUntil(lambda: any(letters(viewer).values()))
        qtbot.wait(1)
        found = letters(viewer)
        assert found["top"] in "SA"
        vertical, horizontal = corner_on_screen(viewer)
        assert found[vertical] in "LPI"
        assert found[horizontal] in "LPI"
        if "L" in found.values():
            assert found["right" if convention == "radiological" else "left"] == "L"


def test_a_roll_goes_from_plane_to_plane_and_each_stands_upright(
    viewer: ViewerModel, show: Callable[..., Sides]
) -> None:
    sides, seen = show(), []
    for _ in range(4):
        assert sides.view is not None
        seen.append(sides.view.axis)
        assert tuple(viewer.dims.displayed) == (sides.view.rows, sides.view.columns)
        viewer.dims.roll()
    assert seen == [0, 2, 1, 0]


def test_a_transpose_is_respected(
    viewer: ViewerModel, qtbot: QtBot, show: Callable[..., Sides]
) -> None:
    show()
    qtbot.waitUntil(lambda: any(letters(viewer).values()))
    before = letters(viewer)
    viewer.dims.transpose()
    assert tuple(viewer.dims.displayed) == (2, 1)
    qtbot.waitUntil(lambda: letters(viewer)["top"] == before["left"])
    assert letters(viewer)["left"] == before["top"]


def test_data_and_their_place_are_not_touched(
    viewer: ViewerModel, show: Callable[..., Sides]
) -> None:
    sides = show()
    image = viewer.layers[0]
    before = image.data.copy(), image.extent.world.copy()
    for axis in range(3):
        sides.show_plane(axis)
    np.testing.assert_array_equal(image.data, before[0])
    np.testing.assert_array_equal(image.extent.world, before[1])


def test_an_image_that_knows_no_sides_is_shown_as_it_is(
    viewer: ViewerModel, dock: Dock, qtbot: QtBot
) -> None:
    image = viewer.add_image(np.zeros(SHAPE))
    choice = choice_of(viewer)
    choice.choose(image=image)
    sides = Sides(dock, choice, Place(dock, choice))
    told: list[int] = []
    sides.changed.connect(lambda: told.append(1))
    qtbot.waitUntil(lambda: bool(told))
    assert tuple(map(str, camera(viewer).orientation2d)) == ("down", "right")
    assert tuple(viewer.dims.order) == (0, 1, 2)
    assert not any(letters(viewer).values())


def test_beside_each_other_there_are_no_letters(
    viewer: ViewerModel, qtbot: QtBot, show: Callable[..., Sides]
) -> None:
    sides = show()
    qtbot.waitUntil(lambda: any(letters(viewer).values()))
    grid(viewer).enabled = True
    qtbot.waitUntil(lambda: not any(letters(viewer).values()))
    viewer.dims.set_point(0, 7)
    assert sides.told == "z 7 · 7 mm"
    grid(viewer).enabled = False
    qtbot.waitUntil(lambda: any(letters(viewer).values()))


@pytest.mark.parametrize("flips", [(1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, -1, -1)])
def test_whatever_a_layer_is_moved_like_the_letters_are_the_viewers(
    viewer: ViewerModel, qtbot: QtBot, show: Callable[..., Sides], flips: tuple[int, ...]
) -> None:
    sides = show()
    viewer.layers[0].scale = flips
    for axis in range(3):
        sides.show_plane(axis)
        qtbot.waitUntil(lambda: any(letters(viewer).values()))
        qtbot.wait(1)
        found = letters(viewer)
        vertical, horizontal = map(str, camera(viewer).orientation2d)
        assert found["top" if vertical == "down" else "bottom"] in "LPI"  # where points are low
        assert found["left" if horizontal == "right" else "right"] in "LPI"


@pytest.mark.parametrize("angle", [90, 50, -90])
def test_a_layer_that_was_turned_by_hand_has_no_letters(
    viewer: ViewerModel, qtbot: QtBot, show: Callable[..., Sides], angle: float
) -> None:
    sides = show()
    qtbot.waitUntil(lambda: any(letters(viewer).values()))
    viewer.layers[0].rotate = angle
    sides.show_plane(0)
    qtbot.waitUntil(lambda: not any(letters(viewer).values()))


@pytest.mark.parametrize("angles", [(0, 0, 90), (0, 0, 180), (90, 0, 90), (0, 20, 0)])
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_in_3d_letters_stand_where_the_sides_are_seen(
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    tmp_path: Path,
    angles: tuple[float, ...],
    order: tuple[int, ...],
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.open(nifti(tmp_path / "head.nii.gz"), plugin="napari-attn-unet")
    image = viewer.layers[0]
    image.contrast_limits = (0, 50)
    choice = choice_of(viewer)
    choice.choose(image=image)
    anchor = QWidget()
    qtbot.addWidget(anchor)
    dock = Dock(anchor, viewer, "test")
    Sides(dock, choice, Place(dock, choice))
    viewer.dims.ndisplay = 3
    viewer.dims.order = order
    viewer.scene.camera.angles = angles
    viewer.reset_view(reset_camera_angle=False)
    qtbot.waitUntil(lambda: any(letters(viewer).values()))
    qtbot.wait(1)
    found = letters(viewer)
    for overlay in list(viewer.canvas.overlays.values()):
        overlay.visible = False
    viewer.reset_view(reset_camera_angle=False)
    QApplication.processEvents()
    seen = viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(float)
    row, column = np.argwhere(seen > seen.max() / 2).mean(axis=0) / seen.shape
    if found["top"]:
        assert found["top" if row < 0.5 else "bottom"] in "LPI"
    if found["left"]:
        assert found["left" if column < 0.5 else "right"] in "LPI"
    dock.close()


def test_when_it_closes_the_view_is_as_it_was(
    viewer: ViewerModel, dock: Dock, qtbot: QtBot, show: Callable[..., Sides]
) -> None:
    before = set(viewer.canvas.overlays)
    sides = show()
    sides.show_plane(2)
    qtbot.waitUntil(lambda: any(letters(viewer).values()))
    dock.close()
    assert set(viewer.canvas.overlays) == before
    assert tuple(map(str, camera(viewer).orientation2d)) == ("down", "right")
    assert tuple(viewer.dims.order) == (0, 1, 2)


def test_the_slice_is_told_as_the_slider_has_it(
    viewer: ViewerModel, qtbot: QtBot, show: Callable[..., Sides]
) -> None:
    sides = show()
    viewer.dims.set_point(0, 5)
    assert sides.told == "z 5 · 5 mm"
    viewer.layers[0].translate = (-10, 0, 0)
    viewer.dims.set_point(0, -4)
    assert sides.told == "z 6 · -4 mm"


def test_the_buttons_bring_up_their_planes(
    viewer: ViewerModel, dock: Dock, qtbot: QtBot, show: Callable[..., Sides]
) -> None:
    sides = show()
    buttons = PlaneButtons(dock, choice_of(viewer), sides)
    qtbot.addWidget(buttons)
    assert [b.text() for b in buttons.buttons] == ["axial", "coronal", "sagittal"]
    buttons.buttons[2].click()
    assert sides.view is not None
    assert sides.view.axis == 2
    assert [b.isChecked() for b in buttons.buttons] == [False, False, True]
    buttons.buttons[2].click()  # again
    assert [b.isChecked() for b in buttons.buttons] == [False, False, True]
    buttons.convention.setCurrentText("neurological")
    assert PREFERENCE.value == "neurological"


def test_a_slice_beside_the_image_is_told_as_such(
    viewer: ViewerModel, show: Callable[..., Sides]
) -> None:
    sides = show()
    viewer.add_image(np.zeros((60, 5, 5)), name="long", units=viewer.layers[0].units)
    viewer.dims.set_point(0, 50)
    assert sides.told == "outside head"
    viewer.dims.set_point(0, 5)
    assert sides.told == "z 5 · 5 mm"
