"""What a card asks of the input: orientation, spacing, intensity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_attn_unet.engine.frame import Float32Array, Frame, resize
from napari_attn_unet.errors import ShapeError, VolumeError
from napari_attn_unet.network.card import PreprocessingSpec
from napari_attn_unet.table import counted
from napari_attn_unet.volume import Orientation, Volume


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
        """Read a part; the slices of space need a start and a stop."""
        box = self._orientation.inverse.apply_to_box(part[1:], self._size)
        values = np.asarray(self._source[(part[0], *box)])
        values = (values.astype(np.float64) - self._mean[part[0]]) / self._deviation[part[0]]
        return self._orientation.apply(values.astype(np.float32))

    def channel(self, number: int) -> Float32Array:
        """Read one channel (Z, Y, X), some planes at a time: float64 is never held of all."""
        planes, height, width = self._size
        values = np.empty(self._size, np.float32)
        step = max(1, 2**20 // (height * width))
        one, plane = slice(number, number + 1), (slice(0, height), slice(0, width))
        for z in range(0, planes, step):
            values[z : z + step] = self[one, slice(z, min(z + step, planes)), *plane][0]
        return values

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
    frame
        Where it lies over the volume it was made from.
    """

    data: Normalised | Float32Array
    frame: Frame


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

    frame = Frame.of(volume, spec)
    lazy = Normalised(volume.data, frame.orientation, mean, deviation)
    data: Normalised | Float32Array = lazy
    if frame.is_resampled:
        data = np.empty((channels, *frame.shape), np.float32)
        for number in range(channels):
            data[number] = resize(lazy.channel(number), frame.shape)
    return Prepared(data, frame)


def statistics(array: Any, channel: int = 0, name: str = "volume") -> tuple[float, float]:
    """Return mean and standard deviation of one channel of (C, Z, Y, X).

    Summed in float64, block by block: exact for any dtype, without a second copy.

    Raises
    ------
    VolumeError
        If a value is NaN or infinite, or all are the same.
    """
    voxels = int(np.prod(array.shape[1:]))
    sums, bad, planes = [], 0, 0
    first: list[int] = []
    for block in _blocks(array, channel):
        sums.append(float(np.sum(block, dtype=np.float64)))
        if not np.isfinite(sums[-1]):
            wrong = ~np.isfinite(block)
            if not bad and wrong.any():
                first = [int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape)]
                first[0] += planes
            bad += int(wrong.sum())
        planes += len(block)
    mean = sum(sums) / voxels
    if bad:
        raise VolumeError(_without_number(name, bad, voxels, first))
    if not np.isfinite(mean):
        msg = f"The values of {name!r} are too large to be added up: export it in another unit."
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


def _without_number(name: str, bad: int, voxels: int, first: Sequence[int]) -> str:
    """Return what is wrong with voxels that hold no number, where, and what can be done."""
    if bad == voxels:
        return (
            f"No voxel of {name!r} has a number as its value (all are NaN or infinite): there is "
            "no image in it. Export it again."
        )
    z, y, x = first
    place = f"z = {z}, y = {y}, x = {x} (counted from 0)"
    have, lies = ("has", "it lies") if bad == 1 else ("have", "the first lies")
    return (
        f"{counted(bad, 'voxel')} of {name!r} {have} no number as value (NaN or infinite): {lies} "
        f"at {place}. Resampling, registration or masking leave such voxels. Open the image from "
        "before that step, or export it again with 0 as the value of the background."
    )


def _blocks(array: Any, channel: int) -> Iterator[npt.NDArray[Any]]:
    """Yield blocks of planes of one channel: as the array is stored, or of a few megabytes."""
    planes, plane = array.shape[1], int(np.prod(array.shape[2:]))
    step = max(1, 2**20 // plane)
    chunks = getattr(array, "chunks", None)
    if chunks:  # zarr: sizes; dask: tuples of sizes
        step = max(chunks[1]) if isinstance(chunks[1], tuple) else chunks[1]
    for z in range(0, planes, step):
        yield np.asarray(array[channel, z : z + step])
