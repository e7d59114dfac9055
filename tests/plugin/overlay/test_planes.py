"""Orthogonal views: three planes through one voxel, moved from any of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from docks import settle
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from shown import PLACE, SHAPE, show

from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.contributions import get_reader
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.kit.navigate import plane_at
from napari_attn_unet.plugin.overlay.place import Place
from napari_attn_unet.plugin.overlay.planes import Planes
from napari_attn_unet.plugin.overlay.sides import PREFERENCE, Sides
from napari_attn_unet.report.picture import compose, grey


def opened(dock: Dock, qtbot: QtBot) -> Planes:
    choice = choice_of(dock.viewer)
    planes = Planes(dock, choice, Sides(dock, choice, Place(dock, choice)))
    qtbot.addWidget(planes)
    planes.resize(900, 300)
    planes.show()
    drawn(planes, qtbot)
    return planes


@pytest.fixture
def planes(dock: Dock, viewer: ViewerModel, qtbot: QtBot) -> Iterator[Planes]:
    show(viewer)
    yield opened(dock, qtbot)
    dock.close()
    settle()


def drawn(planes: Planes, qtbot: QtBot) -> None:
    qtbot.waitUntil(
        lambda: (
            not (planes._later.isActive() or planes.slices.busy)
            and all(pane.plane is not None for pane in planes.panes)
        )
    )


def voxel(viewer: ViewerModel) -> list[int]:
    return [plane_at(viewer, viewer.layers["brain"], axis) for axis in range(3)]


def test_each_shows_its_plane_through_the_voxel_of_the_sliders(
    planes: Planes, viewer: ViewerModel, qtbot: QtBot
) -> None:
    gate = viewer.layers["gate 1 · brain"]
    gate.visible = False
    viewer.dims.set_point((0, 1, 2), (6, 8, 7))
    drawn(planes, qtbot)
    image = viewer.layers["brain"]
    for axis, pane in enumerate(planes.panes):
        cut = np.asarray(image.data).take(voxel(viewer)[axis], axis)
        expected = compose(grey(cut, tuple(image.contrast_limits)))
        np.testing.assert_array_equal(pane.plane.rgb, expected)
        assert pane.plane.cross == tuple(v for a, v in enumerate((2, 4, 7)) if a != axis)


@pytest.mark.parametrize("i", range(3))
def test_a_click_moves_all_three_and_the_sliders(
    planes: Planes, viewer: ViewerModel, qtbot: QtBot, i: int
) -> None:
    viewer.dims.set_point((0, 1, 2), (6, 8, 7))
    drawn(planes, qtbot)
    planes.panes[i].pointed.emit(1.2, 2.9)
    wanted = [2, 4, 7]
    for axis, place in zip([a for a in range(3) if a != i], (1, 3), strict=True):
        wanted[axis] = place
    assert voxel(viewer) == wanted
    drawn(planes, qtbot)
    for axis, pane in enumerate(planes.panes):
        assert pane.plane.cross == tuple(v for a, v in enumerate(wanted) if a != axis)


def test_a_drag_beyond_the_edge_stops_at_the_last_voxel(
    planes: Planes, viewer: ViewerModel
) -> None:
    planes.panes[0].pointed.emit(-40.0, 400.0)
    assert voxel(viewer)[1:] == [0, SHAPE[2] - 1]


@pytest.mark.parametrize("i", range(3))
def test_the_wheel_scrolls_the_planes_own_axis_to_its_ends(
    planes: Planes, viewer: ViewerModel, i: int
) -> None:
    before = voxel(viewer)
    planes.panes[i].scrolled.emit(1)
    after = voxel(viewer)
    assert after[i] == before[i] + 1
    assert [a for a in range(3) if after[a] != before[a]] == [i]
    for _ in range(max(SHAPE)):
        planes.panes[i].scrolled.emit(-1)
    assert voxel(viewer)[i] == 0


def test_gate_and_outline_are_those_of_the_canvas_and_follow_them(
    planes: Planes, viewer: ViewerModel, qtbot: QtBot
) -> None:
    viewer.dims.set_point((0, 1, 2), (9, 4, 3))
    drawn(planes, qtbot)
    first = planes.panes[0].plane
    viewer.layers["gate 1 · brain"].visible = False
    viewer.layers["gate 2 · brain"].visible = True
    drawn(planes, qtbot)
    second = planes.panes[0].plane
    assert (first.rgb != second.rgb).any()
    mask = viewer.layers["mask · brain"]
    mask.selected_label = 1
    mask.paint((3, 6, 8), 1)
    drawn(planes, qtbot)
    assert len(planes.panes[0].plane.edges[0].pieces) > len(second.edges[0].pieces)


@pytest.mark.parametrize("convention", ["radiological", "neurological", "as stored"])
def test_a_head_stands_upright_and_a_click_finds_what_is_seen(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot, tmp_path: Path, convention: str
) -> None:
    data = np.random.default_rng(0).random((7, 8, 9)).astype(np.float32)
    path = tmp_path / "brain.nii.gz"
    nibabel.save(nibabel.Nifti1Image(data, np.diag([-1.0, 1, 1, 1])), path)
    reader = get_reader(str(path))
    assert reader is not None
    ((array, about, _),) = reader(str(path))
    image = viewer.add_image(array, **{k: v for k, v in about.items() if k != "rgb"})
    image.contrast_limits = (0, 1)
    choice_of(viewer).choose(image=image)
    PREFERENCE.value = convention  # type: ignore[assignment]
    planes = opened(dock, qtbot)
    sides = planes.panes[1].plane.sides  # coronal
    if convention != "as stored":
        assert (sides["top"], sides["bottom"]) == ("S", "I")
        assert sides["left"] == ("R" if convention == "radiological" else "L")
    assert planes.panes[1].caption.startswith("coronal · ")
    for i, (row, column) in enumerate([(1, 5), (6, 2), (0, 3)]):
        shade = planes.panes[i].plane.rgb[row, column]
        planes.panes[i].pointed.emit(float(row), float(column))
        there = [plane_at(viewer, image, axis) for axis in range(3)]
        assert (grey(np.asarray(image.data)[tuple(there)][None, None], (0, 1)) == shade).all()
        drawn(planes, qtbot)
    dock.close()


def test_each_is_as_high_as_the_steepest_needs(planes: Planes) -> None:
    lengths = np.multiply(SHAPE, PLACE.spacing)  # 18, 16, 10
    steepest = max(lengths[0] / lengths[1], lengths[0] / lengths[2], lengths[1] / lengths[2])
    assert planes.height_for(900) == pytest.approx(300 * steepest, abs=20)


def test_while_hidden_nothing_is_drawn(
    planes: Planes, viewer: ViewerModel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    cut = planes.slices.planes
    monkeypatch.setattr(planes.slices, "planes", lambda *a: calls.append(1) or cut(*a))
    planes.hide()
    viewer.dims.set_point(0, 12)
    settle()
    assert not calls
    planes.show()
    drawn(planes, qtbot)
    assert len(calls) == 3
    assert planes.panes[1].plane.cross[0] == 4
