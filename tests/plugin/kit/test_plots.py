"""Curves: in their class's or their gate's colour, whole, beside their legends."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb
from pytestqt.qtbot import QtBot

from napari_attn_unet.gates.statistics import Profile
from napari_attn_unet.plugin.kit.plots import CurvePlot, ErrorPlot, ProfilePlot
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.scores.metrics import Overlap
from napari_attn_unet.scores.thresholds import ThresholdCurve

CLASSES = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two")))
NAMES = {1: "gate 1", 2: "gate 2", 3: "gate 3"}


def profile(area: float, truth: float | None = None) -> Profile:
    curve = np.full(10, 0.5)
    inside = dict.fromkeys(NAMES, curve)
    areas = np.linspace(0, area, 10)
    return Profile(0, inside, inside, areas, None if truth is None else areas * truth)


def shown(qtbot: QtBot, plot: ProfilePlot | ErrorPlot) -> None:
    qtbot.addWidget(plot)
    plot.set_theme("dark")


@pytest.mark.parametrize("areas", [(0, 400), (400, 0), (0, 0), (30, 3000)])
def test_the_area_axis_is_that_of_the_curves_shown_last(
    qtbot: QtBot, areas: tuple[float, float]
) -> None:
    plot = ProfilePlot()
    shown(qtbot, plot)
    for area in areas:
        plot.show_profile(profile(area), "z", NAMES, CLASSES)
        low, high = plot.axes[1].get_ylim()
        assert low == 0
        assert high == pytest.approx(1.05 * area or 1)


def test_a_truth_larger_than_the_mask_is_not_cut(qtbot: QtBot) -> None:
    plot = ProfilePlot()
    shown(qtbot, plot)
    plot.show_profile(profile(100, truth=3), "z", NAMES, CLASSES)
    assert plot.axes[1].get_ylim()[1] > 300


def test_gates_differ_by_dash_and_share_a_hue_that_no_class_has(qtbot: QtBot) -> None:
    plot = ProfilePlot()
    shown(qtbot, plot)
    plot.show_profile(profile(100), "z", NAMES, CLASSES, 1)
    gates = [line for line in plot.axes[0].lines if line.get_label() in NAMES.values()]
    for one, other in combinations(gates, 2):
        assert one.get_linestyle() != other.get_linestyle()
        assert one.get_color() != other.get_color()
    hues = {round(float(rgb_to_hsv(to_rgb(line.get_color()))[0]), 2) for line in gates}
    assert len(hues) == 1
    (area,) = (line for line in plot.axes[1].lines if line.get_label() == "mask")
    np.testing.assert_allclose(to_rgb(area.get_color()), CLASSES[1].colour, atol=0.01)
    known = {round(float(rgb_to_hsv(info.colour)[0]), 2) for info in CLASSES[1:]}
    assert not hues & known


def test_mask_and_truth_have_the_class_s_colour_and_the_truth_is_dashed(qtbot: QtBot) -> None:
    plot = ErrorPlot()
    shown(qtbot, plot)
    curves = {name: np.ones(5) for name in ("Dice", "mask", "truth", "wrong")}
    plot.show_slices(curves, "z", CLASSES[2].colour)
    lines = {line.get_label(): line for line in plot.axes[1].lines}
    for name, dash in (("mask", "-"), ("truth", "--")):
        np.testing.assert_allclose(to_rgb(lines[name].get_color()), CLASSES[2].colour, atol=0.01)
        assert lines[name].get_linestyle() == dash


def test_the_curves_of_a_threshold_have_their_class_s_colour(qtbot: QtBot) -> None:
    plot = CurvePlot()
    qtbot.addWidget(plot)
    overlaps = [Overlap(1, 2, 3)] * 3
    plot.show_curve(ThresholdCurve(np.linspace(0, 1, 3), overlaps), 0.5, CLASSES[1].colour)
    lines = [line for line in plot.axes[0].lines if not line.get_label().startswith("_")]
    assert len({line.get_linestyle() for line in lines}) == 3
    for line in lines:
        np.testing.assert_allclose(to_rgb(line.get_color()), CLASSES[1].colour, atol=0.01)


@pytest.mark.parametrize("width", [320, 530])
def test_legends_cover_no_curve_and_are_not_cut(qtbot: QtBot, width: int) -> None:
    plot = ProfilePlot()
    shown(qtbot, plot)
    plot.resize(width, 330)
    plot.show_profile(profile(4000, truth=1), "z", NAMES, CLASSES, 1)
    plot.draw()
    for ax in plot.axes:
        legend, box = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert legend.y0 >= box.y1
        assert legend.x0 >= 0
        assert legend.y1 <= plot.figure.bbox.y1
