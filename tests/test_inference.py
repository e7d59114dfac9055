"""A prediction is the whole volume's, on the input's grid, and says where it comes from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_attn_unet.card import Card, ClassInfo, PreprocessingSpec
from napari_attn_unet.checkpoint import Checkpoint
from napari_attn_unet.errors import AttnUNetError, ConfigError, DeviceError
from napari_attn_unet.inference import Predictor
from napari_attn_unet.model import AttentionUNet, ModelConfig
from napari_attn_unet.planning import Plan, estimate_bytes
from napari_attn_unet.volume import Geometry, Volume

CONFIG = ModelConfig(classes=3, channels=(4, 8, 16))


def checkpoint(spec: PreprocessingSpec | None = None) -> Checkpoint:
    torch.manual_seed(0)
    classes = tuple(ClassInfo.numbered(i, n) for i, n in enumerate(("background", "one", "two")))
    card = Card("tiny", CONFIG.to_dict(), classes, preprocessing=spec or PreprocessingSpec())
    return Checkpoint(card, AttentionUNet(CONFIG).state_dict())


@pytest.fixture
def volume() -> Volume:
    data = np.random.default_rng(0).normal(size=(1, 45, 18, 17))
    return Volume(data, Geometry.from_spacing((2, 1, 1), (5, 6, 7), "mm"))


def test_a_lower_memory_limit_changes_the_plan_and_not_the_result(volume: Volume) -> None:
    whole = Predictor(checkpoint()).predict(volume, probabilities=True)
    limit = estimate_bytes(CONFIG, volume.shape, Plan(0, 1, 8), 4)
    slabs = Predictor(checkpoint(), memory_limit=limit).predict(volume, probabilities=True)
    assert whole.provenance["plan"] != slabs.provenance["plan"]
    assert whole.probabilities is not None
    assert slabs.probabilities is not None
    np.testing.assert_allclose(slabs.probabilities, whole.probabilities, atol=1e-5)
    np.testing.assert_array_equal(slabs.mask, whole.mask)
    for a, b in zip(slabs.gates, whole.gates, strict=True):
        np.testing.assert_allclose(a.coefficients, b.coefficients, atol=1e-5)


def test_the_mask_is_the_networks_own(volume: Volume) -> None:
    prediction = Predictor(checkpoint()).predict(volume)
    data = volume.data[0]
    image = torch.from_numpy((data - data.mean()) / data.std()).float()[None, None]
    with torch.no_grad():
        output = checkpoint().network()(image)
    np.testing.assert_array_equal(prediction.mask, output.logits[0].argmax(0).numpy())
    assert [g.level for g in prediction.gates] == [1, 2]
    np.testing.assert_allclose(
        prediction.gates[0].coefficients, output.gates[1][0, 0].numpy(), atol=1e-5
    )


def test_a_card_with_a_spacing_gives_a_result_on_the_images_grid(volume: Volume) -> None:
    spec = PreprocessingSpec(spacing=(1, 1, 1))
    prediction = Predictor(checkpoint(spec)).predict(volume, probabilities=True)
    assert prediction.mask.shape == volume.shape
    assert prediction.probabilities is not None
    np.testing.assert_array_equal(prediction.mask, prediction.probabilities.argmax(0))
    gate = prediction.gates[0]
    np.testing.assert_allclose(gate.geometry.spacing, (2, 2, 2))
    corner = gate.geometry.affine @ (-0.5, -0.5, -0.5, 1)
    np.testing.assert_allclose(corner[:3], (4, 5.5, 6.5))


def test_a_threshold_decides_its_class_alone(volume: Volume) -> None:
    predictor = Predictor(checkpoint())
    plain = predictor.predict(volume, probabilities=True).probabilities
    assert plain is not None
    least = float(np.median(plain[2]))
    mask = predictor.predict(volume, threshold=(2, least)).mask
    np.testing.assert_array_equal(mask == 2, plain[2] >= np.float32(least))
    np.testing.assert_array_equal(mask[mask != 2], plain[:2].argmax(0)[mask != 2])
    with pytest.raises(ConfigError, match="label"):
        predictor.predict(volume, threshold=(3, 0.5))


def test_progress_grows_and_planes_come_once(volume: Volume) -> None:
    limit = estimate_bytes(CONFIG, volume.shape, Plan(0, 1, 8), 4)
    progress = list(Predictor(checkpoint(), memory_limit=limit).steps(volume))
    done = [p.done for p in progress]
    assert done == sorted(done)
    planes = [plane for p in progress if p.planes for plane in range(*p.planes)]
    assert planes == list(range(45))


def test_bad_input_is_refused_before_the_network_runs(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_attn_unet.inference.evaluate", lambda *_: pytest.fail("ran"))
    for data in (np.full_like(volume.data, np.nan), np.ones_like(volume.data), volume.data[[0, 0]]):
        with pytest.raises(AttnUNetError):
            Predictor(checkpoint()).predict(Volume(data))


def test_a_device_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(DeviceError, match="cuda:99"):
        Predictor(checkpoint(), device="cuda:99")


def test_provenance_tells_what_was_run(volume: Volume) -> None:
    about = Predictor(checkpoint(), device="cpu").predict(volume).provenance
    assert about["checkpoint"] == "tiny"
    assert about["device"] == "cpu"
    assert ModelConfig.from_dict(about["config"]) == CONFIG
    assert set(about["versions"]) == {"napari-attn-unet", "torch"}
