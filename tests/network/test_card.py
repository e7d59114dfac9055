"""A card says what its checkpoint is for, and goes through JSON unchanged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import TINY, tiny_checkpoint

from napari_attn_unet.errors import CheckpointError, ConfigError
from napari_attn_unet.network.card import FORMAT_VERSION, Card, PreprocessingSpec, read_card
from napari_attn_unet.prediction import ClassInfo

VIEW = (40.0, 20.0, 10.0)


def card() -> Card:
    return Card(
        "net",
        TINY.to_dict(),
        tuple(ClassInfo.numbered(i, name) for i, name in enumerate(("background", "one", "two"))),
        "finds things",
        PreprocessingSpec("as is", (2.0, 1.0, 0.5), "none"),
        VIEW,
        {"licence": "CC0"},
        {"Dice": 0.875},
        {"torch": "2"},
    )


def test_a_card_goes_through_json_unchanged() -> None:
    assert Card.from_json(card().to_json()) == card()


def test_a_card_is_described_with_everything_it_says() -> None:
    text = card().describe()
    for word in ("as is", "2 × 1 × 0.5 mm", "40 × 20 × 10 mm", "CC0", "0.8750", "4-8-16"):
        assert word in text
    assert card().summary == "one, two · Dice: 0.875"


@pytest.mark.parametrize(
    ("shape", "spacing", "is_larger"),
    [
        ((40, 20, 10), (1, 1, 1), False),
        ((64, 32, 16), (1, 1, 1), False),  # 1.6 times each
        ((65, 33, 10), (1, 1, 1), True),  # larger along two axes is larger
        ((40, 33, 17), (1, 1, 1), True),
        ((121, 20, 10), (1, 1, 1), True),  # more than three times as long
        ((40, 20, 31), (1, 1, 1), True),
        ((100, 40, 20), (0.4, 0.5, 0.5), False),  # many small voxels
        ((20, 10, 5), (4, 4, 4), True),
        ((400, 400, 400), None, False),  # of unknown size
    ],
)
def test_an_image_far_larger_than_those_trained_on_is_told(
    shape: tuple[int, ...], spacing: tuple[float, ...] | None, is_larger: bool
) -> None:
    words = card().larger_than_seen(shape, spacing)
    assert (words is not None) == is_larger
    if words is not None:
        assert "40 × 20 × 10 mm" in words


@pytest.mark.parametrize(
    ("shape", "is_row"),
    [
        ((64, 20, 10), False),  # no longer than others
        ((65, 20, 10), True),
        ((40, 20, 30), True),  # three side by side
        ((40, 20, 31), False),
        ((65, 33, 10), False),  # along two axes
    ],
)
def test_an_image_of_a_few_fields_of_view_side_by_side_is_no_reason_to_warn(
    shape: tuple[int, ...], is_row: bool
) -> None:
    words = card().row_of_seen(shape, (1, 1, 1))
    assert (words is not None) == is_row
    assert not (is_row and card().larger_than_seen(shape, (1, 1, 1)))
    if words is not None:
        assert "left and right" in words


@pytest.mark.parametrize(
    ("shape", "spacing", "is_smaller"),
    [
        ((40, 20, 10), (1, 1, 1), False),
        ((25, 12.5, 6.25), (1, 1, 1), False),  # a 1.6th of each
        ((24, 20, 10), (1, 1, 1), True),  # smaller along one axis is smaller
        ((40, 20, 3), (1, 1, 1), True),  # a few slices
        ((400, 20, 10), (0.05, 1, 1), True),  # many small voxels
        ((1, 1, 1), None, False),  # of unknown size
    ],
)
def test_an_image_far_smaller_than_those_trained_on_is_told(
    shape: tuple[int, ...], spacing: tuple[float, ...] | None, is_smaller: bool
) -> None:
    words = card().smaller_than_seen(shape, spacing)
    assert (words is not None) == is_smaller
    if words is not None:
        assert "40 × 20 × 10 mm" in words


@pytest.mark.parametrize(
    ("spacing", "is_other"),
    [
        ((2, 1, 0.5), False),
        ((0.5, 2, 1), False),  # the same voxels, their axes in another order
        ((2.6, 1.3, 0.65), False),
        ((3, 1, 0.5), True),
        ((2, 1, 0.3), True),
        ((4, 2, 1), True),
        (None, False),  # of unknown size
    ],
)
def test_voxels_of_another_size_than_those_trained_on_are_told(
    spacing: tuple[float, ...] | None, is_other: bool
) -> None:
    trained = replace(card(), spacing_mm=(2.0, 1.0, 0.5), preprocessing=PreprocessingSpec())
    words = trained.other_voxels(spacing)
    assert (words is not None) == is_other
    if words is not None:
        assert "2 × 1 × 0.5 mm" in words
    assert card().other_voxels(spacing) is None  # nothing is known of those trained on
    resampled = replace(trained, preprocessing=PreprocessingSpec(spacing=(1.0, 1.0, 1.0)))
    assert resampled.other_voxels(spacing) is None


def test_the_command_of_a_card_can_be_run() -> None:
    trained = replace(card(), training={"command": "attn-unet train data --epochs 2"})
    assert f"--epochs 2 --out {trained.name}.safetensors" in trained.describe()
    told = replace(card(), training={"command": "attn-unet train data --out a.safetensors"})
    assert told.describe().count("--out") == 1


def test_a_card_of_a_newer_format_or_without_its_parts_is_refused() -> None:
    raw = json.loads(card().to_json())
    for broken, word in (
        (raw | {"format_version": FORMAT_VERSION + 1}, "Update"),
        (raw | {"format_version": None}, "format None"),
        ({k: v for k, v in raw.items() if k != "classes"}, "lacks classes"),
        (raw | {"classes": [{"name": "x"}]}, "cannot be understood"),
        (raw | {"scores": [0.5]}, "cannot be understood"),
        ([], "a list"),
    ):
        with pytest.raises(CheckpointError, match=word):
            Card.from_json(json.dumps(broken))
    with pytest.raises(CheckpointError, match="not valid JSON"):
        Card.from_json("{")


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_card_holds_no_number_that_is_none(score: float) -> None:
    with pytest.raises(CheckpointError, match="finite numbers"):
        replace(card(), scores={"Dice": score}).to_json()
    raw = json.loads(card().to_json())
    raw["scores"]["Dice, absent"] = score  # as an earlier version wrote it
    assert Card.from_json(json.dumps(raw)) == card()


def test_bytes_too_few_or_too_many_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tiny_checkpoint().save(path)
    assert read_card(path).name == "tiny"
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=f"has {len(damaged):,} bytes"):
            read_card(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"orientation": "upside down"},
        {"intensity": "minmax"},
        {"spacing": (1, 0, 1)},
        {"spacing": (1, float("nan"), 1)},
        {"spacing": (1, 1)},
    ],
)
def test_what_no_input_can_be_brought_to_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        PreprocessingSpec(**wrong)  # type: ignore[arg-type]
