"""What can be done to a gate's coefficients to see whether they matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_attn_unet.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

KINDS = {
    "one": "everything passes",
    "mean": "its mean everywhere",
    "zero": "nothing passes",
    "shuffled": "its values at random places",
    "scaled": "its values times a factor",
}
"""Kinds of intervention and what each does, in words."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """A change of one gate's map before it weighs the skip connection.

    Parameters
    ----------
    kind
        "one", "mean", "zero", "shuffled" (the same values, permuted over the map), or "scaled".
    factor
        For "scaled": coefficients are multiplied by it and cut at 1.
    seed
        For "shuffled".

    Raises
    ------
    ConfigError
        If the kind is unknown or the factor negative.
    """

    kind: str
    factor: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the kind and the factor."""
        if self.kind not in KINDS or not 0 <= self.factor < float("inf"):
            msg = (
                f"An intervention is one of {', '.join(KINDS)}, with a factor of at least 0, but "
                f"got {self.kind!r} with factor {self.factor}."
            )
            raise ConfigError(msg)

    def apply(self, weight: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return what passes instead.

        Parameters
        ----------
        weight
            (Z, Y, X), the share of the skip connection that passes each voxel; a softmax gate's
            may exceed 1.
        size
            The part of it, from the near end, that lies on the image; the rest is padding. Mean
            and shuffling are of that part.
        """
        image = tuple(slice(0, n) for n in size)
        if self.kind == "one":
            return weight.new_ones(weight.shape)
        if self.kind == "zero":
            return weight.new_zeros(weight.shape)
        if self.kind == "mean":
            return weight.new_full(weight.shape, float(weight[image].double().mean()))
        if self.kind == "scaled":
            return (weight * self.factor).clamp_(max=max(1.0, float(weight.max())))
        values = weight[image]
        order = np.random.default_rng(self.seed).permutation(values.numel())
        changed = weight.clone()
        changed[image] = values.flatten()[order].view_as(values)
        return changed

    def __str__(self) -> str:
        """Name it as tables do: "zero", "scaled × 0.5"."""
        return f"scaled × {self.factor:g}" if self.kind == "scaled" else self.kind

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, for the provenance."""
        values: dict[str, Any] = {"kind": self.kind}
        if self.kind == "scaled":
            values["factor"] = self.factor
        if self.kind == "shuffled":
            values["seed"] = self.seed
        return values
