"""A class that is named after its side is not mirrored onto the other one unasked."""

from __future__ import annotations

import pytest

from napari_attn_unet.training.sides import mirroring, with_side


@pytest.mark.parametrize(
    "name",
    [
        *("left", "Right", "LEFT", "kidney_left", "Left-Hippocampus", "leftKidney", "kidneyRight"),
        *("lungleft", "L", "r", "Hippocampus_L", "kidney (R)", "ctx-lh-bankssts", "rh.white"),
        *("LKidney", "hippocampusL", "lVentricle", "rCA1", "Eye.lt", "Niere links", "rechte Lunge"),
        *("rein gauche", "poumon droit", "riñón izquierdo", "riñón derecho", "rene sinistro"),
        *("atrium dextrum", "ventriculus sinister", "pulmão esquerdo", "左肾", "Höger njure"),
    ],
)
def test_a_name_tells_a_side_in_the_ways_people_write_it(name: str) -> None:
    assert with_side([name], "x") == (name,)


@pytest.mark.parametrize(
    "name",
    [
        *("liver", "cleft lip", "bright spot", "L1", "vertebra L5", "R2D2", "anterior", "tumor"),
        *("lung", "class 1", "lumen", "artery", "posterior", "hilar", "upper lobe"),
    ],
)
def test_a_name_without_a_side_has_none(name: str) -> None:
    assert with_side([name], "x") == ()


@pytest.mark.parametrize(
    "pair", [("LV", "RV"), ("lkidney", "rkidney"), ("amygl", "amygr"), ("LUL", "RUL"), ("L1", "R1")]
)
def test_two_names_that_differ_by_l_and_r_are_sides_of_each_other(pair: tuple[str, str]) -> None:
    assert with_side([*pair, "liver"], "x") == pair
    assert with_side([pair[0], "liver"], "x") == ()


@pytest.mark.parametrize(
    ("asked", "classes", "axes", "is_news"),
    [
        (None, ("background", "anterior", "posterior"), ("x",), False),
        (None, ("background", "liver", "left kidney"), (), True),
        (None, ("left out", "liver"), ("x",), False),  # the background has no side
        (("x",), ("background", "left kidney"), ("x",), True),
        ((), ("background", "left kidney"), (), False),
        (("y", "x"), ("background", "anterior", "posterior"), ("y", "x"), True),
        (("z", "x"), ("background", "anterior", "posterior"), ("z", "x"), False),
        (("z",), ("background", "upper lobe"), ("z",), True),
        (("z", "y", "x"), ("background", "liver"), ("z", "y", "x"), False),
    ],
)
def test_what_somebody_asks_for_is_done_and_sides_are_kept_otherwise(
    asked: tuple[str, ...] | None, classes: tuple[str, ...], axes: tuple[str, ...], is_news: bool
) -> None:
    done = mirroring(asked, classes)
    assert (done.axes, done.is_news) == (axes, is_news)
    assert ("as asked" in done.told) == (asked is not None)
    assert ("not mirrored" in done.told) == (not axes)
    assert all(f"{axis} (" in done.told for axis in axes)
    if is_news:
        assert repr(classes[1]) in done.told or repr(classes[2]) in done.told
