"""Nothing of a gate is drawn outside its image; the layer holds the whole map."""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QWidget

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.clip import Clip, box_within
from napari_attn_unet.plugin.placement import placement_of
from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction
from napari_attn_unet.volume import Geometry

SHAPE = (9, 11, 13)
PLACE = Geometry.from_spacing((3, 2, 1), unit="mm")
CLASSES = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one")))


def show(viewer: ViewerModel, step: int = 4) -> napari.layers.Image:
    """A wide open gate over a black image."""
    image = viewer.add_image(np.zeros(SHAPE, np.float32), name="brain", scale=(3, 2, 1), units="mm")
    coarse = tuple(-(-n // step) for n in SHAPE)
    gate = GateMap(np.ones(coarse, np.float32), PLACE.coarsened(step), 2)
    about = {"image": "brain", "date": "today", "checkpoint": "tiny"}
    made = Prediction(np.zeros(SHAPE, np.uint8), PLACE, CLASSES, (gate,), provenance=about)
    found = layers.from_prediction(made, placement_of(image))
    layers.show(viewer, found, keep_old=False)
    layer = viewer.layers["gate 2 · brain"]
    layer.visible = True
    return layer


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_a_gate_ends_where_its_image_does(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, order: tuple[int, ...]
) -> None:
    viewer = make_napari_viewer(show=True)
    gate = show(viewer)
    viewer.dims.order = order
    viewer.layers["mask · brain"].visible = False
    viewer.reset_view()

    def size() -> list[int]:
        seen = viewer.screenshot(canvas_only=True, flash=False)[..., :3].max(axis=-1) > 0
        return [int(seen.any(axis=axis).sum()) for axis in (1, 0)]

    size()  # the canvas gets its own, and the view with it
    QApplication.processEvents()
    whole = size()
    anchor = QWidget()
    qtbot.addWidget(anchor)
    dock = Dock(anchor, viewer, "test")
    Clip(dock, choice_of(viewer))
    zoom = viewer.scene.camera.zoom
    wanted = [SHAPE[a] * (3, 2, 1)[a] * zoom for a in order[1:]]
    beyond = [-(-SHAPE[a] // 4) * 4 * (3, 2, 1)[a] * zoom for a in order[1:]]
    np.testing.assert_allclose(whole, beyond, atol=2)
    qtbot.waitUntil(lambda: np.allclose(size(), wanted, atol=2))
    assert gate.data.shape == (3, 3, 4)
    dock.close()
    np.testing.assert_allclose(size(), beyond, atol=2)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_in_3d_too(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, order: tuple[int, ...]
) -> None:
    viewer = make_napari_viewer(show=True)
    gate = show(viewer)
    viewer.dims.order = order
    for name in ("mask · brain", "brain"):
        viewer.layers[name].visible = False
    viewer.dims.ndisplay = 3
    viewer.scene.camera.angles = (0, 0, 0)
    viewer.reset_view(reset_camera_angle=False)

    def area() -> int:
        seen = viewer.screenshot(canvas_only=True, flash=False)[..., :3].max(axis=-1)
        return int((seen > 0).sum())

    area()
    QApplication.processEvents()
    whole = area()
    anchor = QWidget()
    qtbot.addWidget(anchor)
    dock = Dock(anchor, viewer, "test")
    Clip(dock, choice_of(viewer))
    # Of what is seen, along the axes that are displayed last.
    share = np.prod([SHAPE[a] / (-(-SHAPE[a] // 4) * 4) for a in order[1:]])
    qtbot.waitUntil(lambda: area() == pytest.approx(share * whole, rel=0.05))
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: not len(gate.experimental_clipping_planes))
    dock.close()


def test_of_a_box_its_own_ends_count(viewer: ViewerModel) -> None:
    part = viewer.add_labels(np.zeros((4, 5, 6), np.uint8), translate=(10, 0, 0))
    gate = viewer.add_image(np.zeros((2, 3, 3)), scale=(2, 2, 2), translate=(10.5, 0.5, 0.5))
    low, high = box_within(part, gate)
    np.testing.assert_allclose(low, [-0.5, -0.5, -0.5])
    np.testing.assert_allclose(high, [1.5, 2, 2.5])
