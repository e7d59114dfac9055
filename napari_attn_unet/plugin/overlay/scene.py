"""The one door to what napari keeps to itself: the vispy nodes that draw its layers.

Two things that are asked of the picture have no public way in napari 0.9. Its layers of lines
compile a shader with every slice, a fifth of what scrolling costs without a graphics card, and
have no width in pixels of the screen. And what is shown of an image cannot end within a voxel:
`experimental_clipping_planes` is minded in 3D alone. Whoever comes through here does without where
there is no node: in a viewer without a window, and should napari build its canvas in another way.
"""

from __future__ import annotations

from typing import Any

from napari.layers import Layer
from qtpy.compat import isalive

from napari_attn_unet.plugin.kit.dock import model_of


def canvas_of(viewer: Any) -> Any:
    """Return what draws a viewer's layers; None where nothing does, or not any more."""
    window = getattr(model_of(viewer), "window", None)
    canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
    native = getattr(canvas, "native", None)
    return canvas if native is not None and isalive(native) else None


def node_of(viewer: Any, layer: Layer) -> Any:
    """Return the vispy node that draws a layer; None where there is none."""
    drawn = getattr(canvas_of(viewer), "layer_to_visual", None) or {}
    return getattr(drawn.get(model_of(layer)), "node", None)


def is_drawn(viewer: Any, layer: Layer) -> bool:
    """Whether there is a node, or no window where anything would be seen."""
    return getattr(viewer, "window", None) is None or node_of(viewer, layer) is not None
