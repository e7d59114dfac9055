"""`ModelConfig`: everything that decides the architecture. Read without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from napari_attn_unet.errors import ConfigError

MIN_LEVELS = 2


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything that decides the network's architecture.

    Parameters
    ----------
    in_channels
        Channels of the input volume.
    classes
        Number of classes, background included.
    channels
        Channels per level, finest first; as many levels as entries.
    upsampling
        "transposed": 2x2x2 transposed convolution, stride 2; "trilinear": interpolation, then a
        1x1x1 convolution.
    coefficients
        How gates normalise: "sigmoid" per voxel (the paper's grid attention), or "softmax" over
        all voxels of the volume, so that they sum to one.
    gated
        Whether each skip connection is gated, finest first. None means all. All False is a plain
        U-Net, the ablation; all but the finest is the paper's choice.
    deep_supervision
        Predict from every decoder stage: its class map upsampled to full size, concatenated,
        1x1x1 convolution.
    norm
        "batch" or "instance". Only batch normalisation leaves the network a fixed, local function
        of its input, which is what lets it be evaluated slab by slab exactly.

    Raises
    ------
    ConfigError
        If a value is outside what is allowed.
    """

    in_channels: int = 1
    classes: int = 2
    channels: tuple[int, ...] = (32, 64, 128, 256)
    upsampling: str = "transposed"
    coefficients: str = "sigmoid"
    gated: tuple[bool, ...] | None = None
    deep_supervision: bool = False
    norm: str = "batch"

    def __post_init__(self) -> None:
        """Check every value and fill in the default of `gated`."""
        object.__setattr__(self, "channels", tuple(self.channels))
        if self.gated is None:
            object.__setattr__(self, "gated", (True,) * (len(self.channels) - 1))
        object.__setattr__(self, "gated", tuple(self.gated or ()))
        for what, smallest in (("in_channels", 1), ("classes", 2)):
            value = getattr(self, what)
            if not isinstance(value, int) or value < smallest:
                msg = f"{what} must be a whole number of at least {smallest}, but got {value!r}."
                raise ConfigError(msg)
        if len(self.channels) < MIN_LEVELS or not all(
            isinstance(c, int) and c > 0 for c in self.channels
        ):
            msg = (
                "channels needs a positive whole number for each of at least "
                f"{MIN_LEVELS} levels, but got {self.channels}."
            )
            raise ConfigError(msg)
        if len(self.gates) != self.levels - 1 or not all(isinstance(g, bool) for g in self.gates):
            msg = (
                f"gated needs True or False for each of the {self.levels - 1} skip connections, "
                f"finest first, but got {self.gated}."
            )
            raise ConfigError(msg)
        for what, allowed in (
            ("upsampling", ("transposed", "trilinear")),
            ("coefficients", ("sigmoid", "softmax")),
            ("norm", ("batch", "instance")),
        ):
            if getattr(self, what) not in allowed:
                msg = f"{what} must be one of {allowed}, but got {getattr(self, what)!r}."
                raise ConfigError(msg)

    @property
    def levels(self) -> int:
        """Number of resolution levels."""
        return len(self.channels)

    def width(self, level: int) -> int:
        """Return the channels of a level, from 1, the finest."""
        return self.channels[level - 1]

    @property
    def gates(self) -> tuple[bool, ...]:
        """Whether each skip connection is gated, finest first."""
        return self.gated or ()

    @property
    def gated_levels(self) -> tuple[int, ...]:
        """Levels whose skip connection is gated, from 1, the finest."""
        return tuple(level for level, is_gated in enumerate(self.gates, 1) if is_gated)

    @property
    def is_local(self) -> bool:
        """Whether an output voxel depends on a bounded part of the input only.

        A normalisation by the statistics of the whole volume (instance) breaks that: such a
        network is evaluated whole. A softmax over a gate's map does not count here; it is taken
        over the complete map however the levels are evaluated.
        """
        return self.norm == "batch"

    @property
    def multiple(self) -> int:
        """Sizes are zero-padded to a multiple of this: 2^(levels - 1)."""
        return int(2 ** (self.levels - 1))

    @property
    def reach(self) -> int:
        """Voxels to each side that an output voxel can depend on: 2^(levels + 2) - 6."""
        return int(2 ** (self.levels + 2) - 6)

    def to_dict(self) -> dict[str, Any]:
        """Return the config as JSON-ready values."""
        values = asdict(self)
        return values | {"channels": list(self.channels), "gated": list(self.gates)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Read a config back; unknown keys are an error, as they would change the network.

        Raises
        ------
        ConfigError
            If a key is unknown, or a value outside what is allowed.
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            msg = (
                f"The network config has settings this version does not know: "
                f"{', '.join(unknown)}. Update napari-attn-unet."
            )
            raise ConfigError(msg)
        ready = dict(values)
        for key in ("channels", "gated"):
            if ready.get(key) is not None:
                ready[key] = tuple(ready[key])
        return cls(**ready)


def map_size(size: Sequence[int], level: int) -> tuple[int, ...]:
    """Return the size of the map of the gate at `level` for an image of `size`: rounded up."""
    return tuple(-(-n // 2**level) for n in size)
