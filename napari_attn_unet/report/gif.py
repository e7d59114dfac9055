"""GIF, frame by frame: nothing but the last frame is kept, and only what changed is written."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt
from PIL import GifImagePlugin, Image
from scipy.spatial import KDTree

from napari_attn_unet.prediction import Colour

_SAME = 255
"""The palette's last place: what is as in the frame before."""
_COLOURS = 144
"""Taken from the film's own pictures; 255 are hardly told from them, in a file a fifth larger."""
_BITS = 6
"""Of red, green and blue each, by which a pixel's colour is looked up."""


class GifWriter:
    """Write the frames of a film as they come; for `with`.

    Pillow's own writer keeps every frame until the last one is there, and takes the first one's
    colours for all.

    Parameters
    ----------
    path
        Where to.
    samples
        Frames (rows, columns, 3) that the film's colours are taken from.
    kept
        Colours (r, g, b) in 0..1 that it has exactly, 100 at most.
    rate
        Frames per second.
    """

    def __init__(
        self,
        path: Path,
        samples: Sequence[npt.NDArray[np.uint8]],
        kept: Sequence[Colour],
        rate: float,
    ) -> None:
        self._path, self._delay = path, round(100 / rate) * 10
        self._palette = _palette(samples, kept)
        self._table = _table(self._palette)
        self._last: npt.NDArray[np.uint8] | None = None
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if kind is None:
                self._file.write(b";")

    def append(self, frame: npt.NDArray[np.uint8]) -> None:
        """Write a frame (rows, columns, 3); all are of one size."""
        red, green, blue = np.moveaxis(frame >> (8 - _BITS), -1, 0).astype(np.int32)
        index = self._table[red, green, blue]
        if self._last is None:
            self._begin(*index.shape)
            self._frame(index, (0, 0))
        else:
            changed = index != self._last
            rows, columns = (np.flatnonzero(changed.any(axis=a)) for a in (1, 0))
            if not len(rows):  # it must last as long as any other
                rows = columns = np.zeros(1, np.intp)
            box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            shown = np.where(changed[box], index[box], np.uint8(_SAME))
            self._frame(shown, (int(columns[0]), int(rows[0])))
        self._last = index

    def _begin(self, height: int, width: int) -> None:
        """Write header, palette and that the film begins anew at its end (GIF89a)."""
        self._file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0))
        self._file.write(self._palette.tobytes())
        self._file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")

    def _frame(self, index: npt.NDArray[np.uint8], offset: tuple[int, int]) -> None:
        image = Image.fromarray(np.ascontiguousarray(index))
        options = {"duration": self._delay, "transparency": _SAME, "disposal": 1}
        for part in GifImagePlugin.getdata(image, offset, **options):
            self._file.write(part)


def _palette(
    samples: Sequence[npt.NDArray[np.uint8]], kept: Sequence[Colour]
) -> npt.NDArray[np.uint8]:
    """Return (256, 3): those to be kept, and those that stand best for all of the samples'."""
    pixels = np.concatenate([sample.reshape(-1, 3) for sample in samples])
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    # By the root of how often they occur: what is small must keep its colour too.
    often = np.maximum(np.sqrt(counts), 1).astype(int)
    image = Image.fromarray(np.repeat(colours, often, axis=0)[np.newaxis])
    found = image.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    exact = np.asarray(kept, np.float64).reshape(-1, 3)[: _SAME - _COLOURS] * 255
    taken = np.asarray(found.getpalette(), np.uint8).reshape(-1, 3)[:_COLOURS]
    palette = np.zeros((256, 3), np.uint8)
    known = np.concatenate([exact.round().astype(np.uint8), taken])
    palette[: len(known)] = known
    return palette


def _table(palette: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the palette's place that is nearest to every colour of `_BITS` each."""
    steps = (np.arange(2**_BITS) + 0.5) * 2 ** (8 - _BITS)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    _, nearest = KDTree(palette[:_SAME].astype(np.float64)).query(colours)
    return np.asarray(nearest, np.uint8)
