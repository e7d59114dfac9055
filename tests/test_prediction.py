"""A prediction counts itself; a run's parts are joined without loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import drive

from napari_attn_unet.prediction import (
    ClassInfo,
    GateMap,
    Prediction,
    Progress,
    Steps,
    finish,
    relay,
    stack,
)
from napari_attn_unet.volume import Geometry

CLASSES = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two")))


def prediction(value: int) -> Prediction:
    geometry = Geometry.from_spacing((2, 1, 1), unit="mm")
    mask = np.zeros((2, 3, 4), np.uint8)
    mask[0, 0, :value] = 1
    gates = tuple(
        GateMap(np.full((1, 2, 2), value / 10 + level, np.float32), geometry, level)
        for level in (1, 2)
    )
    maps = np.full((3, 2, 3, 4), value, np.float32)
    return Prediction(mask, geometry, CLASSES, gates, maps)


def counting(heard: list[int | None], closed: list[bool]) -> Steps[str]:
    """A run of four steps that notes what is sent in, and that it was closed."""
    try:
        for done in (0.0, 0.25, 0.5, 1.0):
            heard.append((yield Progress("counting", done, time_point=3)))
    finally:
        closed.append(True)
    return "result"


def test_every_time_point_keeps_its_own_maps() -> None:
    points = [prediction(value) for value in (1, 2, 3)]
    series = stack(points)
    assert series.probabilities is not None
    assert [gate.level for gate in series.gates] == [1, 2]
    for t, point in enumerate(points):
        assert point.probabilities is not None
        np.testing.assert_array_equal(series.mask[t], point.mask)
        np.testing.assert_array_equal(series.probabilities[t], point.probabilities)
        for of_series, gate in zip(series.gates, point.gates, strict=True):
            np.testing.assert_array_equal(of_series.coefficients[t], gate.coefficients)
    assert stack([replace(point, probabilities=None) for point in points]).probabilities is None


def test_sizes_are_those_of_every_class_the_absent_too() -> None:
    sizes = prediction(3).class_sizes()
    assert sizes == {1: ("one", 3, pytest.approx(6)), 2: ("two", 0, 0)}
    assert prediction(3).sizes_in_words() == "one 6 mm³, two 0 mm³"
    unknown = replace(prediction(3), geometry=Geometry.from_spacing())
    assert unknown.sizes_in_words() == "one 3 voxels, two 0 voxels"


def test_the_sizes_of_a_series_are_a_range_and_no_sum() -> None:
    series = stack([prediction(3), prediction(4), prediction(2)])
    assert series.sizes_in_words() == "one 4 to 8 mm³, two 0 mm³ over 3 time points"
    unknown = replace(series, geometry=Geometry.from_spacing())
    assert unknown.sizes_in_words() == "one 2 to 4 voxels, two 0 voxels over 3 time points"
    empty = stack([prediction(0), prediction(0)]).sizes_in_words()
    assert "over 2 time points. Nothing was found" in empty


def test_a_cell_s_size_is_not_rounded_to_nothing() -> None:
    cell = replace(prediction(3), geometry=Geometry.from_spacing((0.5, 0.2, 0.2), unit="um"))
    assert cell.sizes_in_words() == "one 6e-11 mm³, two 0 mm³"
    organ = replace(prediction(3), geometry=Geometry.from_spacing((10, 10, 10), unit="mm"))
    assert organ.sizes_in_words().startswith("one 3,000 mm³")


def test_an_empty_mask_says_so_and_what_may_be_the_cause() -> None:
    told = prediction(0).sizes_in_words()
    assert told.startswith("one 0 mm³, two 0 mm³. Nothing was found")
    for cause in ("elsewhere", "contrast", "orientation", "voxel size"):
        assert cause in told


def test_no_class_but_the_background_is_black() -> None:
    colours = [ClassInfo.numbered(label, "x").colour for label in range(20)]
    assert colours[0] == (0, 0, 0)
    assert (0, 0, 0) not in colours[1:]
    assert len(set(colours[1:6])) == 5


def test_a_part_fills_its_share_of_the_whole() -> None:
    told, result = drive(relay(counting([], []), "half", (0.5, 0.9)))
    assert [p.done for p in told] == pytest.approx([0.5, 0.6, 0.7, 0.9])
    assert {p.phase for p in told} == {"half · counting"}
    assert result == "result"


def test_a_part_says_what_it_says_unless_it_is_named() -> None:
    told, _ = drive(relay(counting([], [])))
    assert {(p.phase, p.time_point) for p in told} == {("counting", 3)}
    told, _ = drive(relay(counting([], []), time_point=0))
    assert {p.time_point for p in told} == {0}


def test_a_wish_reaches_the_part_and_whoever_listens() -> None:
    reached: list[int | None] = []
    listened: list[int] = []
    steps = relay(counting(reached, []), heard=listened.append)
    next(steps)
    steps.send(7)
    next(steps)
    steps.send(0)  # the first plane is a wish, too
    assert reached == [7, None, 0]
    assert listened == [7, 0]


def test_closing_the_whole_closes_the_part() -> None:
    closed: list[bool] = []
    part = counting([], closed)  # held here: its end is not left to the garbage collector
    steps = relay(part)
    next(steps)
    steps.close()
    assert closed == [True]
    with pytest.raises(StopIteration):
        next(part)


def test_an_error_of_the_part_is_the_wholes() -> None:
    def failing() -> Steps[str]:
        yield Progress("working", 0.0)
        raise ValueError("broken")  # noqa: EM101

    with pytest.raises(ValueError, match="broken"):
        drive(relay(failing()))


def test_finish_tells_everything_and_returns_the_result() -> None:
    told: list[Progress] = []
    assert finish(counting([], []), told.append) == "result"
    assert [p.done for p in told] == [0, 0.25, 0.5, 1]
    assert finish(counting([], [])) == "result"
