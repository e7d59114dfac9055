"""The commands `inspect` and `figure`, run as a person runs them."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from matplotlib.figure import Figure

from napari_attn_unet import io, phantom
from napari_attn_unet.cli.main import main
from napari_attn_unet.prediction import NOTHING_FOUND
from napari_attn_unet.report import figure
from napari_attn_unet.volume import Geometry


@pytest.fixture
def case(tmp_path: Path) -> tuple[Path, Path]:
    """An image and its truth as files, the truth on a grid twice as fine."""
    image, truth = phantom.make((24, 32, 28), seed=3)
    place = Geometry.from_spacing((1.5, 1, 1), (4, 5, 6), "mm")
    io.write(tmp_path / "brain.nii.gz", image.data[0], place)
    finer = place.regridded((0.5, 0.5, 0.5), (-0.25, -0.25, -0.25))
    for axis in range(3):
        truth = truth.repeat(2, axis)
    io.write(tmp_path / "labels.nii.gz", truth, finer)
    return tmp_path / "brain.nii.gz", tmp_path / "labels.nii.gz"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


AGREEMENT = "AUROC,average precision,mean inside,mean outside,inside / outside"
HEADERS = {
    "gates": "gate,grid,coarser,image voxels,mean,sd,"
    "share below 0.05,share above 0.95,entropy,verdict",
    "profile": "axis,slice,class,gate 1 inside,gate 1 outside,gate 2 inside,gate 2 outside,"
    "gate 3 inside,gate 3 outside,mask area (voxels)",
    "agreement": f'detector,class,of,voxels,{AGREEMENT},"inside, of the top 5 %"',
    "agreement_slices": f"gate,class,axis,slice,{AGREEMENT}",
    "knockout": "gate,intervention,class,change of volume (%),Dice with the mask before,"
    "mean |Δ probability| in the mask,voxels before,voxels after,mm³ before,mm³ after",
    "gradcam": "class,level,gate,rank correlation",
}
"""First lines of the tables, which scripts read: a change of a title breaks those."""
WITH_TRUTH = {
    "profile": ",truth area (voxels)",
    "agreement": ",α in TP,α in FP,α in FN",
    "agreement_slices": ",α in TP,α in FP,α in FN",
    "knockout": ",Dice with the truth before,Dice with the truth after,change of Dice",
}
"""What a truth adds to them."""


def header(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0]


def test_inspect_writes_everything(case: tuple[Path, Path], tmp_path: Path) -> None:
    image, truth = case
    out = tmp_path / "out"
    command = ["inspect", str(image), "--truth", str(truth), "--out", str(out)]
    assert main([*command, "--checkpoint", "phantom"]) == 0
    gates = table(out / "gates.csv")
    alpha = nibabel.load(out / "gate1.nii.gz").get_fdata()
    assert float(gates[0]["mean"]) == pytest.approx(alpha.mean(), abs=1e-5)
    assert len(table(out / "profile.csv")) == 3 * (24 + 32 + 28)  # any class, and each of two
    agreement = table(out / "agreement.csv")
    assert {row["class"] for row in agreement} >= {"any"}
    assert any("random weights" in " ".join(row.values()) for row in agreement)
    assert any("gradient" in " ".join(row.values()) for row in agreement)
    knockouts = table(out / "knockout.csv")
    assert len(knockouts) == 3 * 5 * 2  # gates × interventions × classes
    assert all(0 <= float(row["Dice with the truth before"]) <= 1 for row in knockouts)
    assert len(table(out / "gradcam.csv")) == 2 * 3
    assert len(list(out.glob("gradcam_*_level2.nii.gz"))) == 2
    assert (out / "figure.png").stat().st_size > 20_000
    assert (out / "prediction.json").is_file()
    known = {path for name in io.RESULT for path in out.glob(name)}
    assert set(out.iterdir()) == known  # all of it gives way to another result
    for name, line in HEADERS.items():
        assert header(out / f"{name}.csv") == line + WITH_TRUTH.get(name, "")


def test_inspect_leaves_out_what_is_not_wanted(case: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["inspect", str(case[0]), "--out", str(out), "--checkpoint", "phantom"]
    assert main([*command, "--no-knockout", "--no-gradcam"]) == 0
    assert not (out / "knockout.csv").exists()
    assert not list(out.glob("gradcam*"))
    plain = (out / "figure.png").read_bytes()
    looks = ["--axis", "y", "--slices", "9", "--contrast=0,2", "--orientation", "stored"]
    assert main([*command, "--no-knockout", "--no-gradcam", *looks, "--overwrite"]) == 0
    assert (out / "figure.png").read_bytes() != plain
    for name in ("gates", "profile", "agreement", "agreement_slices"):
        assert header(out / f"{name}.csv") == HEADERS[name]


def test_what_is_left_out_does_not_stay_from_an_earlier_run(
    case: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("knockout.csv", "gradcam_x_level2.nii.gz", "notes.txt"):
        (out / name).write_text("of another checkpoint")
    command = ["inspect", str(case[0]), "--out", str(out), "--checkpoint", "phantom"]
    command += ["--no-knockout", "--no-gradcam"]
    assert main(command) == 1
    assert "knockout.csv already" in (told := capsys.readouterr().err)
    assert "%" not in told  # nothing has run
    assert main([*command, "--overwrite"]) == 0
    assert (out / "notes.txt").read_text() == "of another checkpoint"
    assert not (out / "knockout.csv").exists()
    assert not list(out.glob("gradcam*"))


def test_attention_is_another_name_of_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("inspect", "attention"):
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        told = " ".join(capsys.readouterr().out.split())
        other = "inspect" if name == "attention" else "attention"
        assert told.startswith(f"usage: attn-unet {name} ")
        assert f"`attn-unet {other}` is the same command" in told


def test_a_truth_that_holds_no_labels_is_refused(
    case: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(case[0])
    assert main(["attention", image, "--truth", image, "--out", str(tmp_path / "o")]) == 1
    assert "holds no labels" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "gif"])
def test_figure_writes_what_the_ending_says(
    case: tuple[Path, Path], tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"figure.{ending}"
    command = ["figure", str(case[0]), "--truth", str(case[1]), "--out", str(path)]
    which = [] if ending == "gif" else ["--slices", "9,20"]
    assert main([*command, "--checkpoint", "phantom", "--axis", "y", *which]) == 0
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "gif": b"GIF89a"}[ending]
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "f.bmp"], ".png"),
        (["--out", "f.png", "--slices", "5,99"], "0 to 23"),
        (["--out", "f.png", "--colormap", "nosuch"], "nosuch"),
        (["--out", "f.png", "--slices", "five"], "five"),
        (["--out", "f.gif", "--slices", "5"], "for pictures"),
        (["--out", "f.png", "--gate", "2"], "for films"),
        (["--out", "f.gif", "--gate", "9"], "from 1 to 3"),
    ],
)
def test_figure_says_what_is_wrong(
    case: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["figure", str(case[0]), "--checkpoint", "phantom", *options]) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("f.*"))


def test_predict_warns_of_a_far_larger_image_and_tells_of_time_points(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = np.random.default_rng(0).normal(size=(2, 20, 24, 22)).astype(np.float32)
    io.write(tmp_path / "series.nii.gz", series, Geometry.from_spacing((9, 9, 9), unit="mm"))
    command = ["predict", str(tmp_path / "series.nii.gz"), "--out", str(tmp_path / "o")]
    assert main([*command, "--checkpoint", "phantom"]) == 0
    told = capsys.readouterr()
    assert "much larger than those the checkpoint was trained on" in told.err
    assert "over 2 time points" in told.out
    assert main(["figure", command[1], "--out", str(tmp_path / "f.png")]) == 1
    assert "series of 2 volumes" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["2", "0", "1KB", "5PB", "."])
def test_a_memory_limit_that_is_none(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "a.nii.gz", "--out", "o", "--memory-limit", size])
    assert "2GB" in capsys.readouterr().err


def test_mp4_without_its_encoder_is_told_before_the_work(
    case: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if find_spec("imageio_ffmpeg") is not None:
        pytest.skip("the encoder is there")
    assert main(["figure", str(case[0]), "--out", str(tmp_path / "f.mp4")]) == 1
    told = capsys.readouterr().err
    assert "imageio-ffmpeg" in told
    assert "%" not in told  # nothing has run


@pytest.mark.parametrize(
    "options",
    [
        ["figure", "a.nii.gz", "--out", "f.png", "--opacity", "7"],
        ["figure", "a.nii.gz", "--out", "f.png", "--gate", "0"],
        ["figure", "a.nii.gz", "--out", "f.png", "--contrast", "9,0"],
        ["figure", "a.nii.gz", "--out", "f.png", "--contrast", "nine"],
        ["inspect", "a.nii.gz", "--out", "o", "--top", "0"],
        ["inspect", "a.nii.gz", "--out", "o", "--top", "150"],
        ["evaluate", "a", "b", "--out", "o", "--tolerance", "-1"],
    ],
)
def test_numbers_out_of_range_are_refused(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(options)
    assert "needed" in capsys.readouterr().err


NOTHING = np.random.default_rng(0).normal(size=(24, 32, 28)).astype(np.float32)
"""An image in which the network finds nothing."""


def said_in_figures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Get the lines above and below each figure that is saved."""
    written: list[str] = []
    save = figure.save

    def heard(drawn: Figure, *place: Any) -> None:
        written.extend(text.get_text().replace("\n", " ") for text in drawn.texts)
        save(drawn, *place)

    monkeypatch.setattr(figure, "save", heard)
    return written


@pytest.mark.parametrize("command", ["figure", "inspect"])
def test_where_nothing_was_found_picture_and_terminal_say_what_the_window_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    io.write(tmp_path / "empty.nii.gz", NOTHING, Geometry.from_spacing((1.5, 1, 1), unit="mm"))
    written = said_in_figures(monkeypatch)
    out = tmp_path / ("f.png" if command == "figure" else "out")
    options = ["--no-gradcam", "--no-knockout"] if command == "inspect" else []
    options += ["--out", str(out), "--checkpoint", "phantom"]
    assert main([command, str(tmp_path / "empty.nii.gz"), *options]) == 0
    assert f"empty.nii.gz: {NOTHING_FOUND}." in capsys.readouterr().err
    assert written == ["empty · phantom", f"{NOTHING_FOUND}."]


def test_a_time_point_is_chosen_counted_from_1(
    case: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (brain,) = io.read(case[0])
    data = np.asarray(brain.data[0])
    io.write(tmp_path / "s.nii.gz", np.stack([NOTHING, data]), brain.geometry)
    written = said_in_figures(monkeypatch)
    command = ["figure", "s.nii.gz", "--checkpoint", "phantom"]
    assert main([*command, "--out", "1.png", "--time", "1"]) == 0
    assert written == ["s · time point 1 · phantom", f"{NOTHING_FOUND}."]
    assert main([*command, "--out", "2.png", "--time", "2"]) == 0
    assert written[2:] == ["s · time point 2 · phantom"]
    capsys.readouterr()
    assert main([*command, "--out", "3.png", "--time", "3"]) == 1
    assert "s.nii.gz has no time point 3; --time takes one from 1 to 2." in capsys.readouterr().err
    assert main([*command, "--out", "3.png"]) == 1
    assert "series of 2 volumes; choose one with --time" in capsys.readouterr().err
    assert main(["figure", str(case[0]), "--out", "3.png", "--time", "2"]) == 1
    assert "--time takes 1, as it is no series" in capsys.readouterr().err
    assert not Path("3.png").exists()


def test_a_file_that_says_no_place_has_a_figure_without_one(
    case: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = nibabel.load(case[0])
    nowhere = nibabel.Nifti1Image(np.asarray(placed.dataobj), None, placed.header)
    for code in ("sform_code", "qform_code"):
        nowhere.header[code] = 0
    nibabel.save(nowhere, tmp_path / "nowhere.nii.gz")
    told: list[str] = []
    draw = figure.draw

    def heard(*given: Any, **named: Any) -> Figure:
        drawn = draw(*given, **named)
        told.append(drawn.axes[0].get_ylabel())
        return drawn

    monkeypatch.setattr(figure, "draw", heard)
    for image in (str(case[0]), str(tmp_path / "nowhere.nii.gz")):
        command = ["figure", image, "--out", str(tmp_path / "f.png"), "--overwrite"]
        assert main([*command, "--checkpoint", "phantom", "--slices", "7"]) == 0
    assert told == ["z 7 · 14.5 mm", "z 7"]


def test_a_truth_on_another_grid_is_told_and_an_image_refused(
    case: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image, truth = case
    command = ["figure", str(image), "--out", str(tmp_path / "f.png"), "--checkpoint", "phantom"]
    written = said_in_figures(monkeypatch)
    assert main([*command, "--truth", str(truth)]) == 0
    (note,) = (line for line in capsys.readouterr().err.splitlines() if "another grid" in line)
    assert "lies on another grid (48, 64, 56)" in note
    assert " ".join(written).endswith(note)
    grey = np.arange(24 * 32 * 28, dtype=np.float32).reshape(24, 32, 28) / 7
    scan = tmp_path / "images" / "scan.nii.gz"
    io.write(scan, grey, Geometry.from_spacing((1.5, 1, 1), unit="mm"))
    assert main([*command, "--overwrite", "--truth", str(scan)]) == 1
    assert "have other values, such as 0.142857" in capsys.readouterr().err
