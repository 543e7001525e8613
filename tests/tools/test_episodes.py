import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from spectrakit.models.resnet import ResNetConfig, initial_network
from tools.make.episodes import EpisodeRecipe, episode_error, fit_features

SMALL = ResNetConfig(n_channels=40, pool=5, n_filters=8, n_last=4, hidden=(4,), relu_output=False)
PENALTY = torch.tensor(0.3)
QUICK = EpisodeRecipe(learning_rate=0.01, steps=100, n_support=(16, 33), noise=0.1)


def localities(n_localities, seed):
    """Inputs and targets of localities of 40 soils, each about another level: distances between neighbours."""
    random = np.random.default_rng(seed)
    inputs = random.normal(0, 1, (n_localities, 40, 8)) + random.normal(0, 1, (n_localities, 1, 8))
    values = np.abs(inputs[..., 2:4] - inputs[..., 3:5])
    targets = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    return (
        torch.as_tensor(inputs[:, :, None, None], dtype=torch.float32),
        torch.as_tensor(targets, dtype=torch.float32),
    )


def small_network(seed=0):
    return initial_network(SMALL, seed, np.zeros(1))


def held_out_error(network):
    """Mean error on 30 localities that are in no fit."""
    network.eval()
    with torch.no_grad():
        pairs = zip(*localities(30, seed=99), strict=True)
        return np.mean([episode_error(network.features(x), y, 24, PENALTY).item() for x, y in pairs])


def error_of(features, targets, penalty=0.3):
    return episode_error(features, targets, 30, torch.tensor(penalty)).item()


@pytest.fixture
def episode():
    """Features (50, 7) and two targets that follow from them with some noise; 30 rows calibrate."""
    random = np.random.default_rng(0)
    features = random.normal(2, 3, (50, 7))
    targets = features @ random.normal(0, 1, (7, 2)) + random.normal(0, 2, (50, 2))
    return torch.as_tensor(features), torch.as_tensor(targets)


@pytest.fixture(scope="module")
def fitted():
    """A network before and after a fit, and the errors of its episodes."""
    network = small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    history = fit_features(network, *localities(60, seed=1), QUICK, 0)
    return network, before, history


@pytest.mark.parametrize("penalty", [0.05, 0.3, 2.0])
def test_an_episode_is_a_ridge_regression_on_its_first_rows(episode, penalty):
    X, y = (tensor.numpy() for tensor in episode)
    X = (X - X[:30].mean(0)) / np.sqrt((X[:30] - X[:30].mean(0)).var(0).sum())
    y = (y - y[:30].mean(0)) / (y[:30].std(0, ddof=1) + 0.05)
    model = Ridge(penalty, fit_intercept=False).fit(X[:30], y[:30])
    expected = np.mean((model.predict(X[30:]) - y[30:]) ** 2)
    assert error_of(*episode, penalty) == pytest.approx(expected, rel=1e-6)
    assert 0.05 < expected < 1


def test_a_penalty_without_end_leaves_the_mean_of_the_support(episode):
    features, targets = episode
    y = targets.numpy()
    scaled = (y[30:] - y[:30].mean(0)) / (y[:30].std(0, ddof=1) + 0.05)
    assert (scaled**2 > 9).any()
    assert error_of(features, targets, 1e9) == pytest.approx(np.mean(np.minimum(scaled**2, 9)), rel=1e-6)


def test_an_episode_has_a_gradient_in_features_and_penalty(episode):
    features, targets = episode
    inputs = (features.clone().requires_grad_(), torch.tensor(0.3, dtype=torch.float64, requires_grad=True))
    # The penalty enters in single precision.
    assert torch.autograd.gradcheck(lambda x, p: episode_error(x, targets, 30, p), inputs, rtol=0.01)


def test_features_come_to_serve_calibrations_of_other_localities(fitted):
    network, _, history = fitted
    assert held_out_error(small_network()) == pytest.approx(0.60, abs=0.06)
    assert held_out_error(network) == pytest.approx(0.16, abs=0.06)
    assert list(history) == ["error"] and len(history) == 100
    assert history["error"][-20:].mean() < 0.5 * history["error"][:20].mean()


def test_dense_layers_and_statistics_of_batch_normalisation_stay(fitted):
    network, before, _ = fitted
    after = network.state_dict()
    kept = {name for name in after if torch.equal(after[name], before[name])}
    statistics = {f"features.2.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert kept == {"input_mean", *statistics, *(name for name in after if name.startswith("head."))}
    assert not network.training


def test_a_fit_of_features_follows_its_seed_and_leaves_torch_alone():
    data, few = localities(10, seed=1), EpisodeRecipe(steps=5, n_support=(16, 33))
    state = torch.get_rng_state()
    (first, one), (again, two), (other, three) = (
        (network, fit_features(network, *data, few, seed)["error"].tolist())
        for network, seed in ((small_network(), 4), (small_network(), 4), (small_network(), 5))
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert one == two != three
    assert torch.equal(first.features[0].weight, again.features[0].weight)
    assert not torch.equal(first.features[0].weight, other.features[0].weight)


def test_noise_is_what_no_spectrum_can_know():
    data, network = localities(10, seed=1), small_network()
    means = []
    for noise in (0.0, 0.3, 3.0):
        still = EpisodeRecipe(learning_rate=1e-12, steps=40, n_support=(16, 33), noise=noise)
        means.append(fit_features(network, *data, still, 0)["error"].mean())
    # With a variance of 9 beside one of 1, nine tenths of a target and more are by chance.
    assert means[0] + 0.02 < means[1] < means[2] and means[2] > 0.9


def test_episodes_calibrate_on_as_many_soils_as_the_recipe_says_with_progress(monkeypatch):
    seen, progress = [], []

    def noted(features, targets, n_support, penalty):
        seen.append(n_support)
        return features.mean() + penalty

    monkeypatch.setattr("tools.make.episodes.episode_error", noted)
    recipe = EpisodeRecipe(steps=250, n_support=(16, 20))
    fit_features(small_network(), *localities(3, seed=1), recipe, 0, lambda *call: progress.append(call))
    assert set(seen) == {16, 17, 18, 19}
    assert progress == [(100, 250), (200, 250)]
