"""Words are laid into the room there is."""

from __future__ import annotations

import pytest

from napari_attn_unet.report import words


@pytest.mark.parametrize("room", [0.3, 1.0, 3.0])
def test_no_line_is_wider_than_its_room_and_no_letter_is_lost(room: float) -> None:
    text = "The truth a_rather_long_name_without_a_space.nii.gz lies on another grid (48, 64, 56)."
    lines = words.wrapped(text, room, 7)
    assert all(words.width(line, 7) <= room for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    if room > 2:
        assert " ".join(lines) == text  # no word is broken that fits


def test_a_gate_s_words_take_as_few_lines_as_fit() -> None:
    parts = words.of_gate("gate 2", (0.551, 0.049))
    assert parts == ["gate 2", "inside 0.55", "outside 0.05"]
    assert [words.arranged(parts, lines) for lines in range(4)] == [
        "gate 2",
        "gate 2 · inside 0.55 · outside 0.05",
        "gate 2\ninside 0.55 · outside 0.05",
        "gate 2\ninside 0.55\noutside 0.05",
    ]
    found = [words.lines_for(parts, room, 7) for room in (4.0, 1.5, 0.8, 0.1)]
    assert found == [1, 2, 3, 0]
    assert words.arranged(words.of_gate("gate 2", None), 3) == "gate 2"


def test_a_heading_leaves_out_what_is_empty() -> None:
    assert words.heading("brain", "", None, "phantom") == "brain · phantom"
