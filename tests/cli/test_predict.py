"""`predict` over many images: each on its own, over nothing that is there."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_attn_unet import io, phantom
from napari_attn_unet.cli.main import main
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.engine.session import Session
from napari_attn_unet.volume import Geometry

PLACE = Geometry.from_spacing(unit="mm")


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Three small images, a.nii.gz to c.nii.gz."""
    paths = []
    for seed, name in enumerate("abc"):
        volume, _ = phantom.make((16, 18, 20), seed)
        io.write(tmp_path / f"{name}.nii.gz", volume.data[0], PLACE)
        paths.append(str(tmp_path / f"{name}.nii.gz"))
    return paths


def predict(out: Path, *arguments: str) -> int:
    return main(["predict", *arguments, "--out", str(out), "--checkpoint", "phantom"])


def test_a_corrected_mask_is_not_written_over_unasked(
    images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert predict(out, images[0], "--gates", "--probabilities") == 0
    (out / "a" / "mask.nii.gz").write_bytes(b"corrected by hand")
    capsys.readouterr()
    assert predict(out, *images) == 1
    told = capsys.readouterr().err
    assert "mask.nii.gz" in told
    assert "--overwrite" in told
    assert "%" not in told  # nothing has run
    assert (out / "a" / "mask.nii.gz").read_bytes() == b"corrected by hand"
    assert not (out / "b").exists()


def test_no_map_of_another_run_stays_beside_the_new_mask(images: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert predict(out, images[0], "--gates", "--probabilities") == 0
    (out / "a" / "knockout.csv").write_text("of the earlier checkpoint")
    (out / "a" / "notes.txt").write_text("mine")
    assert main(["predict", images[0], "--out", str(out), "--overwrite"]) == 0
    names = {path.name for path in (out / "a").iterdir()}
    assert names == {"mask.nii.gz", "prediction.json", "notes.txt"}
    about = json.loads((out / "a" / "prediction.json").read_text())
    assert about["provenance"]["checkpoint"] == "hippocampus"


def test_an_image_is_never_written_over(images: list[str], tmp_path: Path) -> None:
    image = tmp_path / "out" / "mask" / "mask.nii.gz"
    image.parent.mkdir(parents=True)
    image.write_bytes(Path(images[0]).read_bytes())
    before = image.read_bytes()
    assert predict(tmp_path / "out", str(image), "--overwrite") == 1
    assert image.read_bytes() == before


def test_two_images_that_would_be_one_result_are_refused(
    images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.nii").write_bytes(b"")
    for second in (images[0], str(tmp_path / "a.nii")):
        assert predict(tmp_path / "out", images[0], second) == 1
        assert "%" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "error", [RuntimeError("Expected more than 1 spatial element"), MemoryError(), KeyError("x")]
)
def test_one_image_s_failure_of_any_kind_leaves_the_others_their_turn(
    images: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    run = Session.run

    def fail_at_b(self: Session, **wanted: object) -> object:
        if self.volume.name == "b":
            raise error
        return run(self, **wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "run", fail_at_b)
    assert predict(tmp_path / "out", *images) == 1
    told = capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "c"]
    assert sum("b.nii.gz: " in line for line in told.err.splitlines()) == 1
    assert told.err.splitlines()[-1] == "1 of 3 images failed."
    assert "Traceback" not in told.err


def test_what_is_missing_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "no.nii.gz")
    assert predict(tmp_path / "out", path) == 1
    told = capsys.readouterr().err
    assert told.count("no.nii.gz") == 1
    assert "1 of 1 image failed." in told


def test_an_output_folder_that_cannot_be_is_told_before_the_work(
    images: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Predictor, "__init__", lambda *_: pytest.fail("the work began"))
    (tmp_path / "file").write_text("x")
    assert predict(tmp_path / "file", images[0]) == 1
    told = capsys.readouterr().err
    assert "is a file, and a folder is needed there" in told
    assert "Errno" not in told


def test_zarr_that_is_not_installed_is_told_before_the_work(
    images: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Predictor, "__init__", lambda *_: pytest.fail("the work began"))
    monkeypatch.setattr("napari_attn_unet.io.ome_zarr.find_spec", lambda _: None)
    assert predict(tmp_path / "out", images[0], "--zarr") == 1
    assert "napari-attn-unet[zarr]" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [(1, 20, 20), (20, 20, 3), (5, 5, 5), (17, 21, 13), (2, 2, 2)])
def test_any_size_gives_a_mask_of_that_size(
    shape: tuple[int, int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    io.write(tmp_path / "x.nii.gz", data, PLACE)
    assert predict(tmp_path / "out", str(tmp_path / "x.nii.gz"), "--gates") == 0
    assert nibabel.load(tmp_path / "out/x/mask.nii.gz").shape == shape[::-1]
    assert "much smaller than those" in capsys.readouterr().err
