"""`Checkpoint`: weights and the card that explains them, in one safetensors file.

Nothing is unpickled: a `.pt` / `.pth` file is opened only with torch's `weights_only=True`, and
only in this program's own layout, {"card": JSON text, "state_dict": tensors}.
"""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from napari_attn_unet.errors import CheckpointError, ConfigError, FileError
from napari_attn_unet.network.card import Card, read_card
from napari_attn_unet.network.config import ModelConfig
from napari_attn_unet.network.library import resolve
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.output import replacing

_LISTED = 5  # keys named in a message; the rest are counted
_WRAPPERS = ("module.", "_orig_mod.")
_AVERAGED = "n_averaged"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Weights, the card that explains them, and where they came from.

    Attributes
    ----------
    card
        What the checkpoint says about itself.
    state
        The network's state dictionary, checked against the card's config.
    path
        File it was read from, or None.
    sha256
        SHA-256 of that file; of nothing ("") for a checkpoint made in memory.
    """

    card: Card
    state: dict[str, Tensor]
    path: Path | None = None
    sha256: str = ""

    @property
    def config(self) -> ModelConfig:
        """The network's architecture."""
        return ModelConfig.from_dict(self.card.config)

    def network(self) -> AttentionUNet:
        """Return the network with these weights, in evaluation mode."""
        network = AttentionUNet(self.config)
        network.load_state_dict(self.state)
        return network.eval()

    def save(self, path: str | Path) -> None:
        """Write the checkpoint as safetensors; an interrupted write leaves no half file.

        Raises
        ------
        CheckpointError
            If the file cannot be written.
        """
        tensors = {key: value.detach().cpu().contiguous() for key, value in self.state.items()}
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(save_tensors(tensors, {"card": self.card.to_json()}))
        except FileError as error:
            msg = f"The checkpoint was not saved. {error}"
            raise CheckpointError(msg) from error


def load(source: str | Path) -> Checkpoint:
    """Read a checkpoint and check it against its own card.

    Parameters
    ----------
    source
        Path of a file, or the name of a checkpoint that ships ("hippocampus", "phantom").

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, foreign, or its weights do not fit its card; the message
        names what is wrong. Never returns a half-loaded model.
    """
    path = resolve(source)
    if path.suffix in (".pt", ".pth"):
        card, state = _card_and_state(path)
    else:
        card = read_card(path)
        try:
            state = load_tensors(path.read_bytes())
        except SafetensorError as error:
            msg = (
                f"{path.name} is damaged or incomplete ({error}). "
                "Copy or download it again and compare its size with the original."
            )
            raise CheckpointError(msg) from error
    state = _unwrapped(state)
    _check(path, card, state)
    return Checkpoint(card, state, path, hashlib.sha256(path.read_bytes()).hexdigest())


def read_torch(path: Path) -> Any:
    """Read a file of torch's that holds tensors and plain values; nothing is unpickled.

    Raises
    ------
    CheckpointError
        If it holds anything else, is damaged, or no file of torch's.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own words advise to open such files all the same
        msg = (
            f"{path.name} is refused: it is no file of torch's, or holds Python objects, which may "
            "run code when they are opened. Save the weights as safetensors, with their card."
        )
        raise CheckpointError(msg) from error
    except (RuntimeError, EOFError, KeyError, ValueError, AttributeError) as error:
        msg = (
            f"{path.name} is damaged or incomplete, or no checkpoint at all. Copy or download it "
            "again and compare its size with the original."
        )
        raise CheckpointError(msg) from error


def _card_and_state(path: Path) -> tuple[Card, dict[str, Tensor]]:
    content = read_torch(path)
    if not isinstance(content, dict) or not {"card", "state_dict"} <= set(content):
        found = ", ".join(map(str, list(content)[:_LISTED])) if isinstance(content, dict) else ""
        msg = (
            f"{path.name} is not a checkpoint of this program: it needs the keys 'card' and "
            f"'state_dict', but holds {found or type(content).__name__}. Weights of other "
            "programs are not read yet."
        )
        raise CheckpointError(msg)
    state = content["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        msg = (
            f"{path.name}: its 'state_dict' needs a tensor for each name, as `state_dict()` of a "
            "network gives. Save the weights again."
        )
        raise CheckpointError(msg)
    return Card.from_json(str(content["card"])), dict(state)


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dictionary by the network's own names.

    What wraps a network while it is trained puts a word before each of them, one after the other
    where there are several: `DataParallel` and `AveragedModel`, which counts, too, or `compile`.
    """
    state = {key: value for key, value in state.items() if key != _AVERAGED}
    for prefix in _WRAPPERS:
        if state and all(key.startswith(prefix) for key in state):
            return _unwrapped({key.removeprefix(prefix): v for key, v in state.items()})
    return state


def _check(path: Path, card: Card, state: dict[str, Tensor]) -> None:
    """Raise an error that names every way in which weights and card differ."""
    try:
        config = ModelConfig.from_dict(card.config)
    except (ConfigError, TypeError) as error:
        msg = f"{path.name}: its card describes no network of this program: {error}"
        raise CheckpointError(msg) from error
    if config.classes != len(card.classes):
        msg = (
            f"{path.name}: the card names {len(card.classes)} classes, "
            f"but its network has {config.classes}."
        )
        raise CheckpointError(msg)
    with torch.device("meta"):
        expected = AttentionUNet(config).state_dict()
    problems = [
        f"{what} {_some(keys)}"
        for what, keys in (
            ("lacks", sorted(set(expected) - set(state))),
            ("has the unknown", sorted(set(state) - set(expected))),
            (
                "has another shape in",
                [
                    f"{key} {tuple(state[key].shape)}, needs {tuple(expected[key].shape)}"
                    for key in sorted(set(expected) & set(state))
                    if state[key].shape != expected[key].shape
                ],
            ),
            ("has NaN or infinite numbers in", _not_finite(state)),
        )
        if keys
    ]
    if problems:
        msg = f"{path.name}: the weights do not fit the network on their card. The file " + (
            "; it ".join(problems) + ". It was renamed, edited or mixed up; get the original."
        )
        raise CheckpointError(msg)


def _not_finite(state: dict[str, Tensor]) -> list[str]:
    return sorted(k for k, v in state.items() if not bool(torch.isfinite(v).all()))


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return ", ".join(keys[:_LISTED]) + more
