"""An inspection to draw: a lobe, a truth beside it, gates that are open by a quarter."""

from __future__ import annotations

import numpy as np

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.prediction import ClassInfo, GateMap
from napari_attn_unet.volume import Geometry

CLASSES = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two")))


PLACE = Geometry.from_spacing((3, 2, 1), unit="mm")


def inspected(
    gates: int = 2, *, unit: str = "mm", shape: tuple[int, int, int] = (6, 20, 30)
) -> Inspection:
    mask = np.zeros(shape, np.uint8)
    mask[4, 10:15, 10:20] = 1
    truth = np.roll(mask, 2, axis=2)
    place = Geometry.from_spacing((3, 2, 1), unit=unit)
    maps = [
        GateMap(np.full(tuple(-(-n // 2**k) for n in shape), 0.25, np.float32), grid, k)
        for k, grid in ((k, place.coarsened(2**k)) for k in range(1, gates + 1))
    ]
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return Inspection(image, place, maps, mask, truth, [c.name for c in CLASSES])
