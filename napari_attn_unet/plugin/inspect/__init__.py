"""The Inspect widget: what every gate looks at, slice by slice, and whether it matters."""

from napari_attn_unet.plugin.inspect.widget import InspectWidget

__all__ = ["InspectWidget"]
