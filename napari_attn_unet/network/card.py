"""`Card`: what a checkpoint says about itself. Read without torch, so that widgets build fast."""
# Over 350 lines: what a card says, how it is read, and what it advises, which go together.

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from napari_attn_unet.errors import CheckpointError, ConfigError
from napari_attn_unet.prediction import ClassInfo
from napari_attn_unet.table import score

FORMAT_VERSION = 1
MUCH_LARGER = 1.6
"""An image this many times larger or smaller than those trained on deserves a word."""
OTHER_VOXELS = 1.4
"""Voxels this many times longer or shorter than those trained on deserve one, too."""
A_ROW = 3.0
"""An image at most this many times as long as those trained on, and else like them, is a row of
them: a pair of structures with room between."""
MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors format


@dataclass(frozen=True, slots=True)
class PreprocessingSpec:
    """What a network expects of its input.

    Attributes
    ----------
    orientation
        "canonical": array axes flipped and permuted onto the nearest positive world axes;
        "as is": the array as it comes.
    spacing
        Voxel size (z, y, x) in mm to resample to, or None to keep the image's own.
    intensity
        "zscore": each channel to mean 0 and standard deviation 1 over the whole volume;
        "none": untouched.
    """

    orientation: str = "canonical"
    spacing: tuple[float, float, float] | None = None
    intensity: str = "zscore"

    def __post_init__(self) -> None:
        """Check every value."""
        _require("orientation", self.orientation, ("canonical", "as is"))
        _require("intensity", self.intensity, ("zscore", "none"))
        if self.spacing is not None and (
            len(self.spacing) != 3  # noqa: PLR2004
            or not all(math.isfinite(s) and s > 0 for s in self.spacing)
        ):
            msg = f"Spacing needs three positive numbers (z, y, x) in mm, but got {self.spacing}."
            raise ConfigError(msg)


def _require(what: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        msg = f"{what} must be one of {', '.join(map(repr, allowed))}, but got {value!r}."
        raise ConfigError(msg)


@dataclass(frozen=True, slots=True)
class Card:
    """Everything a checkpoint says about itself, stored as JSON in its own metadata.

    Attributes
    ----------
    name, description
        What the network is for.
    config
        `config.ModelConfig` as a dictionary.
    preprocessing
        What the network expects of its input.
    classes
        Name and colour of each class, background first.
    field_of_view_mm
        Typical size (z, y, x) of the images it was trained on, or None.
    training
        Dataset, licence, attribution, command, split: free text by key.
    scores
        Measured quality by name; units and data are said in the name.
    versions
        Versions of the software that wrote the file.
    format_version
        Of the card.
    spacing_mm
        Median voxel size (z, y, x) of the images it was trained on, or None.
    """

    name: str
    config: Mapping[str, Any]
    classes: tuple[ClassInfo, ...]
    description: str = ""
    preprocessing: PreprocessingSpec = field(default_factory=PreprocessingSpec)
    field_of_view_mm: tuple[float, float, float] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    spacing_mm: tuple[float, float, float] | None = None

    @property
    def in_channels(self) -> int:
        """Number of input channels of the network."""
        return int(self.config.get("in_channels", 1))

    @property
    def summary(self) -> str:
        """The card in one line."""
        what = ", ".join(c.name for c in self.classes[1:])
        score = next((f" · {k}: {v:.3f}" for k, v in self.scores.items()), "")
        return f"{what}{score}"

    def describe(self) -> str:
        """Return the card as text to read, a fact a line."""
        lines = [self.name, self.description, ""]
        lines += [f"classes        {', '.join(c.name for c in self.classes)}"]
        lines += [f"network        {_join(self.config)}"]
        spacing = self.preprocessing.spacing
        lines += [
            f"orientation    {self.preprocessing.orientation}",
            f"spacing        {'as the image' if spacing is None else f'{_mm(spacing)} mm'}",
            f"intensity      {self.preprocessing.intensity}",
        ]
        if self.field_of_view_mm is not None:
            lines += [f"field of view  {_mm(self.field_of_view_mm)} mm (z, y, x)"]
        if self.spacing_mm is not None:
            lines += [f"trained on     voxels of {_mm(self.spacing_mm)} mm (z, y, x)"]
        lines += [f"score          {k}: {score(v)}" for k, v in self.scores.items()]
        lines += [f"{k:<14} {v}{self._rest(k, v)}" for k, v in self.training.items()]
        lines += [f"versions       {_join(self.versions)}"]
        return "\n".join(lines)

    def _rest(self, key: str, value: Any) -> str:
        """Return what a command lacks to be run: a card does not say where it was written to."""
        told = key == "command" and "--out" not in str(value)
        return f" --out {self.name}.safetensors" if told else ""

    def to_json(self) -> str:
        """Return the card as JSON.

        Raises
        ------
        CheckpointError
            If a number is NaN or infinite, for which JSON has no word.
        """
        values = asdict(self) | {"classes": [info._asdict() for info in self.classes]}
        try:
            return json.dumps(values, ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            msg = (
                "A card holds finite numbers, but some of this one are NaN or infinite: "
                f"{dict(self.scores)}. Leave out what has no score."
            )
            raise CheckpointError(msg) from error

    def larger_than_seen(
        self, shape: Sequence[int], spacing_mm: Sequence[float] | None
    ) -> str | None:
        """Return a sentence where an image is far larger than those trained on; else None.

        Where it is a row of them, see `row_of_seen`.
        """
        extents = self._extents(shape, spacing_mm)
        if all(e <= MUCH_LARGER * v for e, v in extents) or self._is_row(extents):
            return None
        return (
            f"{_beside(extents, 'larger')}, and the mask may have what only looks alike outside of "
            "such a region"
        )

    def row_of_seen(self, shape: Sequence[int], spacing_mm: Sequence[float] | None) -> str | None:
        """Return a sentence where an image is a few of those trained on, side by side; else None.

        It is then as high and as deep as they are, so that each part of it has surroundings that
        the network knows: a left and a right structure can be found in one run.
        """
        extents = self._extents(shape, spacing_mm)
        if not self._is_row(extents):
            return None
        have, want = _sizes(extents)
        longest = max(e / v for e, v in extents)
        return (
            f"This image ({have} mm) is as large as {longest:.1f} of those trained on ({want} mm) "
            "side by side: structures beside each other, such as left and right, are found in one "
            "run; a box shows one alone"
        )

    @staticmethod
    def _is_row(extents: Sequence[tuple[float, float]]) -> bool:
        longer = [e / v for e, v in extents if e > MUCH_LARGER * v]
        return len(longer) == 1 and longer[0] <= A_ROW

    def smaller_than_seen(
        self, shape: Sequence[int], spacing_mm: Sequence[float] | None
    ) -> str | None:
        """Return a sentence where an image is far smaller than those trained on; else None."""
        extents = self._extents(shape, spacing_mm)
        if all(MUCH_LARGER * e >= v for e, v in extents):
            return None
        return (
            f"{_beside(extents, 'smaller')}, and the mask may be wrong for want of surroundings: "
            "take a larger part"
        )

    def other_voxels(self, spacing_mm: Sequence[float] | None) -> str | None:
        """Return a sentence where an image's voxels are of another size than those trained on.

        None where they are not, where one is not known, and where the network resamples. Sizes
        are compared in order of length: which axis is which, the file alone says.
        """
        seen = self.spacing_mm
        if seen is None or spacing_mm is None or self.preprocessing.spacing is not None:
            return None
        pairs = list(zip(sorted(spacing_mm), sorted(seen), strict=True))
        if all(1 / OTHER_VOXELS < have / want < OTHER_VOXELS for have, want in pairs):
            return None
        z, y, x = spacing_mm
        return (
            f"This image's voxels ({_mm((z, y, x))} mm) are of another size than those the "
            f"checkpoint was trained on ({_mm(seen)} mm), so that structures look larger or "
            "smaller to it, and the mask may be wrong: resample the image to that size"
        )

    def _extents(
        self, shape: Sequence[int], spacing_mm: Sequence[float] | None
    ) -> list[tuple[float, float]]:
        """Return (image, trained on) along each axis, in mm; nothing where one is not known."""
        view = self.field_of_view_mm
        if view is None or spacing_mm is None:
            return []
        extent = [n * s for n, s in zip(shape, spacing_mm, strict=True)]
        return list(zip(extent, view, strict=True))

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card back.

        Raises
        ------
        CheckpointError
            If the text is no card, or one of a newer format.
        """
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"The checkpoint's card is not valid JSON ({error}). The file is damaged."
            raise CheckpointError(msg) from error
        if not isinstance(raw, dict):
            msg = f"A card is a JSON object, but this one is a {type(raw).__name__}."
            raise CheckpointError(msg)
        version = raw.get("format_version")
        if not isinstance(version, int) or version > FORMAT_VERSION:
            msg = (
                f"This checkpoint's card has format {version!r}; this version of the program "
                f"reads up to format {FORMAT_VERSION}. Update napari-attn-unet."
            )
            raise CheckpointError(msg)
        missing = [key for key in ("name", "config", "classes") if key not in raw]
        if missing:
            msg = f"The checkpoint's card lacks {', '.join(missing)}. The file is damaged."
            raise CheckpointError(msg)
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in raw.items() if key in known}
        try:
            if "scores" in raw:  # NaN stood for a class that no held-out case has
                values["scores"] = {k: v for k, v in raw["scores"].items() if math.isfinite(v)}
            values["classes"] = tuple(
                ClassInfo(str(c["name"]), _triple(c["colour"])) for c in raw["classes"]
            )
            if "preprocessing" in raw:
                spec = dict(raw["preprocessing"])
                if spec.get("spacing") is not None:
                    spec["spacing"] = _triple(spec["spacing"])
                values["preprocessing"] = PreprocessingSpec(**spec)
            lengths = ("field_of_view_mm", "spacing_mm")
            values |= {key: _triple(raw[key]) for key in lengths if raw.get(key) is not None}
            return cls(**values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            msg = f"The checkpoint's card cannot be understood: {error}. The file is damaged."
            raise CheckpointError(msg) from error


def _beside(extents: Sequence[tuple[float, float]], how: str) -> str:
    have, want = _sizes(extents)
    return (
        f"This image ({have} mm) is much {how} than those the checkpoint was trained on ({want} mm)"
    )


def _sizes(extents: Sequence[tuple[float, float]]) -> tuple[str, str]:
    have, want = (" × ".join(f"{v:.3g}" for v in size) for size in zip(*extents, strict=True))
    return have, want


def _triple(values: Any) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c


def _mm(values: tuple[float, float, float]) -> str:
    return " × ".join(f"{v:g}" for v in values)


def _join(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {_short(v)}" for k, v in values.items())


def _short(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def read_card(path: str | Path) -> Card:
    """Read the card from a safetensors file's header, without its weights and without torch.

    Raises
    ------
    CheckpointError
        If the file is missing, is no safetensors file, was cut short, or carries no card.
    """
    return Card.from_json(_card_text(Path(path)))


def _card_text(path: Path) -> str:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        msg = f"{path} {what}. Choose a checkpoint file that exists."
        raise CheckpointError(msg)
    there = path.stat().st_size
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        head = file.read(size) if 0 < size <= min(MAX_HEADER_BYTES, there) else b""
    try:
        header = json.loads(head)
    except ValueError as error:
        msg = (
            f"{path.name} is not a safetensors file, or its beginning is damaged. A checkpoint of "
            "this program ends in .safetensors and carries its card; "
            "`attn-unet train` writes them."
        )
        raise CheckpointError(msg) from error
    if not isinstance(header, dict):
        header = {}
    metadata = header.get("__metadata__", {})
    if "card" not in metadata:
        msg = (
            f"{path.name} holds weights but no card, so nothing says which network they belong "
            "to. Weights of other programs are not read yet; "
            "`attn-unet train` writes checkpoints with a card."
        )
        raise CheckpointError(msg)
    needed = 8 + size + max((_end(entry) for entry in header.values()), default=0)
    if there != needed:
        msg = (
            f"{path.name} is damaged or incomplete: it has {there:,} bytes, its header tells of "
            f"{needed:,}. Copy or download it again."
        )
        raise CheckpointError(msg)
    return str(metadata["card"])


def _end(entry: Any) -> int:
    """Return where the data of a tensor ends, in bytes behind the header."""
    try:
        return int(entry["data_offsets"][1])
    except (KeyError, TypeError, ValueError, IndexError):
        return 0  # the header's own metadata
