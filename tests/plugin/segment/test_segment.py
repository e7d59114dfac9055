"""The Segment widget, its controls driven as a user drives them."""
# Over 350 lines: one widget, driven as a whole, control by control.

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_attn_unet.engine import devices, predictor
from napari_attn_unet.engine import session as engine
from napari_attn_unet.plugin import boxes
from napari_attn_unet.plugin.kit import queue
from napari_attn_unet.plugin.kit.settings import Settings
from napari_attn_unet.plugin.layers import OUTPUT
from napari_attn_unet.plugin.results import results
from napari_attn_unet.plugin.segment.preview import PENDING, Preview
from napari_attn_unet.plugin.segment.widget import SegmentWidget
from napari_attn_unet.plugin.segment.wish import SLICES, WHOLE


def click(qtbot: QtBot, button: Any) -> None:
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)


def run(qtbot: QtBot, widget: SegmentWidget) -> None:
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: not widget.running)


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
        "gate 2 · brain",
        "gate 1 · brain",
        "mask · brain",
    ]
    assert [layer.visible for layer in widget._viewer.layers] == [True, False, True, True]
    mask = widget._viewer.layers["mask · brain"]
    assert widget.result.text().startswith("brain · tiny · whole image: ")
    assert "mm³" in widget.result.text()
    assert list(mask.features["class"]) == ["background", "one", "two"]
    assert mask.metadata["napari-attn-unet"]["checkpoint_sha256"]
    assert widget.run.text == "Segment"
    assert widget.run.enabled


def results_of(widget: SegmentWidget) -> list[Layer]:
    """The layers, without those that help to see them."""
    return [la for la in widget._viewer.layers if not la.metadata.get(OUTPUT, {}).get("effect")]


def test_a_rerun_updates_its_layers_and_keep_adds(qtbot: QtBot, widget: SegmentWidget) -> None:
    run(qtbot, widget)
    before = results_of(widget)
    arrays = [layer.data for layer in before]
    run(qtbot, widget)
    assert results_of(widget) == before
    assert all(la.data is not was for la, was in zip(before[1:], arrays[1:], strict=True))
    widget.keep_old.value = True
    run(qtbot, widget)
    assert len(widget._viewer.layers) == len(before) + 3


@pytest.mark.parametrize("how", ["brush", "array", "other"])
def test_a_mask_changed_by_hand_is_kept(qtbot: QtBot, widget: SegmentWidget, how: str) -> None:
    run(qtbot, widget)
    mask = widget._viewer.layers["mask · brain"]
    if how == "brush":
        mask.brush_size = 5
        mask.paint((10, 9, 8), 1 + int(mask.data[10, 9, 8] == 1))
    elif how == "array":
        mask.data[3] = 1 + (mask.data[3] == 1)
        mask.refresh()
    else:
        mask.data = np.zeros_like(mask.data)
    mine = mask.data.copy()
    run(qtbot, widget)
    np.testing.assert_array_equal(mask.data, mine)
    new = widget._viewer.layers["mask · brain [1]"]
    assert (new.data != mine).any()
    assert new.visible
    assert not mask.visible
    assert "'mask · brain' was changed by hand and is kept" in widget.result.text()


def test_only_the_outputs_asked_for_are_shown(qtbot: QtBot, widget: SegmentWidget) -> None:
    widget.gates.value = False
    widget.probabilities.value = True
    run(qtbot, widget)
    assert names(widget) == [
        "brain",
        "probability of one · brain",
        "probability of two · brain",
        "mask · brain",
    ]


def test_linked_gates_follow_one_opacity(qtbot: QtBot, widget: SegmentWidget) -> None:
    run(qtbot, widget)
    widget.link.value = True
    gates = [x for x in widget._viewer.layers if "gate" in x.metadata]
    gates[0].opacity = 0.2
    assert gates[1].opacity == pytest.approx(0.2)
    # One is shown at a time: the strip's click hides the others, and not the one that it shows.
    for layer in gates:
        layer.visible = layer is gates[1]
    assert [layer.visible for layer in gates] == [False, True]
    widget.link.value = False
    gates[0].opacity = 0.9
    assert gates[1].opacity == pytest.approx(0.2)


def test_an_error_of_any_type_is_shown(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (RuntimeError("out of paper"), KeyError("lost"), MemoryError("full")):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(engine, "prepare", fails)
            run(qtbot, widget)
        assert str(error.args[0]) in widget.result.text()
        assert widget.run.text == "Segment"


def test_bad_voxels_are_explained(qtbot: QtBot, widget: SegmentWidget) -> None:
    widget._viewer.layers["brain"].data = np.full((9, 9, 9), np.nan, np.float32)
    run(qtbot, widget)
    assert "NaN" in widget.result.text()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x08" + bytes(7) + b"{}      "])
def test_a_file_that_is_no_checkpoint_is_said_and_not_offered(
    widget: SegmentWidget, tmp_path: Path, content: bytes
) -> None:
    chosen, offered = widget.checkpoint.value, widget.checkpoint.choices
    file = tmp_path / "notes.safetensors"
    file.write_bytes(content)
    widget.use_checkpoint(file)
    assert "notes.safetensors" in widget.result.text()
    assert (widget.checkpoint.value, widget.checkpoint.choices) == (chosen, offered)
    assert not any(name == file.name for name, _ in Settings("segment").checkpoints())


def test_a_checkpoint_that_was_spoilt_is_said_once_and_not_offered_again(
    widget: SegmentWidget, tiny_checkpoint_path: Path
) -> None:
    file = tiny_checkpoint_path.with_name("other.safetensors")
    file.write_bytes(tiny_checkpoint_path.read_bytes())
    widget.use_checkpoint(file)
    widget.checkpoint.value = str(tiny_checkpoint_path)
    file.write_bytes(b"cut")
    widget.checkpoint.value = str(file)
    assert "other.safetensors" in widget.result.text()
    assert str(file) not in widget.checkpoint.choices
    assert widget.checkpoint.value != str(file)


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
        from napari_attn_unet.engine.streaming import Event

        try:
            while True:
                yield Event(0.5)
        finally:
            closed.append("closed")

    monkeypatch.setattr(engine, "evaluate", endless)
    return closed


def test_cancel_closes_the_run(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = slowly(monkeypatch)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: widget.bar.value() == 500)
    assert widget.run.text == "Cancel"
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: not widget.running and closed == ["closed"])
    assert names(widget) == ["brain"]
    assert widget.result.text() == "Cancelled."


def test_removing_the_image_stops_the_run(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = slowly(monkeypatch)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: widget.bar.value() == 500)
    widget._viewer.layers.remove("brain")
    qtbot.waitUntil(lambda: not widget.running and closed == ["closed"])
    assert "removed" in widget.result.text()


def test_choices_survive_a_restart(widget: SegmentWidget, tiny_checkpoint_path: Path) -> None:
    widget.probabilities.value = True
    widget.memory_gb.value = 1.5
    again = SegmentWidget(widget._viewer)
    assert again.probabilities.value is True
    assert again.memory_gb.value == pytest.approx(1.5)
    assert again.checkpoint.value == str(tiny_checkpoint_path)
    again._dock.close()  # it was never docked


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
    mask = widget._viewer.layers["mask · brain · Shapes 1"]
    assert mask.data.shape[1:] == (8, 9)
    np.testing.assert_allclose(mask.translate[1:], (2, 3))


def test_a_much_larger_image_is_advised_a_box(qtbot: QtBot, widget: SegmentWidget) -> None:
    assert widget.note.text() == ""
    widget._viewer.layers["brain"].scale = (20, 10, 10)
    widget._advise()
    assert "add a box" in widget.note.text()
    click(qtbot, widget.add_box)
    qtbot.waitUntil(lambda: widget.region.value != WHOLE)
    assert widget.region.value.name == "boxes · brain"


def test_the_bundled_sample_is_no_reason_to_warn(qtbot: QtBot, widget: SegmentWidget) -> None:
    (image,) = widget._viewer.open_sample("napari-attn-unet", "mni152")
    widget.image.value = image
    widget.checkpoint.value = dict(widget._checkpoint_choices())["hippocampus"]
    assert "left and right" in widget.note.text()
    for warning in ("larger", "may", "wrong"):
        assert warning not in widget.note.text()


def test_boxes_are_added_around_the_parts_of_the_mask_the_largest_first(
    qtbot: QtBot, widget: SegmentWidget
) -> None:
    parts = np.zeros((21, 18, 17), np.uint8)
    parts[2:6, 3:5, 3:5] = 1
    parts[14:19, 12:15, 10:14] = 1
    widget._viewer.add_labels(parts, name="mine", scale=(2, 1, 1), units=("mm",) * 3)
    qtbot.waitUntil(lambda: widget._choice.mask is not None)
    card = widget._card
    assert card is not None
    widget._card = replace(card, field_of_view_mm=(10.0, 4.0, 4.0))
    for count in (1, 2, 3):
        click(qtbot, widget.add_box)
        qtbot.waitUntil(lambda count=count: n_boxes(widget) == count)
    image, layer = widget.image.value, widget.region.value
    assert boxes.voxels(layer, image) == [
        ((14, 12, 10), (19, 16, 14)),  # 5 × 4 × 4 voxels, the part's own size where it is larger
        ((2, 2, 2), (7, 6, 6)),
        ((8, 7, 6), (13, 11, 10)),  # no part is left: the middle of the view
    ]


def n_boxes(widget: SegmentWidget) -> int:
    return 0 if widget.region.value in (WHOLE, SLICES) else len(widget.region.value.data)


def test_several_boxes_are_run_in_order_and_laid_out_together(
    qtbot: QtBot, widget: SegmentWidget
) -> None:
    image, viewer = widget.image.value, widget._viewer
    first = boxes.in_view(viewer, image, np.array([8.0, 8, 8]))
    layer = boxes.add(viewer, image, first - 4)
    boxes.add(viewer, image, first + 4, layer)
    widget.region.value = layer
    phases, runs = [], []
    on_progress = widget._on_progress
    widget._task._yielded = lambda step: (phases.append(step.phase), on_progress(step))
    widget.segmented.connect(runs.append)
    run(qtbot, widget)
    said = [phase.split(" · ")[0] for phase in phases]
    assert list(dict.fromkeys(p for p in said if p.startswith("box"))) == [
        "box 1 of 2",
        "box 2 of 2",
    ]
    assert [p.provenance["box"] for p in runs] == ["box 1", "box 2"]
    for number, ends in ((1, (2, 10)), (2, (10, 18))):
        for what in ("mask", "gate 1", "gate 2"):
            assert viewer.layers[f"{what} · brain · box {number}"].visible == (what != "gate 2")
        mask = viewer.layers[f"mask · brain · box {number}"]
        assert mask.data.shape == (8, 8, 8)
        assert mask.translate[0] == 2 * ends[0]
        assert mask in widget.picture._outlines
    found = results(viewer)
    assert [r.name for r in found] == ["brain · box 1 · tiny", "brain · box 2 · tiny"]
    assert [len(r.layers) for r in found] == [3, 3]
    assert "box 1: " in widget.result.text()
    assert "box 2: " in widget.result.text()
    before = [la.name for la in viewer.layers]
    run(qtbot, widget)  # updates them
    assert [la.name for la in viewer.layers] == before


@pytest.mark.parametrize("shape", [(1, 18, 17), (21, 1, 17), (21, 18, 1)])
def test_a_volume_of_one_slice_is_shown_along_every_axis_and_in_3d(
    qtbot: QtBot, widget: SegmentWidget, shape: tuple[int, int, int]
) -> None:
    viewer = widget._viewer
    rng = np.random.default_rng(0)
    viewer.layers["brain"].data = rng.normal(size=shape).astype(np.float32)
    run(qtbot, widget)
    for layer in viewer.layers:
        layer.visible = True
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        viewer.dims.order = order
        viewer.reset_view()
        assert viewer.screenshot(flash=False).any()
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    assert viewer.screenshot(flash=False).any()


def test_a_choice_that_leaves_something_out_is_said(qtbot: QtBot, widget: SegmentWidget) -> None:
    run(qtbot, widget)
    assert "gate maps" not in widget.result.text()
    widget.gates.value = False
    run(qtbot, widget)
    assert "'gate maps' is not ticked" in widget.result.text()
    widget.threshold_class.value = "one"
    widget.threshold.value = 0.3
    run(qtbot, widget)
    assert "'one' is where its probability is at least 0.3" in widget.result.text()


def test_every_control_has_a_tooltip(widget: SegmentWidget) -> None:
    controls = [*widget, *widget.advanced]
    assert len(controls) > 10
    assert [c.label for c in controls if not c.tooltip] == []


def test_the_widget_gives_the_scripts_result(
    qtbot: QtBot, widget: SegmentWidget, tiny_checkpoint_path: Path, image: np.ndarray
) -> None:
    run(qtbot, widget)
    volume = predictor.Volume(image[np.newaxis])
    expected = predictor.Predictor(tiny_checkpoint_path).predict(volume)
    np.testing.assert_array_equal(widget._viewer.layers["mask · brain"].data, expected.mask)


def test_closing_the_viewer_ends_the_run(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = slowly(monkeypatch)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: widget.bar.value() == 500)
    widget._viewer.close()
    qtbot.waitUntil(lambda: closed == ["closed"])


def test_an_image_changed_during_the_run_is_said(qtbot: QtBot, widget: SegmentWidget) -> None:
    click(qtbot, widget.run)
    layer = widget._viewer.layers["brain"]
    layer.data = layer.data + 1
    qtbot.waitUntil(lambda: not widget.running)
    assert "changed during the run" in widget.result.text()
    run(qtbot, widget)
    assert "changed" not in widget.result.text()


def test_the_mask_fills_from_the_slice_on_screen(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = widget._viewer
    viewer.layers["brain"].data = np.random.default_rng(1).normal(size=(96, 24, 24))
    in_thin_slabs(monkeypatch)
    viewer.dims.set_point(0, 2 * 70)
    seen: list[tuple[list[str], set[int]]] = []
    shown = Preview.show

    def looked_at(self: Preview, progress: Any) -> None:
        shown(self, progress)
        done: set[int] = set()
        if self._mask is not None:
            planes = (self._mask.data != PENDING).any(axis=(1, 2))
            done = set(np.flatnonzero(planes).tolist())
        seen.append(([x.name for x in viewer.layers], done))

    monkeypatch.setattr(Preview, "show", looked_at)
    run(qtbot, widget)
    names_at_gate = next(names for names, done in seen if len(names) > 1)
    assert names_at_gate == ["brain", "gate 2 · brain · so far"]
    first = next(done for _, done in seen if done)
    assert 70 in first
    assert len(first) <= 8
    assert len(seen[-1][1]) == 96
    assert not any("so far" in name for name in names(widget))
    assert PENDING not in viewer.layers["mask · brain"].data


def in_thin_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine, "plan_run", lambda *_, **__: (engine.Plan(0, 1, 4, 1_000_000), False)
    )


def test_a_run_that_waited_begins_at_the_slice_on_screen(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = widget._viewer
    viewer.layers["brain"].data = np.random.default_rng(1).normal(size=(64, 24, 24))
    in_thin_slabs(monkeypatch)
    viewer.dims.set_point(0, 0)
    evaluate = engine.evaluate
    begun: list[int] = []

    def noted(*arguments: Any, **options: Any) -> Any:
        begun.append(options["look_at"])
        return evaluate(*arguments, **options)

    monkeypatch.setattr(engine, "evaluate", noted)
    told: list[Any] = []
    progressed = widget._task._yielded
    widget._task._yielded = lambda progress: (told.append(progress), progressed(progress))
    before = object()
    queue._line.append(before)
    try:
        qtbot.mouseClick(widget.run.native, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: widget.bar.format() == queue.WAITING)
        viewer.dims.set_point(0, 2 * 30)
        viewer.dims.set_point(0, 2 * 50)
        # What is sent is taken at the next step: none may begin before it.
        heard = len(told)
        qtbot.waitUntil(lambda: len(told) > heard + 1)
    finally:
        with queue._moved:
            queue._line.remove(before)
            queue._moved.notify_all()
    qtbot.waitUntil(lambda: not widget.running)
    assert begun == [50]


def test_the_next_slices_follow_the_slider(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = widget._viewer
    viewer.layers["brain"].data = np.random.default_rng(1).normal(size=(160, 24, 24))
    in_thin_slabs(monkeypatch)
    viewer.dims.set_point(0, 0)
    evaluate = engine.evaluate
    window_has_looked = threading.Semaphore(0)

    def in_step(*arguments: Any, **options: Any) -> Any:
        steps = evaluate(*arguments, **options)
        event = next(steps)
        while event.done < 1:
            plane = yield event
            if event.logits is not None:
                assert window_has_looked.acquire(timeout=60)
            event = steps.send(plane)
        yield event

    monkeypatch.setattr(engine, "evaluate", in_step)
    order: list[int] = []
    shown = Preview.show

    def looked_at(self: Preview, progress: Any) -> None:
        shown(self, progress)
        if progress.part is not None:
            order.append(progress.part.box[0].start)
            if len(order) == 1:
                viewer.dims.set_point(0, 2 * 150)
            window_has_looked.release()

    monkeypatch.setattr(Preview, "show", looked_at)
    run(qtbot, widget)
    assert order[0] == 0
    assert len(order) == 40
    # What was under way when the slider moved still comes, then the slabs around the slider.
    assert order.index(148) <= 2


def test_a_cancelled_run_leaves_earlier_results_as_they_were(
    qtbot: QtBot, widget: SegmentWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(qtbot, widget)
    layers = results_of(widget)
    visible = [layer.visible for layer in layers]
    data = layers[-1].data.copy()
    in_thin_slabs(monkeypatch)
    shown = Preview.show

    def cancel(self: Preview, progress: Any) -> None:
        shown(self, progress)
        if progress.part is not None and widget.running and widget.run.enabled:
            click(qtbot, widget.run)

    with monkeypatch.context() as patched:  # what it holds must go before the dock is closed
        patched.setattr(Preview, "show", cancel)
        run(qtbot, widget)
    assert results_of(widget) == layers
    assert [layer.visible for layer in layers] == visible
    np.testing.assert_array_equal(layers[-1].data, data)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_slices_on_screen_are_those_of_the_whole_result(
    qtbot: QtBot, widget: SegmentWidget, axis: int
) -> None:
    run(qtbot, widget)
    viewer = widget._viewer
    whole = viewer.layers["mask · brain"].data.copy()
    viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
    viewer.dims.set_point(axis, 9 * (2 if axis == 0 else 1))
    assert not widget.around.visible
    widget.region.value = SLICES
    widget.around.value = 1
    run(qtbot, widget)
    layer = viewer.layers["mask · brain · slices"]
    assert [x.name for x in viewer.layers if x.visible] == [
        "brain",
        "gate 1 · brain · slices",
        "mask · brain · slices",
    ]
    box = [slice(None)] * 3
    box[axis] = slice(8, 11)
    np.testing.assert_array_equal(layer.data, whole[tuple(box)])
    expected = [0.0, 0.0, 0.0]
    expected[axis] = 16.0 if axis == 0 else 8.0
    np.testing.assert_allclose(layer.translate, expected)
    np.testing.assert_array_equal(viewer.layers["mask · brain"].data, whole)


def test_slices_need_a_slice_on_screen(qtbot: QtBot, widget: SegmentWidget) -> None:
    widget.region.value = SLICES
    widget._viewer.dims.ndisplay = 3
    click(qtbot, widget.run)
    assert "2D button" in widget.result.text()


def test_live_slices_follow_the_slider_when_it_rests(qtbot: QtBot, widget: SegmentWidget) -> None:
    run(qtbot, widget)
    viewer = widget._viewer
    whole = viewer.layers["mask · brain"].data.copy()
    widget.region.value = SLICES
    widget.around.value = 0
    widget.live.value = True
    kept = None
    for plane in (4, 13, 20):
        viewer.dims.set_point(0, 2 * plane)

        def shows(plane: int = plane) -> bool:
            layers = [x for x in viewer.layers if x.name == "mask · brain · slices"]
            return bool(layers) and layers[0].translate[0] == 2 * plane and not widget.running

        qtbot.waitUntil(shows)
        layer = viewer.layers["mask · brain · slices"]
        np.testing.assert_array_equal(layer.data[0], whole[plane])
        assert widget._live.session is not None
        assert kept is None or widget._live.session._kept is kept
        kept = widget._live.session._kept
    widget.live.value = False
    assert widget._live.session is None


def test_the_devices_of_this_machine_are_offered(qtbot: QtBot, widget: SegmentWidget) -> None:
    qtbot.waitUntil(lambda: len(widget.device.choices) > 1)
    assert set(widget.device.choices) == set(devices.available_devices())
    widget.device.value = "cpu"
    run(qtbot, widget)
    assert "on cpu" in widget.result.text()


def test_the_memory_that_a_run_takes_is_said(qtbot: QtBot, widget: SegmentWidget) -> None:
    qtbot.waitUntil(lambda: "takes about" in widget.memory_note.text())
    widget.memory_gb.value = 0.05
    assert "too little: needs" in widget.memory_note.text()
