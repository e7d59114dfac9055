"""A figure's panels are true to the slices, and say which side and class is which."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from drawn import CLASSES, PLACE, inspected
from matplotlib.figure import Figure

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.prediction import NOTHING_FOUND
from napari_attn_unet.report import figure
from napari_attn_unet.report.panels import Panel
from napari_attn_unet.report.slices import Slices, Style
from napari_attn_unet.volume import Geometry


def panels(picture: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in picture.axes if ax.get_title(loc="left")]


@pytest.mark.parametrize("unit", ["mm", "um", "nm", "m"])
def test_places_and_the_scale_bar_are_in_the_image_s_unit(unit: str) -> None:
    slices = Slices(inspected(unit=unit), 0, Style())
    assert slices.position(3).endswith(unit)
    panel = Panel(Figure().subplots(), slices)
    panel.scale_bar()
    assert panel.ax.texts[0].get_text() == f"5 {unit}"
    left, right = panel.ax.lines[0].get_xdata()
    assert (right - left) * 30 == pytest.approx(5)


def test_a_grid_without_a_unit_has_no_scale_bar() -> None:
    panel = Panel(Figure().subplots(), Slices(inspected(unit="pixel"), 0, Style()))
    panel.scale_bar()
    assert not panel.ax.texts


def test_every_gate_has_a_panel_with_mask_and_truth_in_the_classes_colours() -> None:
    picture = figure.draw(inspected(), 0, [2, 4], Style(classes=CLASSES), "brain")
    alpha = " · inside 0.25 · outside 0.25"  # of the slice that the mask is on
    named = ["gate 1", "gate 2"]
    assert panels(picture) == ["image", *named, *(name + alpha for name in named)]
    bare, gated = picture.axes[3], picture.axes[4]  # of the second slice
    assert not any(len(lines.get_segments()) for lines in bare.collections)
    mask, dark, truth = gated.collections
    for lines in (mask, truth):
        np.testing.assert_allclose(lines.get_color()[0][:3], CLASSES[1].colour)
    assert mask.get_linestyle()[0][1] is None
    assert truth.get_linestyle()[0][1] is not None  # dashes
    assert len(dark.get_segments()) == len(truth.get_segments()) == 1
    (outline,) = mask.get_segments()
    assert outline.min(axis=0).tolist() == [9.5, 9.5]  # column, row: the voxels' own edges
    assert outline.max(axis=0).tolist() == [19.5, 14.5]
    told = [text.get_text() for text in picture.legends[0].get_texts()]
    assert told == ["one  300 mm³", "two  0 mm³", "truth"]


def test_above_each_panel_stands_what_the_curves_say_of_that_slice() -> None:
    about = inspected()
    for gate in about.gates.values():
        values = np.random.default_rng(gate.level).uniform(size=gate.coefficients.shape)
        gate.coefficients[...] = values.astype(np.float32)
    picture = figure.draw(about, 0, [4], Style(classes=CLASSES))
    for level, ax in zip((1, 2), picture.axes[1:3], strict=True):
        curves = about.profile(0)
        inside, outside = curves.inside[level][4], curves.outside[level][4]
        told = ax.get_title(loc="left")
        assert told == f"gate {level} · inside {inside:.2f} · outside {outside:.2f}"


def test_what_a_network_did_not_find_and_where_the_truth_lay_stands_below() -> None:
    about = inspected()
    drawn = figure.draw(about, 0, [4], Style(), "a$_$b", notes=["The truth lies elsewhere."])
    assert [text.get_text() for text in drawn.texts] == ["a$_$b", "The truth lies elsewhere."]
    about.mask[:] = 0
    drawn = figure.draw(about, 0, [4], Style())
    (below,) = drawn.texts
    assert below.get_text().replace("\n", " ") == f"{NOTHING_FOUND}."
    assert panels(drawn) == ["image", "gate 1", "gate 2"]
    about.gates = {}  # another's mask: no network says so
    assert not figure.draw(about, 0, [4], Style()).texts


def test_without_gates_the_mask_is_outlined_on_the_image() -> None:
    assert panels(figure.draw(inspected(0), 0, [4])) == ["image", "mask"]


def test_panels_have_true_proportions_and_one_height() -> None:
    picture = figure.draw(inspected(), 0, [4], Style(classes=CLASSES))
    picture.canvas.draw()
    boxes = [ax.get_window_extent() for ax in picture.axes[:3]]
    for box in boxes:
        assert box.height / box.width == pytest.approx(40 / 30, rel=0.01)
        assert (box.y0, box.height) == pytest.approx((boxes[0].y0, boxes[0].height))


@pytest.mark.parametrize("gates", [1, 3, 5, 6, 9])
@pytest.mark.parametrize("shape", [(6, 20, 30), (6, 8, 60), (6, 60, 8)])
def test_many_gates_take_two_rows_and_nothing_is_cut_or_covered(
    gates: int, shape: tuple[int, int, int]
) -> None:
    about, words = inspected(gates, shape=shape), "a long name of an image and a checkpoint"
    style = Style(patient=PLACE)
    picture = figure.draw(about, 0, [2, 4], style, words, notes=[NOTHING_FOUND])
    picture.canvas.draw()
    whole = picture.bbox
    boxes = [ax.get_window_extent() for ax in picture.axes[: 2 * (gates + 1)]]
    assert len({round(box.y0) for box in boxes}) == (2 if gates < 6 else 4)
    title, note = (text.get_window_extent() for text in picture.texts)
    shown = [ax.get_tightbbox() for ax in picture.axes] + [title, note]
    legend = picture.legends[0].get_window_extent()
    for box in (*shown, legend):
        assert box.x0 >= whole.x0
        assert box.y0 >= whole.y0
        assert box.x1 <= whole.x1
        assert box.y1 <= whole.y1
    assert all(box.y0 >= legend.y1 for box in boxes)
    assert legend.y0 >= note.y1
    said = [ax._left_title.get_window_extent() for ax in picture.axes if ax._left_title.get_text()]
    boxes += [*said, title]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_the_letters_stand_on_their_sides_in_the_saved_picture(tmp_path: Path) -> None:
    picture = figure.draw(inspected(), 0, [4], Style(patient=PLACE))
    ax = picture.axes[0]
    placed = {text.get_text(): text.get_position() for text in ax.texts}
    assert placed["R"][0] < 0.5 < placed["L"][0]  # radiological
    assert placed["P"][1] < 0.5 < placed["A"][1]
    other = figure.draw(inspected(), 0, [4], Style(patient=PLACE, convention="neurological"))
    placed = {text.get_text(): text.get_position() for text in other.axes[0].texts}
    assert placed["L"][0] < 0.5 < placed["R"][0]


@pytest.mark.parametrize(("orientation", "on"), [("radiological", 2), ("neurological", 0)])
def test_a_marked_voxel_on_the_left_is_where_the_saved_picture_says(
    tmp_path: Path, orientation: str, on: int
) -> None:
    image = np.zeros((3, 9, 9), np.float32)
    image[1, 4, 1] = 1  # x grows towards the patient's right
    about = Inspection(image, Geometry.from_spacing((1, 1, 1), unit="mm"), [])
    style = Style(limits=(0, 1), convention=orientation, patient=PLACE)
    drawn = figure.draw(about, 0, [1], style)
    figure.save(drawn, tmp_path / "f.png", dpi=100)
    pixels = matplotlib.image.imread(tmp_path / "f.png")[..., :3].min(axis=-1)
    place = drawn.axes[0].get_position()
    height, width = pixels.shape
    rows = slice(round((1 - place.y1) * height), round((1 - place.y0) * height))
    panel = pixels[rows, round(place.x0 * width) : round(place.x1 * width)]
    middle = panel[int(0.46 * len(panel)) : int(0.54 * len(panel))]  # the row of the voxel
    ends = int(0.1 * middle.shape[1])  # there the letters are
    thirds = [part.mean() for part in np.array_split(middle[:, ends:-ends], 3, axis=1)]
    assert int(np.argmax(thirds)) == on


def test_slices_are_spread_over_those_of_the_mask() -> None:
    assert figure.spread_slices(inspected(), 0, 3) == [4]
    about = inspected(shape=(20, 20, 30))
    about.mask[2:18, 5, 5] = 1
    assert figure.spread_slices(about, 0, 4) == [5, 8, 11, 14]
