"""Keys reach the open widgets of the viewer they were pressed in, and no others."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from napari.utils.action_manager import action_manager
from qtpy.QtWidgets import QWidget

from napari_attn_unet.plugin.kit import keys
from napari_attn_unet.plugin.kit.dock import Dock

KEYS = (("test_step", "Alt-F9", "go on"), ("hold_test", "Alt-F8", "while held"))


class Listener(QWidget):
    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.viewer = viewer
        self.dock = Dock(self, viewer, "test")
        self.done: list[str] = []
        keys.listen(self, self.dock, KEYS)

    def do(self, action: str) -> None:
        self.done.append(action)


@pytest.fixture
def listener(qtbot: object, viewer: ViewerModel) -> Iterator[Listener]:
    """The actions that it registers are taken away again."""
    yield Listener(viewer)
    for name, _, _ in KEYS:
        full = f"napari-attn-unet:{name}"
        action_manager.unbind_shortcut(full)
        action_manager._actions.pop(full, None)


def act(viewer: Any, name: str) -> Any:
    return action_manager._actions[f"napari-attn-unet:{name}"].command(viewer)


def test_widgets_answer_for_their_own_viewer(listener: Listener, viewer: ViewerModel) -> None:
    elsewhere = ViewerModel()
    assert viewer == elsewhere  # they look the same
    other = Listener(elsewhere)
    act(viewer, "test_step")
    assert (listener.done, other.done) == (["test_step"], [])
    act(elsewhere, "test_step")
    assert (listener.done, other.done) == (["test_step"], ["test_step"])


def test_a_widget_that_was_given_a_proxy_answers_for_the_viewer_behind(
    listener: Listener, viewer: ViewerModel
) -> None:
    proxied = Listener(PublicOnlyProxy(viewer))
    act(viewer, "test_step")
    assert listener.done == proxied.done == ["test_step"]


def test_a_closed_widget_does_not_answer(
    listener: Listener, viewer: ViewerModel, window: QWidget
) -> None:
    listener.setParent(window)
    listener.setParent(None)
    act(viewer, "test_step")
    assert listener.done == []
    assert listener not in keys._listeners


def test_a_widget_that_is_gone_does_not_answer(listener: Listener, viewer: ViewerModel) -> None:
    gc.collect()  # those of tests before may not be collected yet
    before = set(map(id, keys._listeners))
    second = Listener(viewer)
    assert set(map(id, keys._listeners)) - before == {id(second)}
    del second
    gc.collect()
    assert set(map(id, keys._listeners)) == before


def test_other_actions_are_not_its_business(listener: Listener, viewer: ViewerModel) -> None:
    assert keys._of(viewer, "somebody_s") == []
    assert keys._of(viewer, "test_step") == [listener]


def test_a_held_key_is_done_and_undone(listener: Listener, viewer: ViewerModel) -> None:
    held = act(viewer, "hold_test")
    assert listener.done == []
    next(held)
    assert listener.done == ["hold_test"]
    next(held, None)
    assert listener.done == ["hold_test"] * 2


def test_the_end_of_a_held_key_is_for_those_who_heard_its_beginning(
    listener: Listener, viewer: ViewerModel
) -> None:
    held = act(viewer, "hold_test")
    next(held)
    late = Listener(viewer)
    listener.dock.close()
    next(held, None)
    assert listener.done == ["hold_test"]  # it has given back everything on closing
    assert late.done == []


def test_the_legend_tells_the_keys_that_are_bound(listener: Listener) -> None:
    assert "Alt+F9" in keys.legend(KEYS).text().replace("-", "+")
    assert "while held" in keys.legend(KEYS).toolTip()
    action_manager.unbind_shortcut("napari-attn-unet:test_step")
    action_manager.bind_shortcut("napari-attn-unet:test_step", "Alt-F7")
    assert "F7" in keys.legend(KEYS).text()


def test_the_legend_says_in_few_words_what_the_keys_do(listener: Listener) -> None:
    action_manager.unbind_shortcut("napari-attn-unet:test_step")
    action_manager.bind_shortcut("napari-attn-unet:test_step", "Alt-F7")
    line = keys.legend(KEYS, "step by step {test_step}")
    assert line.text().replace("+", "-") == "Keys: step by step Alt-F7"
    assert "while held" in line.toolTip()


def test_a_second_widget_registers_nothing_anew(listener: Listener, viewer: ViewerModel) -> None:
    before = action_manager._actions["napari-attn-unet:test_step"]
    Listener(viewer)
    assert action_manager._actions["napari-attn-unet:test_step"] is before
