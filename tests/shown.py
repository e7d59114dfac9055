"""A result in a viewer of no window, to draw slices of."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.choice import Choice, choice_of
from napari_attn_unet.plugin.placement import placement_of
from napari_attn_unet.plugin.results import results
from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction
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
