"""Classes that are told apart by where they lie, and along which axes patches are mirrored.

A mirrored left kidney is a right one. Where a class is named after a side, mirroring along that
axis teaches the network that the sides are one and the same. Swapping the labels instead would be
wrong wherever the body is no mirror image of itself: a mirrored left ventricle is no right one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

AXES = {"z": "bottom to top", "y": "back to front", "x": "left to right"}
"""The axes of a patch, in their order, and what lies along them once an image is canonical."""
BY_DEFAULT = ("x",)

_BEGINNINGS = (
    *("left", "right", "links", "linke", "rechts", "rechte", "gauche", "droit"),
    *("izquierd", "derech", "esquerd", "direit", "sinistr", "sinister", "destra", "dexter"),
    *("dextr", "vänster", "höger", "лев", "прав", "左", "右"),
)
_ENDINGS = ("left", "right", "links", "rechts", "左", "右")
_NO_SIDE = {"cleft", "bright", "upright", "copyright"}
_WORDS = {
    "x": {"l", "r", "lh", "rh", "lt", "rt", "lhs", "rhs", "destro", "sin", "dex", "sx", "dx"},
    "y": {"anterior", "posterior", "ant", "post", "front", "back", "ventral", "dorsal"},
    "z": {
        *("superior", "inferior", "sup", "inf", "upper", "lower", "top", "bottom"),
        *("cranial", "caudal"),
    },
}


def with_side(names: Sequence[str], axis: str) -> tuple[str, ...]:
    """Return the names that tell a side along an axis, in their order.

    By a word for it ("Left-Hippocampus", "kidney_r", "lh.white", "Niere links"), or, along x, as
    one of two that differ by an l and an r alone ("LV" and "RV").

    Parameters
    ----------
    names
        Of the classes, without the background.
    axis
        "z", "y" or "x".
    """
    words = [tuple(_words(name)) for name in names]
    all_of_them = set(words)
    return tuple(
        name
        for name, its in zip(names, words, strict=True)
        if any(word in _WORDS[axis] for word in its)
        or (axis == "x" and (any(map(_has_side, its)) or _has_partner(its, all_of_them)))
    )


def _words(name: str) -> list[str]:
    """Return the words of a name in small letters: "LeftKidney_2" -> left, kidney, 2."""
    apart = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word.lower() for word in re.split(r"[\W_]+", apart) if word]


def _has_side(word: str) -> bool:
    return word not in _NO_SIDE and (word.startswith(_BEGINNINGS) or word.endswith(_ENDINGS))


def _has_partner(words: tuple[str, ...], all_of_them: set[tuple[str, ...]]) -> bool:
    """Whether another name has r where this one has l, or the other way round."""
    return any(
        (*words[:i], other, *words[i + 1 :]) in all_of_them
        for i, word in enumerate(words)
        for other in _swapped(word)
    )


def _swapped(word: str) -> Iterator[str]:
    other = {"l": "r", "r": "l"}
    if word[0] in other:
        yield other[word[0]] + word[1:]
    if word[-1] in other:
        yield word[:-1] + other[word[-1]]


class Mirroring(NamedTuple):
    """Along which axes patches are mirrored, and why.

    Attributes
    ----------
    axes
        Of "z", "y", "x".
    told
        The same in words, for a card.
    is_news
        Whether somebody should read it before the training: a name tells a side.
    """

    axes: tuple[str, ...]
    told: str
    is_news: bool


def mirroring(asked: tuple[str, ...] | None, classes: Sequence[str]) -> Mirroring:
    """Return along which axes patches are mirrored.

    Parameters
    ----------
    asked
        Axes that somebody asked for; None leaves it to the names of the classes.
    classes
        Their names, background first.
    """
    chosen = BY_DEFAULT if asked is None else asked
    sided = {axis: with_side(classes[1:], axis) for axis in chosen}
    axes = chosen if asked is not None else tuple(a for a in chosen if not sided[a])
    along = ", ".join(f"{axis} ({AXES[axis]})" for axis in AXES if axis in axes)
    told = f"patches are mirrored along {along}" if along else "patches are not mirrored"
    if asked is not None:
        told += ", as asked"
    names = ", ".join(dict.fromkeys(repr(name) for its in sided.values() for name in its))
    if not names:
        return Mirroring(axes, told, is_news=False)
    joint = ":" if asked is None else ", though"
    tell = f"{joint} a side is told by the name of {names}"
    return Mirroring(axes, told + tell, is_news=True)
