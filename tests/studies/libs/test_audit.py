from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spectrakit.explain.audit import line_mass, map_agreement, near_lines, rank_correlation
from spectrakit.explain.gradcam import grad_cam
from spectrakit.ledger import load_published
from spectrakit.models.cnn import CNNConfig, SpectralCNN
from spectrakit.simulate.libs import experiment
from spectrakit.simulate.libs.atoms import line_table
from spectrakit.simulate.libs.plasma import SpectralRange
from spectrakit.studies.libs import audit as libs_audit
from spectrakit.studies.libs.protocol import OpenChoices, cut_task, out_of_fold_maps, reference_lines
from spectrakit.studies.libs.run import published_lines

PUBLISHED = load_published("libs")


@pytest.fixture(scope="module")
def explained():
    torch.set_num_threads(1)
    dataset = experiment.measure(experiment.spiked_soils(), n_shots=5)
    return libs_audit.explain_task(cut_task(dataset, "na", "high"), OpenChoices(cnn=CNNConfig(max_epochs=60)))


def test_out_of_fold_takes_the_network_that_had_not_seen_the_sample(explained):
    maps = explained.all_maps()
    assert maps.shape == (10, 12, 33)
    expected = out_of_fold_maps(explained.networks, explained.X, explained.splits)
    np.testing.assert_allclose(explained.out_of_fold(maps), expected, rtol=1e-4)
    predictions = explained.networks.predict(explained.X)
    np.testing.assert_allclose(explained.out_of_fold(predictions), explained.predicted)


def test_the_two_places_are_the_last_convolution_and_its_relu():
    network = SpectralCNN(33)
    assert network.maps[libs_audit.CONVOLUTION] is network.target_layer
    assert isinstance(network.maps[libs_audit.RELU], nn.ReLU)


def test_raising_and_lowering_are_the_two_signs_of_one_sum():
    torch.manual_seed(0)
    network, X = SpectralCNN(33), np.random.default_rng(0).normal(size=(4, 33)).astype(np.float32)
    features = network.maps[:4](torch.tensor(X).unsqueeze(1)).detach().requires_grad_(True)
    prediction = network.output(network.dense_relu(network.dense(network.maps[4:](features).mean(2))))
    (gradient,) = torch.autograd.grad(prediction.sum(), features)
    total = (gradient.mean(2, keepdim=True) * features).sum(1, keepdim=True).detach()
    for sign, found in ((1, grad_cam(network, network.target_layer, X)), (-1, libs_audit.lowering_map(network, X))):
        expected = functional.interpolate((sign * total).relu(), size=33, mode="linear")[:, 0]
        assert found.max() > 0
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_occlusion_of_a_linear_network_is_its_own_sum():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0, 0.0, 5.0]))

        def forward(self, X):
            return X @ self.weight

    X = np.array([[1.0, 1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 0.0, 0.0, -1.0]])
    wavelength = np.array([500.00, 500.04, 500.08, 500.12, 500.30])
    # Half a resolution element is 0.05 nm: a channel and its neighbours, but the last stands alone.
    effect = libs_audit.occlusion_effect(Linear(), X, wavelength)
    np.testing.assert_allclose(effect, [[-1, 2, 1, 3, 5], [-4, -4, -4, 0, -5]])


def test_the_audit_reports_what_its_parts_find(explained):
    found = libs_audit.audit_task(explained, n_randomisations=2)
    maps, effects = explained.all_maps(), explained.all_effects()
    task = explained.task
    mass = line_mass(explained.out_of_fold(maps), task.wavelength, reference_lines("na").wavelength_air_nm)
    assert (found["share"], found["by_chance"], found["p_value"]) == pytest.approx(mass[:3], rel=1e-5)
    assert found["between_folds"] == pytest.approx(np.nanmean(map_agreement(maps)))
    assert found["with_any"] == pytest.approx(np.nanmean(rank_correlation(maps, np.abs(effects))))
    assert found["with_raising"] == pytest.approx(np.nanmean(rank_correlation(maps, effects.clip(min=0))))
    assert -1 < found["with_random"] < 1


def test_random_maps_reproduce_and_are_not_the_trained_ones(explained):
    first, again, other = (explained.random_maps(seed) for seed in (0, 0, 100))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other) and first.shape == explained.all_maps().shape


def test_peaks_become_one_and_empty_maps_stay_empty():
    scaled = libs_audit.scaled_to_peak(np.array([[1.0, 4.0, 2.0], [0.0, 0.0, 0.0]]))
    assert scaled.tolist() == [[0.25, 1.0, 0.5], [0.0, 0.0, 0.0]]


def test_central_depth_is_that_of_the_simulated_plasma():
    lines, plasma = line_table(588.9, 589.1, "Na"), experiment.nominal_plasma()
    (depth,) = libs_audit.central_depths(lines, plasma)
    part = SpectralRange(588.8, 589.2, lines)
    assert depth == pytest.approx(part.line_optical_depth(plasma).max(), rel=0.01)
    thicker = replace(plasma, path_length_m=3 * plasma.path_length_m)
    assert libs_audit.central_depths(lines, thicker) == pytest.approx([3 * depth])


def test_named_lines_have_strength_and_depth():
    found = libs_audit.named_lines_frame(PUBLISHED).set_index("line")
    assert len(found) == 26 and found["window"].value_counts().to_dict() == {"Mg": 10, "Ca": 9, "Na": 7}
    assert np.isnan(found.loc["Mg 279.64", "depth"]) and found.loc["Mg 279.64", "relative_strength"] == 0
    # Both sodium lines end on the same level, so their depths go as their strengths, but for the photon's energy.
    ratio = found.loc["Na 589.59", "depth"] / found.loc["Na 588.99", "depth"]
    assert ratio == pytest.approx(found.loc["Na 589.59", "relative_strength"], rel=0.01)
    (depth,) = libs_audit.central_depths(line_table(279.55, 279.56, "Mg"), experiment.nominal_plasma())
    assert found.loc["Mg 280.27", "self_absorption"] == pytest.approx(depth / (1 - np.exp(-depth)), rel=0.01)


def test_net_widths_count_channels_near_lines():
    widths = libs_audit.net_widths(PUBLISHED).set_index("window")
    assert widths[["channels", "named", "known"]].to_numpy().tolist() == [[66, 9, 44], [124, 10, 116], [33, 7, 15]]
    named = published_lines(PUBLISHED)
    for target, axis in experiment.window_axes().items():
        own = near_lines(axis, named.loc[named["window"] == target, "wavelength_nm"])
        assert widths.loc[target.capitalize(), "named_cover"] == pytest.approx(100 * own.mean())
    assert widths["known_cover"].tolist() == pytest.approx([100, 100, 100 * 32 / 33])


def test_measured_tables_give_tasks_where_contents_are_known():
    data = experiment.measure(experiment.field_soils(), n_shots=2)
    properties = data.properties.assign(na_ppm=np.nan).drop(columns="ca_ppm")
    properties.loc[0, "mg_ppm"] = np.nan
    tasks = libs_audit.measured_tasks({"own": replace(data, properties=properties)})
    assert list(tasks) == [("own", "mg")]
    task = tasks["own", "mg"]
    assert task.counts.shape == (11, 124) and task.sample_id[0] == "S14"
    np.testing.assert_array_equal(task.content, data.properties["mg_ppm"][1:])
    np.testing.assert_array_equal(task.counts, data.window(279.0, 281.0).spectra[1:])
