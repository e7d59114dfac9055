"""What holds for every command: it starts fast, and says what is wrong in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import tiny_checkpoint

from napari_attn_unet.cli.main import main
from napari_attn_unet.network.library import bundled

COMMANDS = (
    *("demo", "predict", "inspect", "figure", "evaluate", "compare-models", "info", "train"),
    "phantom",
)


def test_no_help_imports_anything_slow() -> None:
    code = f"""
import sys
from napari_attn_unet.cli.main import main
for command in {COMMANDS!r}:
    try:
        main([command, "--help"])
    except SystemExit as end:
        assert end.code == 0
assert not {{"torch", "numpy", "napari", "matplotlib"}} & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_info_reads_the_card_without_torch() -> None:
    code = """
import sys
from napari_attn_unet.cli.main import main
assert main(["info", "hippocampus"]) == 0
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "anterior" in done.stdout
    assert str(bundled()["hippocampus"]) in done.stdout


def test_info_of_both_formats_tells_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tiny_checkpoint()
    checkpoint.save(tmp_path / "tiny.safetensors")
    content = {"card": checkpoint.card.to_json(), "state_dict": checkpoint.state}
    torch.save(content, tmp_path / "tiny.pt")
    told = []
    for ending in ("safetensors", "pt"):
        assert main(["info", str(tmp_path / f"tiny.{ending}")]) == 0
        told.append(capsys.readouterr().out)
    card = checkpoint.card.describe()
    assert all(text.startswith(card) for text in told)


def test_info_of_what_is_none_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    for source in ("nosuch", str(tmp_path / "junk.safetensors")):
        assert main(["info", source]) == 1
        told = capsys.readouterr().err
        assert told.startswith("attn-unet info: ")
        assert len(told.splitlines()) == 1
