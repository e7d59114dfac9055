"""A result in a viewer of no window, to draw slices of."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from pytestqt.qtbot import QtBot

from napari_attn_unet.gates.cover import Cover
from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.choice import Choice, choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.overlay.place import Place
from napari_attn_unet.plugin.overlay.sides import Sides
from napari_attn_unet.plugin.overlay.strip import Strip
from napari_attn_unet.plugin.placement import placement_of
from napari_attn_unet.plugin.results import gate_map, results
from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction
from napari_attn_unet.report.picture import compose, grey
from napari_attn_unet.volume import Geometry

SHAPE = (6, 8, 10)
PLACE = Geometry.from_spacing((3, 2, 1), unit="mm")
CLASSES = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two")))


def prediction(gates: int = 2) -> Prediction:
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:5, 1:4, 2:6] = 1
    mask[2:5, 4:7, 3:8] = 2
    random = np.random.default_rng(1)
    maps = tuple(
        GateMap(
            random.random(tuple(-(-n // 2**k) for n in SHAPE), np.float32),
            PLACE.coarsened(2**k),
            k,
        )
        for k in range(1, gates + 1)
    )
    about = {"image": "brain", "date": "today", "checkpoint": "tiny"}
    return Prediction(mask, PLACE, CLASSES, maps, provenance=about)


def show(viewer: ViewerModel, data: Any = None, **place: Any) -> Choice:
    """Show an image and its result, and choose them."""
    if data is None:
        data = np.random.default_rng(0).random(SHAPE, np.float32)
    place = {"scale": (3, 2, 1), "units": "mm"} | place
    image = viewer.add_image(data, name="brain", **place)
    assert isinstance(image, Image)
    found = layers.from_prediction(prediction(), placement_of(image))
    layers.show(viewer, found, keep_old=False)
    (result,) = results(viewer)
    choice = choice_of(viewer)
    choice.choose(image=image, result=result, mask=result.mask)
    return choice


def strip_of(dock: Dock, qtbot: QtBot) -> Strip:
    choice = choice_of(dock.viewer)
    strip = Strip(dock, choice, Sides(dock, choice, Place(dock, choice)))
    qtbot.addWidget(strip)
    strip.show()
    return strip


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


def effect(viewer: ViewerModel, name: str, kind: str) -> Any:
    about = {OUTPUT: {"effect": kind, "image": "brain"}}
    place = {"scale": (3, 2, 1), "units": "mm", "metadata": about}
    if kind == "errors":
        return viewer.add_labels(np.ones(SHAPE, np.uint8), name=name, **place)
    return viewer.add_image(np.zeros(SHAPE), name=name, contrast_limits=(-1, 1), **place)
