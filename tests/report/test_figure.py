"""Places and lengths of a figure are in its image's unit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from napari_attn_unet.report import figure
from napari_attn_unet.volume import Geometry


def inspected(unit: str) -> Any:
    geometry = Geometry.from_spacing((0.4, 0.25, 0.25), unit=unit)
    return SimpleNamespace(geometry=geometry, image=np.zeros((10, 20, 40)))


@pytest.mark.parametrize("unit", ["mm", "um", "nm", "m"])
def test_places_and_the_scale_bar_are_in_the_image_s_unit(unit: str) -> None:
    about = inspected(unit)
    assert figure._position(about, 0, 3) == f"z 3 · 1.2 {unit}"
    ax = Figure().subplots()
    ax.imshow(about.image[0])
    figure._scale_bar(ax, about, 2)
    assert ax.texts[0].get_text() == f"2 {unit}"
    left, right = ax.lines[0].get_xdata()
    assert right - left == pytest.approx(8)  # voxels of 0.25


def test_a_grid_without_a_unit_has_slices_alone() -> None:
    about = inspected("pixel")
    assert figure._position(about, 0, 3) == "z 3"
    ax = Figure().subplots()
    ax.imshow(about.image[0])
    figure._scale_bar(ax, about, 2)
    assert not ax.texts
