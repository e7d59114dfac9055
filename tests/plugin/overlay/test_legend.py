"""The legend says what is on the canvas, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.choice import choice_of
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.legend import Legend, contrast, readable
from napari_attn_unet.plugin.overlay.picture import show_picture
from napari_attn_unet.plugin.placement import placement_of
from napari_attn_unet.plugin.results import results
from napari_attn_unet.prediction import ClassInfo, GateMap, Prediction
from napari_attn_unet.report.picture import MOST_CLASSES as MOST
from napari_attn_unet.volume import Geometry

SHAPE = (4, 6, 8)
MM = Geometry.from_spacing((2, 1, 1), unit="mm")


def prediction(classes: int = 3) -> Prediction:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1, 1:3, 1:4] = 1
    mask[2, 2:4, 2:6] = 2
    coarse = Geometry.from_spacing((4, 2, 2), unit="mm")
    gates = tuple(GateMap(np.full((2, 3, 4), 0.5, np.float32), coarse, k) for k in (1, 2))
    named = tuple(ClassInfo.numbered(i, f"class {i}") for i in range(classes))
    about = {"image": "brain", "date": "today", "checkpoint": "tiny"}
    return Prediction(mask, MM, named, gates, provenance=about)


@pytest.fixture
def show(viewer: ViewerModel) -> Callable[..., None]:
    def act(classes: int = 3, unit: str = "mm") -> None:
        image = viewer.add_image(np.zeros(SHAPE), name="brain", scale=(2, 1, 1), units=unit)
        data = layers.from_prediction(prediction(classes), placement_of(image))
        layers.show(viewer, data, keep_old=False)
        (result,) = results(viewer)
        choice_of(viewer).choose(image=image, result=result, mask=result.mask)

    return act


def told(viewer: ViewerModel) -> list[str]:
    overlays = viewer.canvas.overlays
    return [overlays[name].text for name in sorted(overlays) if name.startswith("attn-unet legend")]


def test_it_tells_each_class_with_its_colour_and_volume(
    dock: Dock, viewer: ViewerModel, show: Callable[..., None], qtbot: QtBot
) -> None:
    show()
    Legend(dock, choice_of(viewer))
    qtbot.waitUntil(lambda: told(viewer)[:2] == ["■ class 1  12 mm³", "■ class 2  16 mm³"])
    colour = viewer.canvas.overlays["attn-unet legend 0"].color
    assert np.allclose(colour[:3], ClassInfo.numbered(1, "").colour, atol=1e-3)


def test_volumes_follow_the_brush(
    dock: Dock, viewer: ViewerModel, show: Callable[..., None], qtbot: QtBot
) -> None:
    show()
    Legend(dock, choice_of(viewer))
    mask = choice_of(viewer).mask
    assert isinstance(mask, Labels)
    qtbot.waitUntil(lambda: "■ class 1  12 mm³" in told(viewer))
    mask.selected_label = 1
    mask.fill((0, 0, 0), 1)
    qtbot.waitUntil(lambda: "■ class 1  12 mm³" not in told(viewer))


def test_what_is_hidden_is_not_told(
    dock: Dock, viewer: ViewerModel, show: Callable[..., None], qtbot: QtBot
) -> None:
    show()
    Legend(dock, choice_of(viewer))
    qtbot.waitUntil(lambda: len(told(viewer)) == 3)
    viewer.layers["mask · brain"].visible = False
    qtbot.waitUntil(lambda: told(viewer) == ["gate 1 · attention α"])
    viewer.layers["gate 1 · brain"].visible = False
    qtbot.waitUntil(lambda: told(viewer) == [])
    viewer.layers["gate 2 · brain"].visible = True
    qtbot.waitUntil(lambda: told(viewer) == ["gate 2 · attention α"])


def test_the_gate_on_the_canvas_has_its_scale_there_and_no_other_has(
    dock: Dock, viewer: ViewerModel, show: Callable[..., None], qtbot: QtBot
) -> None:
    show()
    Legend(dock, choice_of(viewer))
    one, two = (viewer.layers[f"gate {k} · brain"] for k in (1, 2))
    qtbot.waitUntil(lambda: one.colorbar.visible)
    one.visible, two.visible = False, True
    qtbot.waitUntil(lambda: two.colorbar.visible)
    assert not one.colorbar.visible
    one.visible = True
    qtbot.waitUntil(lambda: not two.colorbar.visible)
    assert "2 gates over each other" in told(viewer)


def test_many_classes_are_counted_and_not_all_named(
    dock: Dock, viewer: ViewerModel, show: Callable[..., None], qtbot: QtBot
) -> None:
    show(classes=MOST + 4)
    Legend(dock, choice_of(viewer))
    qtbot.waitUntil(lambda: "and 3 more" in told(viewer))
    assert sum(line.startswith("■") for line in told(viewer)) == MOST


def test_with_its_dock_all_of_it_goes(
    dock: Dock, viewer: ViewerModel, show: Callable[..., None], qtbot: QtBot
) -> None:
    before = set(viewer.canvas.overlays)
    show()
    gate = viewer.layers["gate 1 · brain"]
    own = gate.colorbar.visible, tuple(gate.colorbar.size)
    Legend(dock, choice_of(viewer))
    qtbot.waitUntil(lambda: gate.colorbar.visible)
    dock.close()
    assert set(viewer.canvas.overlays) == before
    assert (gate.colorbar.visible, tuple(gate.colorbar.size)) == own


def test_the_picture_stays_until_the_last_dock_has_closed(
    dock: Dock, viewer: ViewerModel, show: Callable[..., None], qtbot: QtBot
) -> None:
    from qtpy.QtWidgets import QWidget

    widget = QWidget()
    qtbot.addWidget(widget)
    other = Dock(widget, viewer, "other")
    first, second = show_picture(dock), show_picture(other)
    assert first is second
    show()
    qtbot.waitUntil(lambda: first.outline is not None and first.outline.lines.visible)
    outline = first.outline
    dock.close()
    assert outline.lines.visible
    other.close()
    assert not outline.lines.visible
    assert told(viewer) == []
    assert show_picture(Dock(widget, viewer, "third")) is not first


def test_colours_are_those_that_the_layers_show(
    dock: Dock, viewer: ViewerModel, show: Callable[..., None], qtbot: QtBot
) -> None:
    show()
    Legend(dock, choice_of(viewer))
    qtbot.waitUntil(lambda: len(told(viewer)) == 3)
    mask, gate = viewer.layers["mask · brain"], viewer.layers["gate 1 · brain"]
    mask.colormap = {0: "transparent", 1: "#5599ff", 2: "#ffff00", None: "transparent"}
    gate.colormap = "cyan"

    def colours() -> list[np.ndarray]:
        return [viewer.canvas.overlays[f"attn-unet legend {i}"].color[:3] for i in range(3)]

    wanted = [(1 / 3, 0.6, 1), (1, 1, 0), (0, 1, 1)]
    qtbot.waitUntil(lambda: np.allclose(colours(), wanted, atol=0.01))


def test_of_a_series_the_volumes_are_those_of_the_time_on_screen(
    dock: Dock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    masks = np.zeros((2, *SHAPE), np.uint8)
    masks[1, 0, 0, :5] = 1
    image = viewer.add_image(np.zeros(masks.shape), name="brain", scale=(1, 2, 1, 1), units="mm")
    made = replace(prediction(), mask=masks, gates=())
    layers.show(viewer, layers.from_prediction(made, placement_of(image)), keep_old=False)
    (result,) = results(viewer)
    choice_of(viewer).choose(image=image, result=result, mask=result.mask)
    viewer.dims.ndisplay = 3  # where no outline tells of another time
    viewer.dims.set_point(0, 1)
    Legend(dock, choice_of(viewer))
    qtbot.waitUntil(lambda: "■ class 1  10 mm³" in told(viewer))
    viewer.dims.set_point(0, 0)
    qtbot.waitUntil(lambda: "■ class 1  0 mm³" in told(viewer))


def test_several_boxes_are_told_together(dock: Dock, viewer: ViewerModel, qtbot: QtBot) -> None:
    image = viewer.add_image(np.zeros(SHAPE), name="brain", scale=(2, 1, 1), units="mm")
    for box in ("box 1", "box 2"):
        about = {**prediction().provenance, "box": box}
        made = replace(prediction(), provenance=about)
        if box == "box 2":
            made.mask[0, 0, 0] = 1
        layers.show(viewer, layers.from_prediction(made, placement_of(image)), keep_old=True)
    result = results(viewer)[-1]
    choice_of(viewer).choose(image=image, result=result, mask=result.mask)
    Legend(dock, choice_of(viewer))
    qtbot.waitUntil(lambda: "■ class 1  14 + 12 mm³" in told(viewer))
    assert "box 2 + box 1" in told(viewer)


@pytest.mark.parametrize("colour", [(0.6, 0, 0), (1, 1, 0), (0, 0, 1), (0.5, 0.5, 0.5), (1, 1, 1)])
def test_every_colour_can_be_read(colour: tuple[float, float, float]) -> None:
    words, paper = readable(colour)
    assert contrast(words, paper) >= 4.5
    if contrast(colour, paper) >= 4.5:
        assert words[:3] == pytest.approx(colour)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast((0.2, 0.2, 0.2), (0.2, 0.2, 0.2)) == 1
    assert contrast((0x77 / 255,) * 3, (1, 1, 1)) == pytest.approx(4.48, abs=0.005)
