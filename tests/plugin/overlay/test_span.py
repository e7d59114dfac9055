"""The sliders' positions are the image's, whatever is laid over it."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel

from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.layers import GATE, OUTPUT
from napari_attn_unet.plugin.overlay.span import Span


def over(viewer: ViewerModel, translate: tuple[float, ...] = (1.5, 3.5, 3.5)) -> None:
    """A gate of a grid of 8, over an image of (7, 26, 26) with voxels (2, 1, 1)."""
    about = {OUTPUT: {"date": "today"}, GATE: 3}
    place = {"scale": (16, 8, 8), "translate": translate, "units": "mm", "metadata": about}
    viewer.add_image(np.zeros((1, 4, 4)), **place)


def steps(viewer: ViewerModel) -> list[tuple[float, ...]]:
    return [tuple(r) for r in viewer.dims.range]


def test_a_gate_that_reaches_over_the_border_adds_no_slices(
    dock: Dock, viewer: ViewerModel
) -> None:
    viewer.add_image(np.zeros((7, 26, 26)), scale=(2, 1, 1), units="mm")
    before = steps(viewer)
    over(viewer)
    assert steps(viewer) != before
    Span(dock)
    assert steps(viewer) == before
    over(viewer)
    assert steps(viewer) == before
    dock.close()
    assert steps(viewer) != before


def test_a_map_that_lies_elsewhere_can_be_gone_to(dock: Dock, viewer: ViewerModel) -> None:
    viewer.add_image(np.zeros((7, 26, 26)), scale=(2, 1, 1), units="mm")
    Span(dock)
    over(viewer, (100, 3.5, 3.5))
    assert viewer.dims.range[0][1] >= 100
    assert viewer.dims.range[1][1] == 25


def test_maps_without_an_image_are_all_there_is(dock: Dock, viewer: ViewerModel) -> None:
    Span(dock)
    over(viewer)
    assert viewer.dims.range[1][2] == 8
