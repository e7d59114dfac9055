"""A checkpoint loads whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import DataParallel
from torch.optim.swa_utils import AveragedModel

from napari_attn_unet.errors import CheckpointError
from napari_attn_unet.network import checkpoint, library
from napari_attn_unet.network.card import Card, read_card
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.prediction import ClassInfo


@pytest.fixture
def tiny() -> Checkpoint:
    torch.manual_seed(0)
    config = ModelConfig(channels=(2, 4))
    classes = (ClassInfo.numbered(0, "background"), ClassInfo.numbered(1, "thing"))
    card = Card("tiny", config.to_dict(), classes, scores={"Dice": 0.5})
    return Checkpoint(card, AttentionUNet(config).state_dict())


def test_what_is_saved_is_what_loads(tiny: Checkpoint, tmp_path: Path) -> None:
    tiny.save(tmp_path / "a.safetensors")
    loaded = checkpoint.load(tmp_path / "a.safetensors")
    assert loaded.card == read_card(tmp_path / "a.safetensors")
    assert loaded.card.classes == tiny.card.classes
    assert loaded.sha256 == hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()
    assert loaded.path == tmp_path / "a.safetensors"
    for key, value in tiny.state.items():
        assert torch.equal(loaded.state[key], value)


def test_damaged_and_foreign_files_are_named(tiny: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tiny.save(path)
    whole = path.read_bytes()
    for kept in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoint.load(path)
    save_file({"w": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="no card"):
        checkpoint.load(path)
    path.write_text("not a checkpoint at all")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        checkpoint.load(path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint.load(tmp_path / "missing.safetensors")


def test_weights_that_do_not_fit_are_named(tiny: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for key, value, word in (
        ("head.weight", torch.ones(5, 5, 1, 1, 1), r"another shape in head.weight \(5, 5"),
        ("head.bias", torch.tensor([0.0, float("nan")]), "NaN"),
        ("head.bias", torch.tensor([0.0, float("inf")]), "infinite"),
        ("stranger", torch.ones(1), "unknown stranger"),
        ("head.bias", None, "lacks head.bias"),
    ):
        state = dict(tiny.state)
        if value is None:
            del state[key]
        else:
            state[key] = value
        Checkpoint(tiny.card, state).save(path)
        with pytest.raises(CheckpointError, match=word):
            checkpoint.load(path)


def test_a_class_without_a_name_or_a_name_without_a_class_is_refused(
    tiny: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    for classes in (tiny.card.classes[:1], (*tiny.card.classes, ClassInfo.numbered(2, "more"))):
        Checkpoint(replace(tiny.card, classes=classes), tiny.state).save(path)
        with pytest.raises(CheckpointError, match=f"names {len(classes)} classes.*has 2"):
            checkpoint.load(path)


def test_a_checkpoints_network_is_ready_for_evaluation(tiny: Checkpoint) -> None:
    assert not any(module.training for module in tiny.network().modules())


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_nothing_is_unpickled(tiny: Checkpoint, tmp_path: Path) -> None:
    torch.save({"card": Trap(tmp_path / "sprung")}, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="refused"):
        checkpoint.load(tmp_path / "bad.pt")
    assert not (tmp_path / "sprung").exists()
    torch.save({"card": tiny.card.to_json(), "state_dict": tiny.state}, tmp_path / "own.pt")
    assert checkpoint.load(tmp_path / "own.pt").card.name == "tiny"


def test_those_that_ship_load_and_are_small() -> None:
    ships = library.bundled()
    assert "hippocampus" in ships
    assert sum(path.stat().st_size for path in ships.values()) < 15_000_000
    for name in ships:
        card = checkpoint.load(name).card
        assert card.scores
        assert card.training["licence"]


@pytest.mark.parametrize(
    "wrap",
    [
        DataParallel,
        AveragedModel,
        lambda network: AveragedModel(DataParallel(network)),
        torch.compile,
        lambda network: DataParallel(torch.compile(network)),
    ],
    ids=["DataParallel", "AveragedModel", "both", "compile", "DataParallel of compile"],
)
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_weights_saved_from_a_wrapped_network_are_the_network_s(
    wrap: Callable[[torch.nn.Module], torch.nn.Module],
    ending: str,
    tiny: Checkpoint,
    tmp_path: Path,
) -> None:
    wrapped = wrap(tiny.network()).state_dict()
    assert not set(wrapped) & set(tiny.state)
    path = tmp_path / f"a.{ending}"
    if ending == "pt":
        torch.save({"card": tiny.card.to_json(), "state_dict": wrapped}, path)
    else:
        Checkpoint(tiny.card, wrapped).save(path)
    loaded = checkpoint.load(path).state
    assert set(loaded) == set(tiny.state)
    assert all(torch.equal(loaded[key], value) for key, value in tiny.state.items())


def test_a_prefix_that_only_some_weights_have_is_named(tiny: Checkpoint, tmp_path: Path) -> None:
    state = {f"module.{key}": value for key, value in tiny.state.items() if key != "head.bias"}
    Checkpoint(tiny.card, state | {"head.bias": tiny.state["head.bias"]}).save(
        tmp_path / "a.safetensors"
    )
    with pytest.raises(CheckpointError, match=r"unknown module\."):
        checkpoint.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("state", [5, ["head.bias"], {"head.bias": 1.0}])
def test_weights_that_are_no_tensors_by_name_are_refused(
    state: object, tiny: Checkpoint, tmp_path: Path
) -> None:
    torch.save({"card": tiny.card.to_json(), "state_dict": state}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="a tensor for each name"):
        checkpoint.load(tmp_path / "a.pt")
