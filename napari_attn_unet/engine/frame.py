"""`Frame`: the network's grid beside the volume's own, and the way between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.volume import Box, Geometry, Orientation, Volume

Float32Array = npt.NDArray[np.float32]
Size = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Where a network's grid lies over that of a volume; no voxel is read for it.

    Attributes
    ----------
    source
        Geometry of the volume.
    source_shape
        Its size (Z, Y, X).
    orientation
        The change of axes from the volume to the network's grid.
    shape
        Size (Z, Y, X) of the network's grid.
    """

    source: Geometry
    source_shape: Size
    orientation: Orientation
    shape: Size

    @classmethod
    def of(cls, volume: Volume, spec: PreprocessingSpec) -> Frame:
        """Return the frame of a volume for what a card asks of it.

        It is resampled only where the card names a spacing and the volume's unit is known.
        """
        orientation = Orientation()
        if spec.orientation == "canonical":
            orientation = Orientation.to_canonical(volume.geometry.affine)
        z, y, x = (volume.shape[axis] for axis in orientation.axes)
        spacing = volume.geometry.spacing_mm
        if spec.spacing is not None and spacing is not None:
            own = [spacing[axis] for axis in orientation.axes]
            z, y, x = (
                max(1, round(n * s / t))
                for n, s, t in zip((z, y, x), own, spec.spacing, strict=True)
            )
        return cls(volume.geometry, volume.shape, orientation, (z, y, x))

    @property
    def geometry(self) -> Geometry:
        """Where the network's grid lies."""
        oriented = self.source.oriented(self.orientation, self.source_shape)
        ratio = np.asarray(self.oriented_shape) / self.shape  # source voxels per network voxel
        return oriented.regridded(ratio.tolist(), (0.0, 0.0, 0.0))

    @property
    def oriented_shape(self) -> Size:
        """Size of the source once reoriented, before resampling."""
        z, y, x = (self.source_shape[axis] for axis in self.orientation.axes)
        return z, y, x

    @property
    def is_resampled(self) -> bool:
        """Whether the network's grid has another spacing than the source."""
        return self.shape != self.oriented_shape

    def network_box(self, box: Box) -> Box:
        """Return the voxels of the network's grid that a box of the source depends on."""
        box = self.orientation.apply_to_box(box, self.source_shape)
        if not self.is_resampled:
            return box
        ratio = np.asarray(self.shape) / self.oriented_shape  # network voxels per source voxel
        z, y, x = (
            # Interpolation reaches a voxel; smoothing before it, twice the ratio.
            slice(
                max(0, int(np.floor(s.start * r)) - int(np.ceil(2 * r)) - 2),
                min(n, int(np.ceil(s.stop * r)) + int(np.ceil(2 * r)) + 2),
            )
            for s, r, n in zip(box, ratio, self.shape, strict=True)
        )
        return z, y, x

    def network_plane(self, axis: int, plane: int) -> tuple[int, int]:
        """Return (axis, plane) of the network's grid at a plane of the source."""
        new = self.orientation.axes.index(axis)
        size = self.oriented_shape[new]
        if self.orientation.flips[new]:
            plane = size - 1 - plane
        place = int((plane + 0.5) * self.shape[new] / size)
        return new, min(max(place, 0), self.shape[new] - 1)

    def source_box(self, box: Box) -> Box:
        """Return where the voxels of a box of the network's grid lie in the source.

        For volumes that are not resampled.
        """
        return self.orientation.inverse.apply_to_box(box, self.oriented_shape)

    def restore(self, maps: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring maps (K, Z, Y, X) on the network's grid back to the source's grid.

        Maps are interpolated linearly where the volume was resampled; otherwise every value is
        kept as it is.
        """
        there = self.orientation.inverse.apply
        if not self.is_resampled:
            return np.ascontiguousarray(there(maps))
        restored = np.empty((len(maps), *self.source_shape), np.float32)
        for into, one in zip(restored, maps, strict=True):  # one by one: they are large
            into[...] = there(resize(one, self.oriented_shape))
        return restored

    def restore_gate(
        self, gate: npt.NDArray[Any], level: int, start: tuple[int, int, int] = (0, 0, 0)
    ) -> tuple[Float32Array, Geometry]:
        """Bring a gate's map into the source's axis order, on its own grid.

        Parameters
        ----------
        gate
            (Z, Y, X), each voxel covering 2^level voxels of the network's grid along each axis.
        start
            Index of its first voxel in the map of the whole volume.

        Returns
        -------
        map, geometry
            The same values, flipped and permuted only, and where they lie.
        """
        ratio = np.asarray(self.oriented_shape) / self.shape  # source voxels per network voxel
        size = 2**level * ratio
        begin = np.asarray(start) * size
        # The network pads at the far end, so a map can reach beyond the image there. Once an
        # axis is flipped back, that overhang lies before the image's first voxel.
        end = begin + np.asarray(gate.shape) * size
        first = np.where(self.orientation.flips, self.oriented_shape - end, begin)
        order = list(self.orientation.inverse.axes)
        restored = np.ascontiguousarray(self.orientation.inverse.apply(gate), dtype=np.float32)
        return restored, self.source.regridded(size[order].tolist(), first[order].tolist())


def resize(array: npt.NDArray[Any], size: Size) -> Float32Array:
    """Resample (Z, Y, X) linearly to `size` over the same extent; smoothed before it shrinks."""
    from skimage.transform import resize as skimage_resize  # noqa: PLC0415  (0.3 s to import)

    shrinks = any(new < old for new, old in zip(size, array.shape, strict=True))
    result: Float32Array = skimage_resize(
        array, size, order=1, mode="edge", anti_aliasing=shrinks, preserve_range=True
    ).astype(np.float32)
    return result
