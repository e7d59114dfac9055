"""Knock-out: force gates to something else and see what the mask does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_attn_unet.engine.intervention import KINDS, Intervention
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.engine.session import Session
from napari_attn_unet.errors import ConfigError
from napari_attn_unet.network.checkpoint import Checkpoint
from napari_attn_unet.network.model import AttentionUNet
from napari_attn_unet.prediction import GateMap, Prediction, Steps, finish, relay
from napari_attn_unet.scores import metrics
from napari_attn_unet.table import Row, column
from napari_attn_unet.volume import Volume


def standard() -> tuple[Intervention, ...]:
    """Return what a table tries on every gate: one of each kind, scaling by a half."""
    return tuple(Intervention(kind, 0.5 if kind == "scaled" else 1.0) for kind in KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow(Row):
    """What a change of gates did to a class.

    Attributes
    ----------
    gate, intervention
        What was forced, to what: "gate 1, gate 2", "zero, mean".
    volume_change
        In percent of the volume before; NaN where there was none.
    dice_with_before
        Of the mask with the mask before.
    probability_change
        Mean magnitude of the change of the class's probability in the mask before.
    mm3_before, mm3_after
        None where the geometry knows no mm.
    truth_dice_before, truth_dice_after, truth_dice_change
        Dice with the truth; None without one.
    """

    gate: str = column("gate")
    intervention: str = column("intervention")
    class_name: str = column("class")
    volume_change: float = column("change of volume (%)")
    dice_with_before: float = column("Dice with the mask before")
    probability_change: float = column("mean |Δ probability| in the mask")
    voxels_before: int = column("voxels before")
    voxels_after: int = column("voxels after")
    mm3_before: float | None = column("mm³ before", None)
    mm3_after: float | None = column("mm³ after", None)
    truth_dice_before: float | None = column("Dice with the truth before", None)
    truth_dice_after: float | None = column("Dice with the truth after", None)
    truth_dice_change: float | None = column("change of Dice", None)


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What a change of gates did to a prediction.

    Attributes
    ----------
    changes
        {gate's level: what was done}.
    base, changed
        The predictions without and with it, both with probabilities.
    """

    changes: Mapping[int, Intervention]
    base: Prediction
    changed: Prediction

    @property
    def name(self) -> str:
        """What was done: "gate 1: zero, gate 2: mean"."""
        return ", ".join(f"gate {level}: {change}" for level, change in self.changes.items())

    def delta(self, label: int) -> npt.NDArray[np.float32]:
        """Return the change of a class's probability, (Z, Y, X), in [-1, 1]."""
        before, after = self.base.probabilities, self.changed.probabilities
        assert before is not None  # noqa: S101  (for the type checker: they are asked for)
        assert after is not None  # noqa: S101
        change: npt.NDArray[np.float32] = np.asarray(after[label]) - np.asarray(before[label])
        return change

    @property
    def changed_voxels(self) -> npt.NDArray[np.uint8]:
        """Where the mask changed: the new label plus 1 (1: it is background now); 0 elsewhere."""
        different = self.base.mask != self.changed.mask
        return np.where(different, self.changed.mask + 1, 0).astype(np.uint8)

    def rows(self, truth: npt.NDArray[Any] | None = None) -> list[EffectRow]:
        """Return a row per class: volumes, overlap with the base mask and, if given, a truth.

        Parameters
        ----------
        truth
            Labels (Z, Y, X) on the masks' grid.
        """
        rows = []
        before, after = self.base.class_sizes(), self.changed.class_sizes()
        for label, (name, voxels, mm3) in before.items():
            _, now, mm3_now = after[label]
            was, becomes = (
                None if truth is None else metrics.dice(prediction.mask, truth, label)
                for prediction in (self.base, self.changed)
            )
            rows.append(
                EffectRow(
                    gate=", ".join(f"gate {level}" for level in self.changes),
                    intervention=", ".join(map(str, self.changes.values())),
                    class_name=name,
                    volume_change=100 * (now - voxels) / voxels if voxels else float("nan"),
                    dice_with_before=metrics.dice(self.changed.mask, self.base.mask, label),
                    probability_change=self._mean_change(label),
                    voxels_before=voxels,
                    voxels_after=now,
                    mm3_before=mm3,
                    mm3_after=mm3_now,
                    truth_dice_before=was,
                    truth_dice_after=becomes,
                    truth_dice_change=None if was is None or becomes is None else becomes - was,
                )
            )
        return rows

    def _mean_change(self, label: int) -> float:
        inside = self.base.mask == label
        return float(np.abs(self.delta(label)[inside]).mean()) if inside.any() else float("nan")


def knock_out(
    predictor: Predictor, volume: Volume, changes: Sequence[Mapping[int, Intervention]]
) -> list[Effect]:
    """Run a network as it is, then with each change of its gates.

    Parameters
    ----------
    predictor, volume
        What is run, on what.
    changes
        Each {gate's level, from 1, the finest: what is done to it}, all at once.

    Returns
    -------
    list of Effect
        One for each change: both predictions, Δ probability (Z, Y, X), changed voxels.

    Raises
    ------
    ConfigError
        If a change names no gate, or one that the network does not have.
    """
    return finish(steps(predictor.session(volume, keep="gates"), changes))


def steps(
    session: Session,
    changes: Sequence[Mapping[int, Intervention]],
    *,
    base: Prediction | None = None,
    look_at: int | None = None,
) -> Steps[list[Effect]]:
    """Do what `knock_out` does, yielding progress.

    What the changes do not reach is computed once and kept, if memory allows.

    Parameters
    ----------
    session
        Of the predictor and volume; it keeps what further calls need if it keeps "gates".
    changes
        As of `knock_out`.
    base
        The prediction without any change, with probabilities, if there is one.
    look_at
        The plane to begin with; see `Session.run`.
    """
    for change in changes:
        if not change:
            msg = "A knock-out needs at least one gate to change, but got none."
            raise ConfigError(msg)
    wanted: list[Mapping[int, Intervention]] = list(changes)
    if base is None or base.probabilities is None or session.can_fill:
        wanted.insert(0, {})
    effects = []
    for i, change in enumerate(wanted):
        what = Effect(change, base, base).name if change and base is not None else "as it is"
        run = session.run(probabilities=True, interventions=change, look_at=look_at)
        result = yield from relay(run, what, (i / len(wanted), (i + 1) / len(wanted)))
        if not change:
            base = result
        else:
            assert base is not None  # noqa: S101  (for the type checker: made first)
            effects.append(Effect(change, base, result))
    return effects


def table(
    session: Session,
    truth: npt.NDArray[Any] | None = None,
    interventions: Sequence[Intervention] | None = None,
) -> Steps[list[EffectRow]]:
    """Try interventions, the `standard` ones by default, on every gate; return a row per class."""
    kinds = standard() if interventions is None else interventions
    levels = session.predictor.checkpoint.config.gated_levels
    changes = [{level: change} for level in levels for change in kinds]
    rows: list[EffectRow] = []
    base: Prediction | None = None
    for i, change in enumerate(changes):  # one at a time: only one result is held
        share = i / len(changes), (i + 1) / len(changes)
        (effect,) = yield from relay(steps(session, [change], base=base), share=share)
        base = effect.base
        rows += effect.rows(truth)
    return rows


def randomised(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """Return the same network with random weights.

    A map that says as much with random weights as with trained ones says nothing of what was
    learnt (Adebayo et al. 2018, arXiv:1810.03292).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = AttentionUNet(checkpoint.config).state_dict()
    card = replace(checkpoint.card, name=f"{checkpoint.card.name}, random weights")
    return Checkpoint(card, state)


def random_gates(predictor: Predictor, volume: Volume, seed: int = 0) -> Steps[tuple[GateMap, ...]]:
    """Return the gate maps of `randomised` on a volume."""
    other = Predictor(
        randomised(predictor.checkpoint, seed),
        str(predictor.device),
        predictor.precision,
        predictor.memory_limit,
    )
    prediction = yield from other.steps(volume)
    return prediction.gates
