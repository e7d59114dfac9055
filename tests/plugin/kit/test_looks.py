"""Whoever borrows how a layer looks, in whatever order: what was there comes back exactly."""

from __future__ import annotations

import gc
import weakref

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_attn_unet.plugin.kit import looks as module
from napari_attn_unet.plugin.kit.looks import Looks

OWN = {"visible": True, "opacity": 0.4, "blending": "additive"}
CHANGE = st.tuples(
    st.integers(0, 2),
    st.one_of(
        st.fixed_dictionaries({}, optional={"visible": st.booleans()}),
        st.fixed_dictionaries({"opacity": st.sampled_from([0.0, 0.5, 1.0])}),
        st.fixed_dictionaries({"blending": st.sampled_from(["opaque", "translucent"])}),
        st.none(),  # it lets go
    ),
)


def image() -> Image:
    return Image(np.zeros((3, 4, 5)), rgb=False, **OWN)


def now(layer: Image) -> dict[str, object]:
    return {name: getattr(layer, name) for name in OWN}


@settings(deadline=None)
@given(steps=st.lists(CHANGE, max_size=12), end=st.permutations(range(3)))
def test_the_latest_borrower_is_shown_and_in_the_end_what_was_there(
    steps: list[tuple[int, dict[str, object] | None]], end: list[int]
) -> None:
    layer, borrowers = image(), [Looks() for _ in range(3)]
    held: dict[str, dict[int, object]] = {name: {} for name in OWN}
    for who, changes in [*steps, *((who, None) for who in end)]:
        if changes is None:
            borrowers[who].restore()
            for values in held.values():
                values.pop(who, None)
        else:
            borrowers[who].change(layer, **changes)
            for name, value in changes.items():
                held[name].pop(who, None)
                held[name][who] = value
        shown = {name: ([OWN[name], *values.values()])[-1] for name, values in held.items()}
        assert now(layer) == shown
    assert now(layer) == OWN
    assert not any(borrowers)
    assert not module._BORROWED.get(layer)


def test_two_borrowers_of_two_layers_let_go_crosswise() -> None:
    one, other = image(), image()
    first, second = Looks(), Looks()
    first.change(one, visible=False)
    second.change(other, visible=False)
    second.change(one, visible=False, opacity=1.0)
    first.change(other, opacity=0.7)
    first.restore()
    assert (one.visible, one.opacity) == (False, 1.0)
    assert (other.visible, other.opacity) == (False, 0.4)
    second.restore()
    assert now(one) == now(other) == OWN


def test_parts_of_a_layer_are_borrowed_too() -> None:
    layer, borrower = image(), Looks()
    position = layer.colorbar.position
    borrower.change(layer, colorbar__visible=True, colorbar__position="bottom_right")
    assert layer.colorbar.visible
    assert layer.colorbar.position == "bottom_right"
    borrower.restore()
    assert not layer.colorbar.visible
    assert layer.colorbar.position == position


def test_a_layer_s_colours_come_back_as_the_same_object() -> None:
    labels, borrower = Labels(np.zeros((3, 4, 5), np.uint8)), Looks()
    colours, contour = labels.colormap, labels.contour
    borrower.change(labels, colormap={0: "transparent", None: "white"}, contour=1)
    assert labels.colormap is not colours
    borrower.restore()
    assert labels.colormap is colours
    assert labels.contour == contour


def test_what_the_user_changes_meanwhile_goes_back_too() -> None:
    layer, first, second = image(), Looks(), Looks()
    first.change(layer, visible=False)
    second.change(layer, visible=False)
    layer.visible = True
    first.restore()  # it was not the one that is shown
    assert layer.visible
    layer.visible, layer.gamma = False, 0.5
    second.restore()
    assert layer.visible
    assert layer.gamma == 0.5  # nobody had borrowed it


def test_a_layer_that_is_gone_does_not_matter() -> None:
    gone, stays, borrower = image(), image(), Looks()
    for layer in (gone, stays):
        borrower.change(layer, visible=False)
    reference = weakref.ref(gone)
    del gone, layer
    borrower.restore()
    assert stays.visible
    gc.collect()
    assert reference() is None
    borrower.restore()  # nothing is left to give back
