"""Words on figures and films: how wide they are, and how they are laid into the room there is."""

from __future__ import annotations

from collections.abc import Sequence

from napari_attn_unet.gates.inspection import Inspection
from napari_attn_unet.prediction import NOTHING_FOUND

POINTS = 72
"""In an inch."""
_HINTED = 1.05
"""How much wider letters may be on the few pixels of a film than they are by their outlines."""
LONGEST = 1.0, 1.0
"""Means whose words are as wide as any."""


def heading(*parts: str | None) -> str:
    """Return what stands on top: "brain · hippocampus"; what is empty is left out."""
    return " · ".join(part for part in parts if part)


def notes_of(inspection: Inspection, notes: Sequence[str] = ()) -> list[str]:
    """Return what must be said below a picture: some notes, and that a network found nothing."""
    mask = inspection.mask
    empty = bool(inspection.gates) and mask is not None and not mask.any()
    return [*([f"{NOTHING_FOUND}."] if empty else []), *(note for note in notes if note)]


def of_gate(name: str, means: tuple[float, float] | None) -> list[str]:
    """Return ["gate 2", "inside 0.55", "outside 0.05"]: its mean coefficients on a slice.

    Of the name alone, where there are none; see `slices.inside_and_outside`.
    """
    if means is None:
        return [name]
    inside, outside = means
    return [name, f"inside {inside:.2f}", f"outside {outside:.2f}"]


def arranged(parts: Sequence[str], lines: int) -> str:
    """Return words in so many lines: the first ones on a line each, the last ones on one.

    In 0 lines, the first word alone.
    """
    if lines == 0:
        return "".join(parts[:1])
    single, last = parts[: lines - 1], parts[lines - 1 :]
    return "\n".join([*single, " · ".join(last)] if last else single)


def lines_for(parts: Sequence[str], room: float, size: float) -> int:
    """Return in how few lines words fit into a width, in inches; 0 if in none."""
    for lines in range(1, len(parts) + 1):
        if all(width(line, size) <= room for line in arranged(parts, lines).split("\n")):
            return lines
    return 0


def wrapped(text: str, room: float, size: float, *, bold: bool = False) -> list[str]:
    """Return a text in lines no wider than so many inches; a word that is wider is broken."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if width(longer, size, bold=bold) <= room:
            line = longer
            continue
        lines += [line] if line else []
        line = ""
        for letter in word:
            if line and width(line + letter, size, bold=bold) > room:
                lines.append(line)
                line = ""
            line += letter
    return [*lines, line] if line else lines


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a line is in a size, in inches, at most."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415  (slow to import)
    from matplotlib.textpath import text_to_path  # noqa: PLC0415

    font = FontProperties(size=size, weight="bold" if bold else "normal")
    wide, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(wide) * _HINTED / POINTS
