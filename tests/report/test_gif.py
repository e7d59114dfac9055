"""A GIF written frame by frame shows what was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_attn_unet.report.gif import GifWriter

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def shown(path: Path) -> list[np.ndarray]:
    with Image.open(path) as opened:
        found = []
        for i in range(opened.n_frames):
            opened.seek(i)
            found.append(np.asarray(opened.convert("RGB")))
    return found


def test_frames_come_back_with_the_colours_that_are_kept(tmp_path: Path) -> None:
    frames = np.zeros((4, 20, 30, 3), np.uint8)
    frames[1, 5:9, 6:9] = 255, 0, 0
    frames[2, 5:9, 6:9] = 255, 0, 0
    frames[2, 15, 20] = 0, 0, 255
    with GifWriter(tmp_path / "a.gif", [frames[0]], [RED, BLUE], 8) as writer:
        for frame in frames:
            writer.append(frame)
    for got, given in zip(shown(tmp_path / "a.gif"), frames, strict=True):
        np.testing.assert_array_equal(got, given)


def test_a_frame_like_the_one_before_lasts_as_long_as_any_other(tmp_path: Path) -> None:
    frame = np.full((20, 30, 3), 128, np.uint8)
    with GifWriter(tmp_path / "a.gif", [frame], [], 8) as writer:
        for _ in range(3):
            writer.append(frame)
    with Image.open(tmp_path / "a.gif") as opened:
        assert opened.n_frames == 3
        assert opened.info["duration"] == 120


def test_a_writer_that_fails_closes_its_file(tmp_path: Path) -> None:
    frame = np.zeros((20, 30, 3), np.uint8)
    writer = GifWriter(tmp_path / "a.gif", [frame], [], 8)

    def fails() -> None:
        with writer:
            writer.append(frame)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert writer._file.closed
