"""The Segment widget: choose an image and a checkpoint, press Segment, see mask and gates."""

from napari_attn_unet.plugin.segment.widget import SegmentWidget

__all__ = ["SegmentWidget"]
