"""`attn-unet train` says no in time, shows how long it takes, and says what a stop leaves."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from labelled import OPTIONS, blobs

from napari_attn_unet.cli.main import INTERRUPTED, main
from napari_attn_unet.cli.train import _Bars
from napari_attn_unet.network.card import read_card
from napari_attn_unet.training.run import Run
from napari_attn_unet.training.trainer import TrainingProgress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return blobs(tmp_path / "data")


def run(folder: Path, out: Path, *options: str) -> int:
    return main(["train", str(folder), "--out", str(out), *OPTIONS, *options])


def test_a_command_that_is_done_is_not_done_again_unasked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.safetensors"
    assert run(folder, out) == 0
    first = out.read_bytes()
    told = capsys.readouterr()
    assert f"Wrote {out}" in told.out
    assert run(folder, out, "--epochs", "1") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == first
    assert run(folder, out, "--epochs", "1", "--overwrite") == 0
    assert "--epochs 1 " in read_card(out).training["command"]


def test_the_bar_counts_the_steps_of_all_epochs() -> None:
    with closing(_Bars()) as bars:

        def shown(*where: Any, **more: Any) -> tuple[int, int, int]:
            bars.show(TrainingProgress(*where, **more))
            return bars._bar.initial, bars._bar.n, bars._bar.total

        assert shown("loading", 0, 9, 0, 4) == (0, 0, 9)
        assert shown("loading", 5, 9, 0, 4) == (0, 5, 9)
        # goes on after epoch 1 of 4: what was done before tells nothing of the time that is left
        assert shown("training", 0, 10, 2, 4) == (10, 10, 40)
        assert shown("training", 3, 10, 2, 4, loss=0.5) == (10, 13, 40)
        assert "epoch 2/4 step 3/10 loss 0.500" in bars._bar.desc
        bar = bars._bar
        assert shown("validating", 1, 2, 2, 4) == (10, 13, 40)
        assert "validating epoch 2/4 case 1/2" in bars._bar.desc
        assert shown("validating", 2, 2, 2, 4, scores={}) == (10, 13, 40)
        assert shown("training", 1, 10, 3, 4) == (10, 21, 40)
        assert bars._bar is bar  # one clock for all of it
    with closing(_Bars()) as bars:  # stopped between the last epoch and its validation
        shown("loading", 9, 9, 0, 4)
        assert shown("validating", 1, 2, 4, 4) == (1, 1, 2)


def test_the_bar_shows_no_number_that_is_not_known(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, tmp_path / "a.safetensors") == 0
    told = capsys.readouterr().err
    assert "100%" in told
    assert not re.search(r"0step|\?step|0case|\?case", told)


def stop_in(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Run.step

    def stopped(self: Run, *args: object) -> float:
        if self.epoch + 1 == epoch:
            raise KeyboardInterrupt
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "step", stopped)


def test_a_stop_says_where_the_state_is_and_the_same_command_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        stop_in(2, patch)
        assert run(folder, out) == INTERRUPTED
    told = capsys.readouterr().err
    assert f"kept in {out}.resume: the same command goes on" in told
    assert run(folder, out) == 0
    assert "This run goes on after epoch 1 of 2." in capsys.readouterr().err


def test_a_stop_before_an_epoch_is_over_says_that_nothing_is_kept(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop_in(1, monkeypatch)
    assert run(folder, tmp_path / "a.safetensors") == INTERRUPTED
    assert "nothing is kept" in capsys.readouterr().err
    assert not list(tmp_path.glob("*a.safetensors*"))


@pytest.mark.parametrize(
    ("asked", "done"), [(["none"], "none"), (["y"], "y"), (["x", "z", "y"], "z y x")]
)
def test_mirror_takes_axes_or_none(
    asked: list[str], done: str, folder: Path, tmp_path: Path
) -> None:
    assert run(folder, tmp_path / "a.safetensors", "--mirror", *asked) == 0
    assert read_card(tmp_path / "a.safetensors").training["command"].endswith(f"--mirror {done}")


def test_axes_and_none_at_once_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, tmp_path / "a.safetensors", "--mirror", "x", "none") == 1
    assert "takes axes or none" in capsys.readouterr().err


def test_the_command_on_a_card_is_one_that_runs(folder: Path, tmp_path: Path) -> None:
    assert run(folder, tmp_path / "a.safetensors") == 0
    first = read_card(tmp_path / "a.safetensors")
    options = first.training["command"].split()[3:]
    assert main(["train", str(folder), "--out", str(tmp_path / "b.safetensors"), *options]) == 0
    again = read_card(tmp_path / "b.safetensors")
    assert again.scores == first.scores
    assert again.training["command"] == first.training["command"]


def test_what_a_user_should_know_is_said_before_the_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = blobs(tmp_path / "data", ("background", "left blob", "right blob"))
    assert run(folder, tmp_path / "a.safetensors", "--patch", "32", "16", "16") == 0
    told = capsys.readouterr().err
    assert "Patches are not mirrored: a side is told by the name of 'left blob'" in told
    assert "larger than every image" in told
    assert told.index("larger than every image") < told.index("training epoch 1/2")
