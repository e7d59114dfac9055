"""Colours, contrasts and outlines that every picture shares."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from napari_attn_unet.network.card import read_card
from napari_attn_unet.network.library import bundled
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.report import picture

NAMED = [ClassInfo.numbered(i, f"class {i}") for i in range(6)]


def hue(colour: tuple[float, float, float]) -> float:
    return colorsys.rgb_to_hsv(*colour)[0]


def apart(one: float, other: float) -> float:
    return min(abs(one - other), 1 - abs(one - other))


@pytest.mark.parametrize("count", range(1, 6))
def test_no_class_of_the_palette_has_the_hue_of_the_gates(count: int) -> None:
    classes = NAMED[: count + 1]
    gate = hue(picture.gate_hue(classes))
    assert all(apart(gate, hue(info.colour)) > 0.09 for info in classes[1:])


@pytest.mark.parametrize("name", bundled())
def test_no_class_of_a_bundled_checkpoint_has_the_hue_of_the_gates(name: str) -> None:
    classes = read_card(bundled()[name]).classes
    gate = hue(picture.gate_hue(classes))
    assert all(apart(gate, hue(info.colour)) > 0.09 for info in classes[1:])


def test_a_class_in_magenta_sends_the_gates_to_another_hue() -> None:
    magenta = ClassInfo("tumour", (0.9, 0.1, 0.8))
    gate = hue(picture.gate_hue([NAMED[0], magenta]))
    assert apart(gate, hue(magenta.colour)) > 0.2


@pytest.mark.parametrize(
    ("others", "name"),
    [(["green"], "yellow"), (["yellow"], "teal"), (["teal", "yellow"], "violet")],
)
def test_where_magenta_is_taken_the_hue_is_the_one_furthest_from_every_class(
    others: list[str], name: str
) -> None:
    colours = picture.GATE_HUES | {"green": (0.1, 0.9, 0.1)}
    classes = [NAMED[0], *(ClassInfo(one, colours[one]) for one in ["magenta", *others])]
    assert picture.gate_hue_name(classes) == name


def test_a_grey_class_takes_no_hue_away() -> None:
    grey = ClassInfo("bone", (0.8, 0.78, 0.8))
    assert picture.gate_hue([NAMED[0], grey]) == picture.GATE_HUES["magenta"]


def test_gates_differ_in_lightness_and_dash_and_not_in_hue() -> None:
    lines = [picture.gate_line(level, 4, NAMED[:3]) for level in range(1, 5)]
    colours = [tuple(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)) for c, _ in lines]
    lightness = [colorsys.rgb_to_hls(*colour)[1] for colour in colours]
    assert lightness == sorted(lightness, reverse=True)
    assert min(np.diff(sorted(lightness))) > 0.05
    assert len({dash for _, dash in lines}) == 4
    assert max(apart(hue(colour), hue(colours[0])) for colour in colours) < 0.02


def test_where_a_gate_is_shut_the_image_is_as_it_was() -> None:
    plane = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shut = picture.compose(plane, np.zeros((16, 16)), picture.ramp((1.0, 0.0, 1.0)))
    assert np.array_equal(shut, np.repeat(plane[..., None], 3, axis=-1))


def test_where_a_gate_is_open_its_colour_is_solid_and_between_it_is_mixed() -> None:
    plane = np.full((1, 3), 100, np.uint8)
    over = picture.compose(plane, np.array([[1.0, 0.5, np.nan]]), picture.ramp((1.0, 0.0, 1.0)))
    assert over[0, 0].tolist() == [255, 0, 255]
    assert over[0, 1].tolist() == pytest.approx([177.5, 50, 177.5], abs=1.5)
    assert over[0, 2].tolist() == [100, 100, 100]


def test_any_colormap_is_clear_where_a_gate_is_shut_and_keeps_its_colours() -> None:
    colours = np.random.default_rng(0).uniform(size=(256, 4))
    table = picture.clear_at_zero(colours)
    np.testing.assert_allclose(table[:, :3], colours[:, :3], rtol=1e-6)
    np.testing.assert_allclose(table[:, 3], np.arange(256) / 255, atol=1e-6)


def test_a_few_bright_voxels_do_not_make_the_rest_black() -> None:
    image = np.random.default_rng(0).normal(100, 10, (40, 40, 40))
    image[0, 0, :30] = 50_000
    low, high = picture.limits(image)
    assert 60 < low < 90
    assert 110 < high < 150


def test_a_sparse_image_keeps_its_range() -> None:
    image = np.zeros((30, 30, 30))
    image[15, 15, 15] = 7
    assert picture.limits(image) == (0.0, 7.0)


@pytest.mark.parametrize("image", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.zeros((0, 3))])
def test_an_image_without_contrast_has_limits_that_can_be_shown(image: np.ndarray) -> None:
    low, high = picture.limits(image)
    assert high > low


def drawn(pieces: np.ndarray) -> set[tuple[tuple[float, float], tuple[float, float]]]:
    """Every voxel-long edge of some pieces."""
    found = set()
    for (r0, c0), (r1, c1) in pieces.tolist():
        assert r0 == r1 or c0 == c1
        steps = round(abs(r1 - r0) + abs(c1 - c0))
        for i in range(steps):
            start = (r0 + (r1 - r0) * i / steps, c0 + (c1 - c0) * i / steps)
            end = (r0 + (r1 - r0) * (i + 1) / steps, c0 + (c1 - c0) * (i + 1) / steps)
            found.add((start, end))
    return found


def test_an_outline_runs_along_the_edges_between_a_label_and_what_is_not() -> None:
    labels = np.random.default_rng(3).integers(0, 4, (23, 31))
    found = picture.outlines(labels)
    assert sorted(found) == [1, 2, 3]
    for label, pieces in found.items():
        inside = np.pad(labels == label, 1)
        wanted = set()
        for r in range(-1, labels.shape[0]):
            for c in range(-1, labels.shape[1]):
                here = inside[r + 1, c + 1]
                if r + 2 < inside.shape[0] and here != inside[r + 2, c + 1]:
                    wanted.add(((r + 0.5, c - 0.5), (r + 0.5, c + 0.5)))
                if c + 2 < inside.shape[1] and here != inside[r + 1, c + 2]:
                    wanted.add(((r - 0.5, c + 0.5), (r + 0.5, c + 0.5)))
        assert drawn(pieces) == wanted


def test_a_box_has_four_pieces() -> None:
    labels = np.zeros((9, 9), np.uint8)
    labels[2:5, 3:8] = 200
    (pieces,) = picture.outlines(labels).values()
    assert len(pieces) == 4
    assert pieces.min(axis=(0, 1)).tolist() == [1.5, 2.5]
    assert pieces.max(axis=(0, 1)).tolist() == [4.5, 7.5]


def test_an_empty_plane_has_no_outline() -> None:
    assert picture.outlines(np.zeros((4, 4), np.uint8)) == {}


def test_where_there_is_no_map_the_image_is_as_it_was_whatever_the_colour_of_0() -> None:
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    solid = np.ones((256, 4), np.float32)
    alpha = np.array([[0, np.nan, 1], [np.nan, 0.5, np.nan]])
    found = picture.compose(plane, alpha, solid)
    assert (found[np.isfinite(alpha)] == 255).all()
    np.testing.assert_array_equal(found[np.isnan(alpha)], np.repeat([[1], [3], [5]], 3, axis=1))
