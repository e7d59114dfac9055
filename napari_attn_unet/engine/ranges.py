"""Which planes of every level an evaluation computes, and what share of the work that is.

Levels count from 1, the finest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_attn_unet.engine.kernels import coarse_planes
from napari_attn_unet.engine.plan import HALO, Plan, Size
from napari_attn_unet.engine.stages import Stages
from napari_attn_unet.network.config import ModelConfig

Planes = tuple[int, int]
"""[first, last) planes along the slab axis."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """What is computed of each level.

    Attributes
    ----------
    planes
        How many planes a level has.
    decoded, encoded
        Planes whose decoder and encoder features are needed.
    """

    planes: Mapping[int, int]
    decoded: Mapping[int, Planes]
    encoded: Mapping[int, Planes]

    @classmethod
    def of(
        cls, config: ModelConfig, planes: Mapping[int, int], wanted: Planes, *, whole_maps: bool
    ) -> Ranges:
        """Work out which planes the wanted planes of level 1 depend on.

        Parameters
        ----------
        config, planes
            The network, and how many planes each level has.
        wanted
            Planes of level 1 whose logits are asked for.
        whole_maps
            Whether gates need their complete maps; those of a softmax always do.
        """
        whole_maps = whole_maps or config.coefficients == "softmax"
        first, last = wanted
        decoded = {1: (first - first % 2, last + last % 2)}
        for level in range(2, config.levels + 1):
            begin, end = _coarse(planes[level], *decoded[level - 1])
            if whole_maps:
                begin, end = 0, planes[level]
            decoded[level] = begin - begin % 2, min(end + end % 2, planes[level])
        encoded = {config.levels: decoded[config.levels]}
        for level in range(config.levels - 1, 0, -1):
            coarse = encoded[level + 1]  # the block there reaches HALO planes further
            first, last = decoded[level]
            encoded[level] = (
                max(0, min(first - HALO, 2 * (coarse[0] - HALO))),
                min(planes[level], max(last + HALO, 2 * (coarse[1] + HALO))),
            )
        return cls(planes, decoded, encoded)

    def coarse(self, level: int, first: int, last: int) -> Planes:
        """Return the planes of the level below that decoding planes [first, last) needs."""
        return _coarse(self.planes[level + 1], first, last)


def _coarse(planes: int, first: int, last: int) -> Planes:
    return coarse_planes(max(first - HALO, 0), min(last + HALO, 2 * planes), 2, planes)


class Work:
    """How much of an evaluation is done, in multiply-adds of its blocks.

    All else is small beside them.

    Parameters
    ----------
    stages, plan
        What is run, and how.
    grids
        Size of every level's maps, the slab axis first.
    """

    def __init__(self, stages: Stages, plan: Plan, grids: Mapping[int, Size]) -> None:
        self._stages, self._plan, self._grids = stages, plan, grids
        self._done = 0.0
        self.total = 0.0

    def expect_finest(self, wanted: Planes, redone: int) -> None:
        """Expect what is left to do with kept features: decoders up from a level, and level 1."""
        self.total = self._slab(1, wanted[1] - wanted[0], decoder=True)
        for level in range(2, redone + 1):
            self.total += self._slab(level, self._grids[level][0], decoder=True)

    def expect_all(self, wanted: Planes, ranges: Ranges) -> None:
        """Expect the whole evaluation."""
        self.total = self._slab(1, wanted[1] - wanted[0], decoder=True)
        for level, (first, last) in ranges.encoded.items():
            self.total += self._slab(level, last - first, decoder=False)
        for level, (first, last) in ranges.decoded.items():
            if 1 < level < len(self._grids):
                self.total += self._slab(level, last - first, decoder=True)

    def did(self, level: int, slab: Planes, *, decoder: bool) -> float:
        """Count a slab; return the share that is done now."""
        self._done += self._slab(level, slab[1] - slab[0], decoder=decoder)
        return self.share

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self._done / self.total)

    def _slab(self, level: int, planes: int, *, decoder: bool) -> float:
        _, height, width = self._grids[level]
        work = 0
        if decoder:
            work += self._stages.decoder_work(level)
        if not decoder or level <= self._plan.recomputed:
            work += self._stages.encoder_work(level)
        return float(planes * height * width * work)
