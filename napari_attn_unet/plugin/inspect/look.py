"""How the layers look on screen, for the figures and films that are made of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from napari.layers import Image

from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.overlay.sides import PREFERENCE
from napari_attn_unet.plugin.placement import geometry_of
from napari_attn_unet.report.orientation import is_known, is_placed
from napari_attn_unet.report.slices import Style


def look(state: State) -> Style:
    """Return how image and gates look on screen, and which way they are turned."""
    gate, image = shown_gate(state), state.image
    limits = None if image is None else tuple(map(float, image.contrast_limits))
    style = Style(
        limits=None if limits is None else (limits[0], limits[1]),
        classes=state.classes,
        convention=PREFERENCE.value,
        patient=geometry_of(image) if image is not None and is_known(image.metadata) else None,
        placed=image is None or is_placed(image.metadata),
    )
    if gate is None:
        return style
    low, high = map(float, gate.contrast_limits)
    return replace(
        style,
        table=np.asarray(gate.colormap.map(np.linspace(0, 1, 256)), np.float32),
        opacity=float(gate.opacity),
        gate_limits=(low, high),
    )


def shown_gate(state: State) -> Image | None:
    """Return the gate that is looked at: the finest that is shown, or else the finest."""
    gates = list(state.gates.values())
    return next((layer for layer in gates if layer.visible), gates[0] if gates else None)
