"""What was chosen is there again; what cannot be used any more does not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, SpinBox
from qtpy.QtCore import QSettings

from napari_attn_unet.network.library import bundled
from napari_attn_unet.plugin.kit.settings import NEWS, REMEMBERED, Settings


def controls() -> dict[str, Any]:
    return {
        "tick": CheckBox(value=True),
        "count": SpinBox(value=2, min=0, max=9),
        "amount": FloatSpinBox(value=0.5, min=0, max=2),
        "choice": ComboBox(choices=["a", "b"], value="a"),
    }


def values(some: dict[str, Any]) -> dict[str, Any]:
    return {name: control.value for name, control in some.items()}


def write(tmp_path: Path, **lines: str) -> None:
    """Write the file as another program would."""
    file = Path(QSettings(*FILE).fileName())
    assert tmp_path in file.parents  # not the user's own
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(f"{name}={value}" for name, value in lines.items())
    file.write_text(f"[General]\n{text}\n", encoding="utf-8")


FILE = (QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-attn-unet", "test")


@pytest.fixture(autouse=True)
def application(qtbot: object) -> None:
    """magicgui's controls need one."""


def test_choices_are_there_again(tmp_path: Path) -> None:
    first, second = controls(), controls()
    settings = Settings("test")
    settings.follow(first)
    changed = {"tick": False, "count": 7, "amount": 1.25, "choice": "b"}
    for name, value in changed.items():
        first[name].value = value
    Settings("test").follow(second)
    assert values(second) == changed
    other = controls()
    Settings("elsewhere").follow(other)
    assert values(other) == values(controls())


def test_choices_are_read_from_the_file(tmp_path: Path) -> None:
    write(tmp_path, tick="false", count="7", amount="1.25", choice="b")
    read = controls()
    Settings("test").follow(read)
    assert values(read) == {"tick": False, "count": 7, "amount": 1.25, "choice": "b"}


@pytest.mark.parametrize(
    "bad",
    [
        {"count": "many", "amount": "much", "choice": "c"},
        {"count": "99", "amount": "-1", "choice": ""},
        {"count": "1, 2", "amount": "1, 2", "choice": "a, b"},
        {"count": "@Invalid()", "amount": "@Invalid()", "choice": "@Invalid()"},
    ],
)
def test_a_bad_value_is_as_none(tmp_path: Path, bad: dict[str, str]) -> None:
    write(tmp_path, tick="false", **bad)
    read = controls()
    settings = Settings("test")
    settings.follow(read)
    assert values(read) == values(controls()) | {"tick": False}
    read["count"].value = 5  # and is written over
    again = controls()
    Settings("test").follow(again)
    assert again["count"].value == 5


def test_a_number_is_a_number(tmp_path: Path) -> None:
    write(tmp_path, good="1.5", bad="much")
    settings = Settings("test")
    assert [settings.number(name, 3.0) for name in ("good", "bad", "none")] == [1.5, 3.0, 3.0]


def test_the_checkpoints_opened_last_are_offered_if_they_are_there(tmp_path: Path) -> None:
    settings = Settings("test")
    ships = [(name, str(path)) for name, path in bundled().items()]
    assert settings.checkpoints() == ships
    files = [tmp_path / f"{i}, net.pt" for i in range(REMEMBERED + 2)]
    for file in files:
        file.touch()
        settings.opened(str(file))
    settings.opened(str(files[5]))
    files[7].unlink()
    offered = [name for name, _ in Settings("test").checkpoints()[len(ships) :]]
    assert offered == [f"{i}, net.pt" for i in (5, 9, 8, 6, 4, 3, 2)]


def test_one_checkpoint_alone_is_remembered(tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    file.touch()
    Settings("test").opened(str(file))
    assert ("net.pt", str(file)) in Settings("test").checkpoints()


def test_all_who_offer_checkpoints_hear_of_one(tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    file.touch()
    heard: list[list[str]] = []

    def hear() -> None:
        heard.append([name for name, _ in Settings("test").checkpoints()])

    NEWS.checkpoints.connect(hear)
    try:
        Settings("test").opened(str(file))
        Settings("test").forget(str(file))
        Settings("test").forget(str(file))  # no news
    finally:
        NEWS.checkpoints.disconnect(hear)
    ships = list(bundled())
    assert heard == [[*ships, "net.pt"], ships]
