"""A slice on the screen: in true proportions, its part that is asked for, its outlines in place."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor, QImage

from napari_attn_unet.plugin.overlay.painter import CAPTION, Edges, Pane, Plane
from napari_attn_unet.report.picture import outlines

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def pane(qtbot: QtBot) -> Pane:
    pane = Pane("gate 1", "a gate")
    qtbot.addWidget(pane)
    pane.resize(208, 208 + CAPTION)
    return pane


def rgb(rows: int = 10, columns: int = 10) -> np.ndarray:
    plane = np.zeros((rows, columns, 3), np.uint8)
    plane[2, 7] = RED
    return plane


def painted(pane: Pane) -> QImage:
    return pane.grab().toImage()


def colour_at(pane: Pane, row: float, column: float) -> tuple[int, int, int]:
    """The colour on screen of a place of the plane."""
    image = painted(pane)
    for y in range(image.height() - CAPTION):
        there = pane.place(0, y)
        if there is not None and there[0] >= row:
            break
    for x in range(image.width()):
        there = pane.place(x, 0)
        if there is not None and there[1] >= column:
            break
    return QColor(image.pixel(x, y)).getRgb()[:3]


@pytest.mark.parametrize("part", [None, (0.5, 4.5, 5.0, 5.0)])
@pytest.mark.parametrize("step", [(1.0, 1.0), (3.0, 1.0), (0.5, 2.0)])
def test_a_pixel_is_painted_where_the_mouse_finds_it(pane: Pane, part, step) -> None:
    pane.show_plane(Plane(rgb(), step, part))
    assert colour_at(pane, 2, 7) == RED
    assert colour_at(pane, 4, 7) == colour_at(pane, 2, 5) == (0, 0, 0)


@pytest.mark.parametrize("step", [(1.0, 1.0), (4.0, 1.0), (1.0, 4.0)])
def test_proportions_are_those_of_the_voxels(pane: Pane, step: tuple[float, float]) -> None:
    pane.show_plane(Plane(np.full((10, 10, 3), 255, np.uint8), step))
    image = painted(pane)
    light = np.array(
        [
            [QColor(image.pixel(x, y)).red() > 128 for x in range(image.width())]
            for y in range(image.height() - CAPTION)
        ]
    )
    tall, wide = light.any(axis=1).sum(), light.any(axis=0).sum()
    assert tall / wide == pytest.approx(step[0] / step[1], rel=0.06)


def test_outlines_run_along_the_edges_of_voxels(pane: Pane) -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[3:6, 4:8] = 1
    edges = [Edges(pieces, (0.0, 1.0, 0.0)) for pieces in outlines(labels).values()]
    pane.show_plane(Plane(np.zeros((10, 10, 3), np.uint8), edges=edges))
    image = painted(pane)
    green = [
        place
        for y in range(image.height() - CAPTION)
        for x in range(image.width())
        if QColor(image.pixel(x, y)).getRgb()[:3] == GREEN and (place := pane.place(x, y))
    ]
    rows, columns = np.asarray(green).T
    assert (rows.min(), rows.max()) == pytest.approx((2.5, 5.5), abs=0.1)
    assert (columns.min(), columns.max()) == pytest.approx((3.5, 7.5), abs=0.1)
    inside = (abs(rows - 4) < 1) & (abs(columns - 5.5) < 1.5)
    assert not inside.any()


def test_a_plane_larger_than_its_room_loses_no_thin_structure(pane: Pane) -> None:
    plane = np.zeros((1000, 1000, 3), np.uint8)
    plane[:, 503] = 255
    pane.show_plane(Plane(plane))
    image = painted(pane)
    row = [QColor(image.pixel(x, 100)).red() for x in range(image.width())]
    assert max(row) > 20


def test_what_the_canvas_shows_is_framed(pane: Pane) -> None:
    plane = Plane(np.zeros((10, 10, 3), np.uint8))
    pane.show_plane(plane, marked=True)
    framed = painted(pane)
    pane.show_plane(plane, marked=False)
    assert QColor(framed.pixel(2, 100)).red() == 255
    assert QColor(painted(pane).pixel(2, 100)).red() == 0


def test_a_click_and_a_drag_tell_where(pane: Pane, qtbot: QtBot) -> None:
    pane.show_plane(Plane(rgb()))
    clicks, places = [], []
    pane.clicked.connect(lambda: clicks.append(1))
    pane.pointed.connect(lambda row, column: places.append((round(row), round(column))))
    qtbot.mouseClick(pane, Qt.MouseButton.LeftButton, pos=QPoint(4 + 150, 4 + 50))
    assert clicks == [1]
    assert places == [(2, 7)]
    pane.let_go()
    qtbot.mouseClick(pane, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert clicks == [1]
