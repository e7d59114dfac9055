"""Labels from probabilities; and a result says what was asked for."""

from __future__ import annotations

import numpy as np
import torch
from helpers import drive, tiny_checkpoint

from napari_attn_unet.engine.intervention import Intervention
from napari_attn_unet.engine.predictor import Predictor
from napari_attn_unet.engine.result import label_map
from napari_attn_unet.volume import Geometry, Volume


def volume() -> Volume:
    data = np.random.default_rng(0).normal(size=(1, 12, 18, 17))
    return Volume(data, Geometry.from_spacing((2, 1, 1), unit="mm"), "brain", {"from": "a scan"})


def test_a_voxel_exactly_at_the_threshold_gets_the_label() -> None:
    probabilities = torch.tensor([[0.5, 0.625, 0.375], [0.25, 0.25, 0.25], [0.25, 0.125, 0.375]])
    probabilities = probabilities[:, None, None]
    assert label_map(probabilities, (2, 0.25)).ravel().tolist() == [2, 0, 2]
    assert label_map(probabilities, (1, 0.25)).ravel().tolist() == [1, 1, 1]


def test_below_the_threshold_the_label_is_none_however_probable() -> None:
    probabilities = torch.tensor([0.1, 0.2, 0.7]).view(3, 1, 1, 1)
    assert label_map(probabilities, (2, 0.75)).item() == 1
    assert label_map(probabilities, None).item() == 2


def test_provenance_tells_what_was_asked_for() -> None:
    region = (slice(2, 9), slice(0, 18), slice(4, 5))
    changes = {1: Intervention("scaled", 0.5), 2: Intervention("zero")}
    steps = Predictor(tiny_checkpoint()).steps(
        volume(), region=region, threshold=(1, 0.25), interventions=changes
    )
    about = drive(steps)[1].provenance
    assert about["image"] == "brain"
    assert about["region"] == [[2, 9], [0, 18], [4, 5]]
    assert about["threshold"] == (1, 0.25)
    assert about["interventions"] == {
        "gate 1": {"kind": "scaled", "factor": 0.5},
        "gate 2": {"kind": "zero"},
    }
    whole = Predictor(tiny_checkpoint()).predict(volume())
    assert whole.provenance["region"] is None
    assert whole.provenance["threshold"] is None
    assert whole.metadata == {"from": "a scan"}


def test_a_regions_result_lies_where_the_region_is() -> None:
    region = (slice(2, 9), slice(0, 18), slice(4, 5))
    part = Predictor(tiny_checkpoint()).predict(volume(), region=region)
    assert part.geometry.origin == (4, 0, 4)
    assert part.mask.shape == (7, 18, 1)
