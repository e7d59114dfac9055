"""Three labelled cases, and masks of them."""

from many import dataset, masks

__all__ = ["dataset", "masks"]
