"""What holds for every command: it starts fast, and says what is wrong in one line."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "cp936", "utf-16"])
def test_words_reach_every_console(encoding: str) -> None:
    for command in (["info", "hippocampus"], ["--help"], ["figure", "--help"], ["info", "日本 ü"]):
        done = subprocess.run(
            [sys.executable, "-m", "napari_attn_unet.cli", *command],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert done.returncode == (command[-1] == "日本 ü")
        told = (done.stdout + done.stderr).decode(encoding)
        assert "Traceback" not in told
        assert "hippocampus" in told or "usage" in told


@pytest.mark.parametrize("command", [["info", "hippocampus"], ["predict", "--help"]])
def test_a_reader_that_has_gone_is_no_error(command: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "napari_attn_unet.cli", *command],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.returncode in (0, 141)  # argparse itself says nothing
    assert done.stderr == b""


def test_a_full_disk_behind_stdout_is_told() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    with full.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-m", "napari_attn_unet.cli", "info", "phantom"],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Errno" not in done.stderr
    assert "fault of the program" not in done.stderr


def test_a_fault_of_the_program_is_a_line_and_says_how_to_find_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("napari_attn_unet.cli.info.run", fail)
    assert main(["info", "phantom"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("attn-unet info: ZeroDivisionError\n")
    assert "-X dev" in told


def test_no_help_tells_a_default_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (*COMMANDS, "attention"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "None" not in capsys.readouterr().out


def test_a_phantom_dataset_takes_no_other_ones_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["phantom", str(tmp_path), "--size", "16", "16", "16", "--cases"]
    assert main([*command, "2"]) == 0
    assert main([*command, "1"]) == 1
    assert "dataset.json" in capsys.readouterr().err
    assert main([*command, "1", "--overwrite"]) == 0
    assert "Wrote 1 case to" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*Tr/*.nii.gz"))) == 2  # an image and its label
