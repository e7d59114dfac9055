"""`Request`: what is wanted of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict, get_args

from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.volume import Box

Size = tuple[int, int, int]
Keep = Literal["regions", "gates"]
"""What a session keeps for its next run; see `Session`."""


def check_keep(keep: str | None) -> None:
    """Raise a `ConfigError` unless it is what a session can keep."""
    if keep is not None and keep not in get_args(Keep):
        msg = f"keep must be {' or '.join(map(repr, get_args(Keep)))} or None, but got {keep!r}."
        raise ConfigError(msg)


class Wanted(TypedDict, total=False):
    """What `Session.run` takes beside the plane to look at."""

    probabilities: bool
    threshold: tuple[int, float] | None
    region: Box | None
    store: str | Path | None
    interventions: Mapping[int, Intervention] | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of a run; see `Session.run`."""

    probabilities: bool = False
    threshold: tuple[int, float] | None = None
    region: Box | None = None
    look_at: int | None = None
    store: Path | None = None
    interventions: Mapping[int, Intervention] = field(default_factory=dict)

    def size(self, whole: Size) -> Size:
        """Return the size of the result, for a volume of a size."""
        if self.region is None:
            return whole
        z, y, x = (part.stop - part.start for part in self.region)
        return z, y, x

    def check(self, config: ModelConfig, size: Size, axis: int = 0) -> None:
        """Check the request against the network, the size (Z, Y, X) of the volume and the axis.

        Raises
        ------
        ConfigError
            If it cannot be met.
        """
        gates = config.gated_levels
        if unknown := sorted(set(self.interventions) - set(gates)):
            msg = (
                f"There is no gate {', '.join(map(str, unknown))} to change: this network has "
                f"{', '.join(f'gate {level}' for level in gates) or 'none'}."
            )
            raise ConfigError(msg)
        if self.threshold is not None and (
            not 0 < self.threshold[0] < config.classes or not 0 <= self.threshold[1] <= 1
        ):
            msg = (
                f"A threshold needs a label from 1 to {config.classes - 1} and a "
                f"probability from 0 to 1, but got {self.threshold}."
            )
            raise ConfigError(msg)
        if self.region is not None and len(self.region) != len(size):
            msg = f"A region needs 3 slices, for z, y and x, but got {len(self.region)}."
            raise ConfigError(msg)
        for name, part, n in zip("zyx", self.region or (), size, strict=False):
            if part.start is None or part.stop is None or not 0 <= part.start < part.stop <= n:
                msg = (
                    "A region needs a start and a stop within the volume along every axis, but "
                    f"along {name} it is {part.start} to {part.stop} of {n} planes."
                )
                raise ConfigError(msg)
        if axis not in (0, 1, 2):
            msg = f"An axis is 0, 1 or 2, for z, y and x, but got {axis}."
            raise ConfigError(msg)
        if self.look_at is not None and not 0 <= self.look_at < size[axis]:
            msg = f"There is no plane {self.look_at} along axis {axis} of a volume of {size}."
            raise ConfigError(msg)
