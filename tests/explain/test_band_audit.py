import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from spectrakit.explain import band_audit
from spectrakit.explain.attributions import mean_absolute, peaks, shap_values
from spectrakit.models.resnet import ResNetConfig, initial_network
from spectrakit.simulate.soils.reflectance import CONSTITUENTS, draw_variation, soil_reflectance
from spectrakit.training.pretraining import Recipe, fit_network, predict

WAVELENGTH = np.arange(2000.0, 2400)
SMALL = ResNetConfig(n_channels=400, n_filters=8, n_last=4, hidden=(8,))
RECIPE = Recipe("short", learning_rate=0.01, batch_size=32, max_epochs=25, patience=25, one_cycle=True)


@pytest.fixture(scope="module")
def soils():
    """Log reflectance of 400 soils of four constituents around the Al-OH band, and their kaolinite, per cent."""
    rng = np.random.default_rng(0)
    composition = np.zeros((400, len(CONSTITUENTS)))
    present = [CONSTITUENTS.index(name) for name in ("quartz", "kaolinite", "calcite", "organic_matter")]
    composition[:, present] = rng.dirichlet([4, 2, 2, 0.5], 400)
    X = np.log(soil_reflectance(composition, rng.uniform(30, 120, 400), WAVELENGTH, draw_variation(400, rng)))
    return X, 100 * composition[:, CONSTITUENTS.index("kaolinite")]


@pytest.fixture(scope="module")
def trained(soils):
    """A network that has learned kaolinite."""
    X, y = soils
    network = initial_network(SMALL, 0, y)
    fit_network(network, X[:300], y[:300], RECIPE, 0)
    assert np.corrcoef(predict(network, X[300:])[:, 0], y[300:])[0, 1] > 0.6
    return network


@pytest.fixture(scope="module")
def attributions(trained, soils):
    return shap_values(trained, soils[0][:100], soils[0][300:360], n_samples=50)


def highest_place(profile):
    """Place, 0 to 9, of the highest channel in each window."""
    return np.reshape(profile, (-1, 10)).argmax(axis=1)


def test_the_gradient_is_the_same_for_every_channel_of_a_window(trained, soils):
    gradient = band_audit.input_gradient(trained, soils[0][:20]).reshape(20, 40, 10)
    assert np.ptp(gradient, axis=2).max() == 0
    assert np.ptp(gradient, axis=1).min() > 0


def test_a_window_of_one_background_spectrum_differs_by_distance_alone(trained, soils):
    X = soils[0].astype(np.float32)
    values = shap_values(trained, X[:1], X[300:303], n_samples=20) / (X[300:303] - X[0])
    windows = values.reshape(3, 40, 10)
    np.testing.assert_allclose(windows, np.repeat(windows[..., :1], 10, axis=2), rtol=1e-4)


def test_peaks_lie_on_the_edges_of_windows(attributions):
    profile = mean_absolute(attributions)
    named = peaks(profile, WAVELENGTH, n_peaks=8)["wavelength_nm"]
    named_count = band_audit.edge_count(band_audit.place_in_window(named, WAVELENGTH, 10), 10)
    assert named_count.k >= 7 and named_count.pvalue < 1e-4
    windows = band_audit.edge_count(highest_place(profile), 10)
    assert windows.n == 40 and windows.k == pytest.approx(36, abs=2) and windows.pvalue < 1e-18


def test_an_untrained_network_has_its_peaks_there_too(soils):
    X, y = soils
    values = shap_values(initial_network(SMALL, 3, y), X[:100], X[300:360], n_samples=50)
    # First weights 0 to 5 give 36 to 39.
    assert np.isin(highest_place(mean_absolute(values)), [0, 9]).sum() == pytest.approx(39, abs=1)


def test_straight_spectra_have_no_peak_inside_a_window(trained):
    rng = np.random.default_rng(0)
    slopes, levels = rng.normal(0, 0.05, (2, 60, 40, 1))
    X = (levels + slopes * np.arange(-4.5, 5)).reshape(60, 400) - 1
    profile = mean_absolute(shap_values(trained, X[:40], X[40:], n_samples=30))
    assert set(highest_place(profile)) == {0, 9}
    assert set(band_audit.place_in_window(peaks(profile, WAVELENGTH)["wavelength_nm"], WAVELENGTH, 10)) == {0, 9}


def test_channels_may_be_mirrored_in_every_window_and_the_network_sees_no_difference(trained, soils, attributions):
    mirrored = soils[0].reshape(-1, 40, 10)[..., ::-1].reshape(-1, 400)
    np.testing.assert_allclose(predict(trained, mirrored), predict(trained, soils[0]), atol=1e-4)
    values = shap_values(trained, mirrored[:100], mirrored[300:360], n_samples=50)
    np.testing.assert_allclose(mean_absolute(values, 10), mean_absolute(attributions, 10), rtol=0.02, atol=1e-3)
    # What moved, by up to 9 nm, is the channel that a reader would name.
    highest, moved = (highest_place(mean_absolute(v)) for v in (attributions, values))
    assert np.mean(moved == 9 - highest) > 0.9


def test_places_and_edges_by_hand():
    places = band_audit.place_in_window([2000, 2009, 2015, 2399], WAVELENGTH, 10)
    assert places.tolist() == [0, 9, 5, 9]
    with pytest.raises(ValueError, match=r"2000\.5 nm is no channel"):
        band_audit.place_in_window([2000, 2000.5], WAVELENGTH, 10)
    edges = band_audit.edge_count(places, 10)
    assert (edges.k, edges.n) == (3, 4) and edges.pvalue == pytest.approx(4 * 0.2**3 * 0.8 + 0.2**4)


def test_the_papers_wavelengths():
    of_ph = [629, 689, 729, 1560, 1650, 1680, 1750, 1789]
    of_lead = [610, 659, 717, 759, 919, 959, 1610, 1639, 1670]
    count = band_audit.edge_count(band_audit.place_in_window(of_ph + of_lead, np.arange(400, 2500), 10), 10)
    assert (count.k, count.n) == (16, 17) and count.pvalue == pytest.approx(9.04e-11, rel=1e-3)


def test_spread_is_over_all_pairs():
    spread = band_audit.input_spread([[0.0, 1], [2, 1]], [[1.0, 3], [5, 1]])
    assert spread.tolist() == [(1 + 1 + 5 + 3) / 4, (2 + 2 + 0 + 0) / 4]


def test_parts_drawn_anew(trained):
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    for part, kept in (("dense layers", "features"), ("convolutions", "head"), ("all", None)):
        copy = band_audit.randomised_part(trained, part, 1)
        for name, tensor in copy.state_dict().items():
            if name.endswith("weight") and "features.2." not in name:
                assert torch.equal(tensor, before[name]) == (kept is not None and name.startswith(kept)), name
        assert isinstance(copy.head[-1], torch.nn.Linear)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.state_dict().items())
    assert isinstance(trained.head[-1], torch.nn.ReLU)


def test_randomised_networks_lose_the_profile(trained, soils, attributions):
    background, explained = soils[0][:100], soils[0][300:360]
    table = band_audit.randomisation_test(
        trained, background, explained[:20], attributions, n_randomisations=2, n_samples=20
    )
    assert table["part"].tolist() == [part for part in band_audit.PARTS for _ in range(2)]
    # A network of the same weights, explained from other random points, keeps its profile; a randomised one does not.
    again = shap_values(trained, background, explained, n_samples=50, random_state=1)
    assert spearmanr(mean_absolute(attributions), mean_absolute(again)).statistic > 0.99
    assert table["by_channel"].abs().max() < 0.5
    assert table["by_channel"].mean() == pytest.approx(0.09, abs=0.04)
    np.testing.assert_allclose(table["by_window"], table["by_channel"], atol=0.02)


def test_known_bands_have_centres_in_the_spectrum():
    bands = band_audit.known_bands(["hematite", "calcite"])
    hematite = [465.0, 531.1, 649.5, 860.0]
    calcite = [1747.0, 1875.2, 1991.4, 2158.1, 2269.2, 2293.9, 2316.5, 2342.2, 2407.0, 2543.0]
    assert bands["centre_nm"].tolist() == [*hematite, *calcite]
    # 156 rows of the table without 22 edges and 12 wings.
    assert len(band_audit.known_bands()) == 122
    with pytest.raises(ValueError, match="no bands of rust; there are hematite, "):
        band_audit.known_bands(["rust", "water"])


def test_mass_near_bands_against_shifted_bands():
    bands = band_audit.known_bands(["hematite"])
    wavelength = np.arange(400.0, 1000)
    peak = np.exp(-(((wavelength[:, None] - [465.0, 531.1, 649.5, 860.0]) / 5) ** 2)).sum(axis=1)
    near = band_audit.band_mass(peak, wavelength, bands, half_width_nm=10)
    # Within 10 nm of a whole number are 21 channels, else 20.
    assert near.expected == pytest.approx((2 * 21 + 2 * 20) / 600)
    assert near.share == pytest.approx(0.997, abs=0.002) and near.p_value == pytest.approx(1 / 600)
    off = band_audit.band_mass(np.roll(peak, 40), wavelength, bands, half_width_nm=10)
    assert off.share < 0.01 and off.p_value > 0.5


def test_what_a_network_for_kaolinite_looks_at(attributions):
    profile = mean_absolute(attributions)
    # The strongest Al-OH band of the table, at 2206.9 nm. Which peaks follow depends on the first weights and on the
    # processor.
    assert peaks(profile, WAVELENGTH, 1)["wavelength_nm"].tolist() == pytest.approx([2206], abs=1)
    mass = band_audit.band_mass(profile, WAVELENGTH, band_audit.known_bands(["kaolinite"]), 10)
    # Six bands of 20 channels each. One or two tables in a hundred have as much mass near them when shifted; with other
    # first weights up to half of them.
    assert mass.expected == pytest.approx(120 / 400)
    assert mass.share == pytest.approx(0.478, abs=0.02) and mass.p_value < 0.03
