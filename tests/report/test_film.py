"""A film is drawn and written frame by frame."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from drawn import CLASSES, PLACE, inspected
from PIL import Image

from napari_attn_unet.prediction import NOTHING_FOUND
from napari_attn_unet.report.film import Scene, film
from napari_attn_unet.report.slices import Slices, Style


def frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as opened:
        found = []
        for i in range(opened.n_frames):
            opened.seek(i)
            found.append(np.asarray(opened.convert("RGB")))
    return found


def test_a_film_has_a_frame_for_every_slice_and_loops(tmp_path: Path) -> None:
    about = inspected()
    shares = list(film(about, 0, tmp_path / "f.gif", Style(classes=CLASSES)))
    assert len(shares) == 7
    assert shares[-1] == 1
    assert shares == sorted(shares)
    with Image.open(tmp_path / "f.gif") as opened:
        assert opened.n_frames == 6
        assert opened.info["loop"] == 0
        assert opened.info["duration"] == 120
    scene = Scene(Slices(about, 0, Style(classes=CLASSES)), 1)
    for index, shown in enumerate(frames(tmp_path / "f.gif")):
        apart = np.abs(shown.astype(int) - scene.frame(index)).max(axis=-1)
        assert np.percentile(apart, 95) < 24  # of 255: its colours are fewer


def test_nothing_of_the_slice_before_stays(tmp_path: Path) -> None:
    scene = Scene(Slices(inspected(), 0, Style(classes=CLASSES)), 1)
    first = scene.frame(4)
    scene.frame(1)
    np.testing.assert_array_equal(scene.frame(4), first)


def test_a_film_of_more_slices_takes_no_more_memory(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        about = inspected(1, shape=(count, 20, 30))
        list(film(about, 0, tmp_path / "warm.gif")) if count == 6 else None
        gc.collect()
        tracemalloc.start()
        list(film(about, 0, tmp_path / "f.gif"))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few, many = peak(6), peak(36)
    with Image.open(tmp_path / "f.gif") as opened:
        assert opened.n_frames == 36
        frame = 3 * opened.width * opened.height
    assert many - few < 6 * frame  # of 30 more


@pytest.mark.parametrize("after", [1, 3])
def test_a_film_that_is_cancelled_leaves_what_was_there(tmp_path: Path, after: int) -> None:
    path = tmp_path / "f.gif"
    path.write_bytes(b"before")
    steps = film(inspected(), 0, path)
    for _ in range(after):
        next(steps)
    steps.close()
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["f.gif"]


def test_a_film_says_what_it_is_of_and_what_is_on_each_slice() -> None:
    about, notes = inspected(), ["The truth lies elsewhere."]
    scene = Scene(Slices(about, 0, Style(classes=CLASSES)), 2, "brain · phantom", notes)
    said = [text.get_text() for text in scene._figure.texts]
    assert said[-2:] == ["brain · phantom", *notes]
    large, small, _ = (text for text, *_ in scene._alpha)
    scene.frame(4)
    assert large.get_text().replace("\n", " · ") == "gate 2 · inside 0.25 · outside 0.25"
    assert small.get_text().replace("\n", " · ") == "inside 0.25 · outside 0.25"
    scene.frame(1)  # where the mask is not
    assert (large.get_text(), small.get_text()) == ("gate 2", "")
    about.mask[:] = 0
    scene = Scene(Slices(about, 0, Style()), 2)
    assert NOTHING_FOUND in scene._figure.texts[-1].get_text().replace("\n", " ")


@pytest.mark.parametrize("shape", [(6, 20, 30), (6, 8, 60), (6, 60, 8)])
def test_nothing_on_a_film_is_cut_or_covered(shape: tuple[int, int, int]) -> None:
    words = "a long name of an image, which was given by somebody at some time · a checkpoint"
    about = inspected(shape=shape)
    scene = Scene(Slices(about, 0, Style(patient=PLACE)), 2, words, [NOTHING_FOUND])
    scene.frame(4)
    whole = scene._figure.bbox
    *_, title, note = (text.get_window_extent() for text in scene._figure.texts)
    panels = [panel.ax.get_window_extent() for panel in scene._panels]
    legend = scene._figure.legends[0].get_window_extent()
    for box in (title, note, legend, *panels):
        assert box.x0 >= whole.x0
        assert box.y0 >= whole.y0
        assert box.x1 <= whole.x1
        assert box.y1 <= whole.y1
    assert all(legend.y1 <= box.y0 and box.y1 <= title.y0 for box in panels)
    assert note.y1 <= legend.y0
    for text, *_ in scene._alpha:
        box, ax = text.get_window_extent(), text.axes.get_window_extent()
        assert box.x1 <= ax.x1 or shape[2] < 10  # the name alone is wider than some


def test_the_mark_moves_and_the_words_follow(tmp_path: Path) -> None:
    scene = Scene(Slices(inspected(), 0, Style(patient=PLACE)), 2)
    scene.frame(0)
    assert scene._mark.get_xdata()[0] == 0
    assert scene._told.get_text() == "z 0 · 0 mm"
    scene.frame(5)
    assert scene._mark.get_xdata()[0] == 5
    assert scene._told.get_text() == "z 5 · 15 mm"
