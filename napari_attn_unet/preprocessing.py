"""What a card asks of the input, and its inverse: orientation, spacing, intensity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.card import PreprocessingSpec
from napari_attn_unet.errors import ShapeError, VolumeError
from napari_attn_unet.volume import Geometry, Orientation, Volume

Float32Array = npt.NDArray[np.float32]
Size = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A volume as the network wants it, and the way back.

    Attributes
    ----------
    data
        (C, Z, Y, X) float32.
    source
        Geometry of the volume it was made from.
    source_shape
        Size (Z, Y, X) of that volume.
    orientation
        The change of axes from that volume to `data`.
    """

    data: Float32Array
    source: Geometry
    source_shape: Size
    orientation: Orientation

    @property
    def oriented_shape(self) -> Size:
        """Size of the source once reoriented, before resampling."""
        z, y, x = (self.source_shape[axis] for axis in self.orientation.axes)
        return z, y, x

    @property
    def is_resampled(self) -> bool:
        """Whether the network's grid has another spacing than the source."""
        return self.data.shape[1:] != self.oriented_shape

    def restore(self, maps: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring maps (K, Z, Y, X) on the network's grid back to the source's grid.

        Maps are interpolated linearly where the volume was resampled; otherwise every value is
        kept as it is.
        """
        if self.is_resampled:
            maps = np.stack([resize(m, self.oriented_shape) for m in maps])
        return np.ascontiguousarray(self.orientation.inverse.apply(maps))

    def restore_gate(self, gate: npt.NDArray[Any], level: int) -> tuple[Float32Array, Geometry]:
        """Bring a gate's map into the source's axis order, on its own grid.

        Parameters
        ----------
        gate
            (Z, Y, X), each voxel covering 2^level voxels of the network's grid along each axis.

        Returns
        -------
        map, geometry
            The same values, flipped and permuted only, and where they lie.
        """
        network = np.asarray(self.data.shape[1:])
        ratio = np.asarray(self.oriented_shape) / network  # source voxels per network voxel
        size = 2**level * ratio
        # The network pads at the far end, so a map can reach beyond the image there. Once an
        # axis is flipped back, that overhang lies before the image's first voxel.
        overhang = np.asarray(gate.shape) * size - self.oriented_shape
        start = np.where(self.orientation.flips, -overhang, 0.0)
        order = list(self.orientation.inverse.axes)
        restored = np.ascontiguousarray(self.orientation.inverse.apply(gate), dtype=np.float32)
        return restored, self.source.regridded(size[order].tolist(), start[order].tolist())


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
    array = np.asarray(volume.data)
    if array.dtype.kind not in "buif":
        msg = (
            f"A volume needs real numbers, but {volume.name!r} holds {array.dtype}. "
            "Convert it to an integer or floating-point image first."
        )
        raise VolumeError(msg)
    data = np.stack([normalise(channel, spec.intensity, volume.name) for channel in array])

    orientation = Orientation()
    if spec.orientation == "canonical":
        orientation = Orientation.to_canonical(volume.geometry.affine)
    data = orientation.apply(data)
    spacing = volume.geometry.spacing_mm
    if spec.spacing is not None and spacing is not None:
        oriented = [spacing[axis] for axis in orientation.axes]
        size = resampled_shape(data.shape[1:], oriented, spec.spacing)
        if size != data.shape[1:]:
            data = np.stack([resize(channel, size) for channel in data])
    return Prepared(np.ascontiguousarray(data), volume.geometry, volume.shape, orientation)


def normalise(channel: npt.NDArray[Any], intensity: str, name: str = "volume") -> Float32Array:
    """Return one channel (Z, Y, X) as float32, to mean 0 and deviation 1 if "zscore".

    Statistics are summed in float64 plane by plane: exact for any dtype, without a second copy.

    Raises
    ------
    VolumeError
        If a value is NaN or infinite, or all are the same.
    """
    mean = float(np.mean([np.mean(plane, dtype=np.float64) for plane in channel]))
    if not np.isfinite(mean):
        bad = sum(int(plane.size - np.isfinite(plane).sum()) for plane in channel)
        msg = (
            f"{name!r} has {bad:,} voxels that are NaN or infinite (of {channel.size:,}). "
            "Replace them first, for instance by the image's minimum: "
            "`numpy.nan_to_num(array, nan=numpy.nanmin(array))`."
        )
        raise VolumeError(msg)
    variance = float(np.mean([np.mean((_float64(plane) - mean) ** 2) for plane in channel]))
    if variance <= (1e-12 * max(1.0, abs(mean))) ** 2:
        msg = (
            f"Every voxel of {name!r} has the same value ({mean:g}): there is nothing to segment. "
            "Check that the right layer, channel or crop is chosen."
        )
        raise VolumeError(msg)
    if intensity == "none":
        return np.asarray(channel, dtype=np.float32)
    result = np.empty(channel.shape, dtype=np.float32)
    for out, plane in zip(result, channel, strict=True):
        out[:] = (_float64(plane) - mean) / np.sqrt(variance)
    return result


def _float64(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return plane.astype(np.float64)  # in float16, even the difference to the mean is coarse


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
