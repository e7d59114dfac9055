"""What knock-out, Grad-CAM and a second checkpoint show goes as it came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import show_result
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_attn_unet.plugin import layers
from napari_attn_unet.plugin.inspect.effects import MASK_TOLD, TOLD, Effects
from napari_attn_unet.plugin.inspect.state import State
from napari_attn_unet.plugin.kit.dock import Dock
from napari_attn_unet.plugin.overlay.told import told_of
from napari_attn_unet.plugin.results import results
from napari_attn_unet.prediction import Prediction


class Bench:
    """A result in a viewer without a window, and what is inspected of it."""

    def __init__(self, image: np.ndarray, prediction: Prediction) -> None:
        self.widget, self.viewer = QWidget(), ViewerModel()
        self.viewer.add_image(image, name="brain", scale=(2, 1, 1), units=("mm",) * 3)
        show_result(self.viewer, prediction)
        self.dock = Dock(self.widget, self.viewer, "inspect")
        self.state = State(self.dock)
        self.choose()

    def choose(self) -> None:
        """Look at the latest result."""
        result = results(self.viewer)[-1]
        state = self.state
        state._watch(self.viewer.layers["brain"], result, result.mask, None)

    def look_away(self) -> None:
        """Look at no result, as when its layers are gone."""
        self.state.choose(self.state.image, None, None, None)

    def shown(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers if layer.visible]


@pytest.fixture
def bench(qtbot: QtBot, image: np.ndarray, tiny_prediction: Prediction) -> Iterator[Bench]:
    made = Bench(image, tiny_prediction)
    yield made
    made.dock.close()


RESULT = ["brain", "gate 1 · brain", "mask · brain"]


def effect(*names: str, image: str = "brain", visible: str | None = None) -> list[Any]:
    """Layer data of an effect."""
    about = {layers.OUTPUT: {"effect": "test", "image": image}}
    return [
        (
            np.zeros((21, 18, 17), np.float32),
            {"name": name, "visible": visible in (None, name), "metadata": about, "rgb": False},
            "image",
        )
        for name in names
    ]


def test_they_hide_the_result_and_give_it_back_when_the_dock_closes(bench: Bench) -> None:
    assert bench.shown() == RESULT
    Effects(bench.state).show(effect("Δ one", "Δ two", visible="Δ two"))
    assert bench.shown() == ["brain", "Δ two"]
    bench.dock.close()
    assert bench.shown() == RESULT
    assert not any("Δ" in layer.name for layer in bench.viewer.layers)


def test_a_truth_and_a_mask_of_one_s_own_step_back_too(bench: Bench) -> None:
    truth, own = (
        bench.viewer.add_labels(np.ones((21, 18, 17), int), name=name) for name in ("truth", "own")
    )
    bench.state._watch(bench.state.image, bench.state.result, own, truth)
    effects = Effects(bench.state)
    effects.show(effect("Δ one"))
    assert bench.shown() == ["brain", "Δ one"]
    effects.remove()
    assert bench.shown() == [*RESULT, "truth", "own"]


def test_of_the_mask_a_white_line_stays_while_it_is_hidden(bench: Bench, qtbot: QtBot) -> None:
    mask = bench.state.mask
    effects = Effects(bench.state)
    effects.show(effect("Δ one"))
    line = effects._line
    qtbot.waitUntil(lambda: line.lines.visible and bool(len(line.lines.segments)))
    opacity = mask.opacity
    mask.visible = True  # by its eye: it has its own colours
    assert not line.lines.visible
    assert mask.opacity == opacity
    mask.visible = False
    qtbot.waitUntil(lambda: line.lines.visible)
    effects.remove()
    assert not line.lines.visible
    assert mask.visible


def test_the_legend_tells_of_what_is_seen(bench: Bench) -> None:
    effects, told = Effects(bench.state), told_of(bench.viewer)
    data = effect("Δ one", "Δ two", visible="Δ one")
    for _, options, _ in data:
        options["metadata"] = options["metadata"] | {TOLD: (f"said of {options['name']}", "hues")}
    one, two = effects.show(data)
    assert [line.text for line in told.lines] == ["said of Δ one", "hues", MASK_TOLD]
    assert one.colorbar.visible
    two.visible = True
    texts = [line.text for line in told.lines]
    assert texts == ["said of Δ one", "hues", "said of Δ two", MASK_TOLD]
    one.visible = False
    assert [line.text for line in told.lines] == ["said of Δ two", "hues", MASK_TOLD]
    assert (one.colorbar.visible, two.colorbar.visible) == (False, True)
    bench.dock.close()
    assert told.lines == []


def test_a_second_run_takes_the_first_one_s_place(bench: Bench) -> None:
    effects = Effects(bench.state)
    first = effects.show(effect("Δ one", "Δ two"))
    second = effects.show(effect("Δ one"))
    assert second == first[:1]
    assert bench.shown() == ["brain", "Δ one"]
    effects.remove()
    assert bench.shown() == RESULT


def test_another_effect_in_between_leaves_nothing_hidden(bench: Bench) -> None:
    knocked, cam = Effects(bench.state), Effects(bench.state)
    knocked.show(effect("Δ one", "Δ two", visible="Δ one"))
    cam.show(effect("Grad-CAM"))
    assert bench.shown() == ["brain", "Grad-CAM"]
    knocked.show(effect("Δ one", "Δ two", visible="Δ two"))
    assert bench.shown() == ["brain", "Δ two"]
    bench.dock.close()
    assert bench.shown() == RESULT


def test_what_the_user_removes_brings_the_result_back(bench: Bench) -> None:
    Effects(bench.state).show(effect("Δ one", "Δ two"))
    bench.viewer.layers.remove("Δ one")
    assert bench.shown() == ["brain", "Δ two"]
    bench.viewer.layers.remove("Δ two")
    assert bench.shown() == RESULT


def test_a_result_of_an_image_by_another_name_is_hidden_too(bench: Bench) -> None:
    Effects(bench.state).show(effect("Δ one", image="as it is called here"))
    assert bench.shown() == ["brain", "Δ one"]


def test_they_go_when_the_result_is_left(bench: Bench) -> None:
    Effects(bench.state).show(effect("Δ one"))
    bench.look_away()
    assert bench.shown() == RESULT


def test_they_stay_when_a_truth_is_chosen(bench: Bench) -> None:
    Effects(bench.state).show(effect("Δ one"))
    state = bench.state
    again = results(bench.viewer)[-1]  # the same, listed anew
    state.choose(
        state.image, again, state.mask, bench.viewer.add_labels(np.zeros((21, 18, 17), int))
    )
    assert "Δ one" in bench.shown()


def test_they_go_when_the_image_was_segmented_again(
    bench: Bench, tiny_prediction: Prediction
) -> None:
    Effects(bench.state).show(effect("Δ one"))
    later = tiny_prediction.provenance | {"date": "2999-01-01T00:00:00+00:00"}
    show_result(bench.viewer, replace(tiny_prediction, provenance=later))
    result = results(bench.viewer)[-1]
    bench.state.choose(bench.state.image, result, result.mask, None)
    assert bench.shown() == RESULT
