"""The Segment widget, its controls driven as a user drives them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_attn_unet import inference, job
from napari_attn_unet.plugin.segment import WHOLE, SegmentWidget

WAIT = 60_000


def click(qtbot: QtBot, button: Any) -> None:
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)


def run(qtbot: QtBot, widget: SegmentWidget) -> None:
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)


def names(widget: SegmentWidget) -> list[str]:
    return [layer.name for layer in widget._viewer.layers]


def test_building_the_widget_imports_no_torch() -> None:
    code = "import sys, napari_attn_unet.plugin.segment, napari_attn_unet.plugin.contributions; "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_segment_shows_mask_and_gates(qtbot: QtBot, widget: SegmentWidget) -> None:
    run(qtbot, widget)
    assert names(widget) == [
        "brain",
        "brain · gate 2 (coarsest)",
        "brain · gate 1 (finest)",
        "brain · mask",
    ]
    assert [layer.visible for layer in widget._viewer.layers] == [True, False, True, True]
    mask = widget._viewer.layers["brain · mask"]
    assert "mm³" in widget.result.text()
    assert list(mask.features["class"]) == ["background", "one", "two"]
    assert mask.metadata["napari-attn-unet"]["checkpoint_sha256"]
    assert widget.run.text == "Segment"
    assert widget.run.enabled


def test_a_rerun_updates_its_layers_and_keep_adds(qtbot: QtBot, widget: SegmentWidget) -> None:
    run(qtbot, widget)
    widget._viewer.layers["brain · mask"].data = np.zeros((21, 18, 17), np.uint8)
    before = list(widget._viewer.layers)
    run(qtbot, widget)
    assert list(widget._viewer.layers) == before
    assert widget._viewer.layers["brain · mask"].data.any()
    widget.keep_old.value = True
    run(qtbot, widget)
    assert len(widget._viewer.layers) == len(before) + 3


def test_only_the_outputs_asked_for_are_shown(qtbot: QtBot, widget: SegmentWidget) -> None:
    widget.gates.value = False
    widget.probabilities.value = True
    run(qtbot, widget)
    assert names(widget) == [
        "brain",
        "brain · probability of one",
        "brain · probability of two",
        "brain · mask",
    ]


def test_linked_gates_follow_one_opacity(qtbot: QtBot, widget: SegmentWidget) -> None:
    run(qtbot, widget)
    widget.link.value = True
    gates = [x for x in widget._viewer.layers if "gate" in x.metadata]
    gates[0].opacity = 0.2
    assert gates[1].opacity == pytest.approx(0.2)
    widget.link.value = False
    gates[0].opacity = 0.9
    assert gates[1].opacity == pytest.approx(0.2)


def test_an_error_of_any_type_is_shown(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (RuntimeError("out of paper"), KeyError("lost"), MemoryError("full")):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(job, "prepare", fails)
        run(qtbot, widget)
        assert str(error.args[0]) in widget.result.text()
        assert widget.run.text == "Segment"


def test_bad_voxels_are_explained(qtbot: QtBot, widget: SegmentWidget) -> None:
    widget._viewer.layers["brain"].data = np.full((9, 9, 9), np.nan, np.float32)
    run(qtbot, widget)
    assert "NaN" in widget.result.text()


def test_no_image_is_said_in_words(qtbot: QtBot, widget: SegmentWidget) -> None:
    widget._viewer.layers.clear()
    assert "Open a 3D image" in widget.note.text()
    click(qtbot, widget.run)
    assert "no image" in widget.result.text()


def test_a_lost_checkpoint_is_said_in_words(
    qtbot: QtBot, widget: SegmentWidget, tiny_checkpoint_path: Path
) -> None:
    tiny_checkpoint_path.unlink()
    run(qtbot, widget)
    assert "no checkpoint" in widget.result.text()


def slowly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make every step wait for the window, endlessly; return a list that tells it was closed."""
    closed: list[str] = []

    def endless(*_: object, **__: object) -> Any:
        from napari_attn_unet.streaming import Event

        try:
            while True:
                yield Event(0.5)
        finally:
            closed.append("closed")

    monkeypatch.setattr(inference, "evaluate", endless)
    return closed


def test_cancel_closes_the_run(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = slowly(monkeypatch)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: widget.bar.value() == 500, timeout=WAIT)
    assert widget.run.text == "Cancel"
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: not widget.running and closed == ["closed"], timeout=WAIT)
    assert names(widget) == ["brain"]
    assert widget.result.text() == "Cancelled."


def test_removing_the_image_stops_the_run(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = slowly(monkeypatch)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: widget.bar.value() == 500, timeout=WAIT)
    widget._viewer.layers.remove("brain")
    qtbot.waitUntil(lambda: not widget.running and closed == ["closed"], timeout=WAIT)
    assert "removed" in widget.result.text()


def test_choices_survive_a_restart(widget: SegmentWidget, tiny_checkpoint_path: Path) -> None:
    widget.probabilities.value = True
    widget.memory_gb.value = 1.5
    again = SegmentWidget(widget._viewer)
    assert again.probabilities.value is True
    assert again.memory_gb.value == pytest.approx(1.5)
    assert again.checkpoint.value == str(tiny_checkpoint_path)


def test_a_box_is_a_volume_of_its_own_laid_where_it_lies(
    qtbot: QtBot, widget: SegmentWidget
) -> None:
    corners = [[10, 2, 3], [10, 2, 11], [10, 9, 11], [10, 9, 3]]
    shapes = widget._viewer.add_shapes(
        [np.array(corners)], shape_type="rectangle", scale=(2, 1, 1), units=("mm",) * 3
    )
    assert widget.region.value == WHOLE
    widget.region.value = shapes
    run(qtbot, widget)
    mask = widget._viewer.layers["brain · mask"]
    assert mask.data.shape[1:] == (8, 9)
    np.testing.assert_allclose(mask.translate[1:], (2, 3))


def test_a_much_larger_image_is_advised_a_box(qtbot: QtBot, widget: SegmentWidget) -> None:
    assert widget.note.text() == ""
    widget._viewer.layers["brain"].scale = (20, 10, 10)
    widget._advise()
    assert "draw a box" in widget.note.text()
    click(qtbot, widget.add_box)
    assert widget.region.value.name == "brain · box"


def test_every_control_has_a_tooltip(widget: SegmentWidget) -> None:
    controls = [*widget, *widget._advanced]
    assert len(controls) > 10
    assert [c.label for c in controls if not c.tooltip] == []


def test_the_widget_gives_the_scripts_result(
    qtbot: QtBot, widget: SegmentWidget, tiny_checkpoint_path: Path, image: np.ndarray
) -> None:
    run(qtbot, widget)
    volume = inference.Volume(image[np.newaxis])
    expected = inference.Predictor(tiny_checkpoint_path).predict(volume)
    np.testing.assert_array_equal(widget._viewer.layers["brain · mask"].data, expected.mask)


def test_closing_the_viewer_ends_the_run(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = slowly(monkeypatch)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: widget.bar.value() == 500, timeout=WAIT)
    widget._viewer.close()
    qtbot.waitUntil(lambda: closed == ["closed"], timeout=WAIT)


def test_an_image_changed_during_the_run_is_said(qtbot: QtBot, widget: SegmentWidget) -> None:
    click(qtbot, widget.run)
    layer = widget._viewer.layers["brain"]
    layer.data = layer.data + 1
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)
    assert "changed during the run" in widget.result.text()
    run(qtbot, widget)
    assert "changed" not in widget.result.text()
