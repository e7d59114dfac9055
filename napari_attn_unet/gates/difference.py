"""Two checkpoints on one image: where they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.prediction import Prediction, Steps, relay
from napari_attn_unet.volume import Geometry, Volume


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """Two predictions of one image, both with probabilities."""

    first: Prediction
    second: Prediction

    def maps(self) -> dict[str, tuple[npt.NDArray[np.float32], Geometry]]:
        """Return what both have, second minus first: {what: ((Z, Y, X) in [-1, 1], its place)}.

        Probabilities of the classes with the same name; gates of the same level, where both lie on
        the same grid.
        """
        found: dict[str, tuple[npt.NDArray[np.float32], Geometry]] = {}
        a, b = self.first.probabilities, self.second.probabilities
        assert a is not None  # noqa: S101  (for the type checker: they were asked for)
        assert b is not None  # noqa: S101
        others = [name for name, _ in self.second.classes]
        for label, (name, _) in list(enumerate(self.first.classes))[1:]:
            if name in others[1:]:
                change = np.asarray(b[others.index(name)]) - np.asarray(a[label])
                found[f"probability of {name}"] = change, self.first.geometry
        gates = {gate.level: gate for gate in self.second.gates}
        for gate in self.first.gates:
            other = gates.get(gate.level)
            if other is None or other.coefficients.shape != gate.coefficients.shape:
                continue
            if gate.geometry.is_grid_of(other.geometry, gate.coefficients.shape):
                found[gate.name] = other.coefficients - gate.coefficients, gate.geometry
        return found


def compare(first: Predictor, second: Predictor, volume: Volume) -> Steps[Difference]:
    """Run both on a volume; yield progress, return the difference."""
    predictions: list[Prediction] = []
    for i, predictor in enumerate((first, second)):
        steps = predictor.steps(volume, probabilities=True)
        name = predictor.checkpoint.card.name
        predictions.append((yield from relay(steps, name, (i / 2, (i + 1) / 2))))
    return Difference(*predictions)
