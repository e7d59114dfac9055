"""What a card asks of the input, and its inverse: orientation, spacing, intensity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.errors import ShapeError, VolumeError
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.volume import Box, Geometry, Orientation, Volume

Float32Array = npt.NDArray[np.float32]
Size = tuple[int, int, int]


class Normalised:
    """A volume's array, reoriented and normalised as it is read, part by part.

    Slicing gives float32 arrays; nothing larger than what is asked for is held, so the array may
    be a dask or zarr array larger than memory.

    Parameters
    ----------
    source
        (C, Z, Y, X), on the volume's own grid.
    orientation
        The change of axes.
    mean, deviation
        Per channel; subtracted, and divided by.
    """

    def __init__(
        self, source: Any, orientation: Orientation, mean: list[float], deviation: list[float]
    ) -> None:
        self._source, self._orientation = source, orientation
        self._mean = np.reshape(mean, (-1, 1, 1, 1))
        self._deviation = np.reshape(deviation, (-1, 1, 1, 1))
        self._size = tuple(int(source.shape[1 + axis]) for axis in orientation.axes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(C, Z, Y, X) once reoriented."""
        z, y, x = self._size
        return len(self._mean), z, y, x

    def __getitem__(self, part: tuple[slice, slice, slice, slice]) -> Float32Array:
        """Read a part of all channels; the slices need a start and a stop."""
        box = self._orientation.inverse.apply_to_box(part[1:], self._size)
        values = np.asarray(self._source[(slice(None), *box)])
        values = (values.astype(np.float64) - self._mean) / self._deviation
        return self._orientation.apply(values.astype(np.float32))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Read everything."""
        if copy is False:
            msg = "The values are normalised as they are read; there is no array to share."
            raise ValueError(msg)
        box = tuple(slice(0, n) for n in self._size)
        return np.ascontiguousarray(self[(slice(None), *box)], dtype)  # type: ignore[index]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A volume as the network wants it, and the way back.

    Attributes
    ----------
    data
        (C, Z, Y, X) float32, read part by part, or an array where it was resampled.
    source
        Geometry of the volume it was made from.
    source_shape
        Size (Z, Y, X) of that volume.
    orientation
        The change of axes from that volume to `data`.
    """

    data: Normalised | Float32Array
    source: Geometry
    source_shape: Size
    orientation: Orientation

    @property
    def shape(self) -> Size:
        """Size (Z, Y, X) of the network's grid."""
        _, z, y, x = self.data.shape
        return z, y, x

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
        if self.is_resampled:
            maps = np.stack([resize(m, self.oriented_shape) for m in maps])
        return np.ascontiguousarray(self.orientation.inverse.apply(maps))

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


def prepare(volume: Volume, spec: PreprocessingSpec, channels: int = 1) -> Prepared:
    """Bring a volume to what a network expects.

    Parameters
    ----------
    volume
        The input; its array is read here (dask and zarr arrays are computed).
    spec
        What the checkpoint's card asks for.
    channels
        Number of channels that the network takes.

    Raises
    ------
    ShapeError
        If the number of channels differs.
    VolumeError
        If the values are not real numbers, some are NaN or infinite, or a channel is constant.
    """
    if volume.channels != channels:
        msg = (
            f"The network takes {channels} channel{'s' * (channels != 1)}, but {volume.name!r} "
            f"has {volume.channels}. Choose a checkpoint for such images, or pick the channels."
        )
        raise ShapeError(msg)
    dtype = np.dtype(volume.data.dtype)
    if dtype.kind not in "buif":
        msg = (
            f"A volume needs real numbers, but {volume.name!r} holds {dtype}. "
            "Convert it to an integer or floating-point image first."
        )
        raise VolumeError(msg)
    mean, deviation = [], []
    for channel in range(channels):
        m, d = statistics(volume.data, channel, volume.name)
        mean.append(m if spec.intensity == "zscore" else 0.0)
        deviation.append(d if spec.intensity == "zscore" else 1.0)

    orientation = network_orientation(volume, spec)
    lazy = Normalised(volume.data, orientation, mean, deviation)
    size = network_shape(volume, spec)
    data: Normalised | Float32Array = lazy
    if size != lazy.shape[1:]:
        data = np.stack([resize(channel, size) for channel in np.asarray(lazy)])
    return Prepared(data, volume.geometry, volume.shape, orientation)


def network_orientation(volume: Volume, spec: PreprocessingSpec) -> Orientation:
    """Return the change of axes from a volume to what the network sees."""
    if spec.orientation == "canonical":
        return Orientation.to_canonical(volume.geometry.affine)
    return Orientation()


def network_shape(volume: Volume, spec: PreprocessingSpec) -> Size:
    """Return the size (Z, Y, X) of the grid that the network sees of a volume."""
    axes = network_orientation(volume, spec).axes
    z, y, x = (volume.shape[axis] for axis in axes)
    spacing = volume.geometry.spacing_mm
    if spec.spacing is None or spacing is None:
        return z, y, x
    return resampled_shape((z, y, x), [spacing[axis] for axis in axes], spec.spacing)


def statistics(array: Any, channel: int = 0, name: str = "volume") -> tuple[float, float]:
    """Return mean and standard deviation of one channel of (C, Z, Y, X).

    Summed in float64, block by block: exact for any dtype, without a second copy.

    Raises
    ------
    VolumeError
        If a value is NaN or infinite, or all are the same.
    """
    voxels = int(np.prod(array.shape[1:]))
    sums, bad = [], 0
    for block in _blocks(array, channel):
        sums.append(float(np.sum(block, dtype=np.float64)))
        if not np.isfinite(sums[-1]):
            bad += int(block.size - np.isfinite(block).sum())
    mean = sum(sums) / voxels
    if bad or not np.isfinite(mean):
        msg = f"{name!r} has {bad:,} voxels that are NaN or infinite (of {voxels:,}). " + (
            "There is no image in it: export it again."
            if bad == voxels
            else "Replace them first, for instance by the smallest of the others: "
            "`array[~numpy.isfinite(array)] = array[numpy.isfinite(array)].min()`."
        )
        raise VolumeError(msg)
    # To float64 first: in float16, even the difference to the mean is coarse.
    squares = [
        float(np.sum((block.astype(np.float64) - mean) ** 2)) for block in _blocks(array, channel)
    ]
    variance = sum(squares) / voxels
    if variance <= (1e-12 * max(1.0, abs(mean))) ** 2:
        msg = (
            f"Every voxel of {name!r} has the same value ({mean:g}): there is nothing to segment. "
            "Check that the right layer, channel or crop is chosen."
        )
        raise VolumeError(msg)
    return mean, float(np.sqrt(variance))


def _blocks(array: Any, channel: int) -> Iterator[npt.NDArray[Any]]:
    """Yield blocks of planes of one channel: as the array is stored, or of a few megabytes."""
    planes, plane = array.shape[1], int(np.prod(array.shape[2:]))
    step = max(1, 2**20 // plane)
    chunks = getattr(array, "chunks", None)
    if chunks:  # zarr: sizes; dask: tuples of sizes
        step = max(chunks[1]) if isinstance(chunks[1], tuple) else chunks[1]
    for z in range(0, planes, step):
        yield np.asarray(array[channel, z : z + step])


def resampled_shape(
    shape: tuple[int, ...], spacing: list[float], target: tuple[float, float, float]
) -> Size:
    """Return the size of a grid over the same extent with voxels of about `target`."""
    z, y, x = (max(1, round(n * s / t)) for n, s, t in zip(shape, spacing, target, strict=True))
    return z, y, x


def resize(array: npt.NDArray[Any], size: Size) -> Float32Array:
    """Resample (Z, Y, X) linearly to `size` over the same extent; smoothed before it shrinks."""
    from skimage.transform import resize as skimage_resize  # noqa: PLC0415  (0.3 s to import)

    shrinks = any(new < old for new, old in zip(size, array.shape, strict=True))
    result: Float32Array = skimage_resize(
        array, size, order=1, mode="edge", anti_aliasing=shrinks, preserve_range=True
    ).astype(np.float32)
    return result
