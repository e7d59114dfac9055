"""A checkpoint is found by its name or its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_attn_unet.errors import CheckpointError
from napari_attn_unet.network import library


def test_a_name_is_that_of_one_that_ships() -> None:
    ships = library.bundled()
    assert library.resolve("hippocampus") == ships["hippocampus"]
    assert library.resolve("hippocampus").suffix == ".safetensors"


def test_a_path_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.safetensors").touch()
    assert library.resolve("~/a.safetensors") == tmp_path / "a.safetensors"


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*nowhere.*hippocampus"):
        library.resolve(tmp_path / "nowhere.safetensors")
    with pytest.raises(CheckpointError, match="is a folder"):
        library.resolve(tmp_path)
