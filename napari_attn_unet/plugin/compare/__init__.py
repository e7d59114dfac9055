"""The Compare widget: a mask against the ground truth, by eye and by number."""

from napari_attn_unet.plugin.compare.widget import CompareWidget

__all__ = ["CompareWidget"]
