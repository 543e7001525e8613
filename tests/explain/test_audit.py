import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from spectrakit.explain import audit
from spectrakit.explain.gradcam import grad_cam

SODIUM = np.linspace(588.82, 589.99, 33)
D_LINES = [588.995, 589.592]


def bumps(centres, width=0.03):
    return np.exp(-(((SODIUM[:, None] - centres) / width) ** 2)).sum(axis=1)


def network_of(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv1d(1, 8, 3), nn.ReLU(), nn.Conv1d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 1)
    )


def test_near_lines_is_one_resolution_element_either_side():
    wavelength = np.array([499.8, 499.9, 500.0, 500.1, 500.2])
    assert audit.near_lines(wavelength, [500.0]).tolist() == [False, True, True, True, False]
    # 589 nm / 5000 is 0.118 nm, 3.2 channels: seven channels about each line.
    assert audit.near_lines(SODIUM, D_LINES).sum() == 14


def test_a_map_on_the_lines_beats_every_shift():
    result = audit.line_mass(np.stack([bumps(D_LINES), 5 * bumps(D_LINES)]), SODIUM, D_LINES)
    assert result.share == pytest.approx(1, abs=1e-3)
    assert result.expected == pytest.approx(14 / 33)
    assert result.p_value == pytest.approx(1 / 33)
    assert result.n_maps == 2


def test_a_flat_map_and_a_map_beside_the_lines_do_not():
    flat = audit.line_mass(np.ones(33), SODIUM, D_LINES)
    assert flat.share == pytest.approx(flat.expected) and flat.p_value == 1
    beside = audit.line_mass(bumps([589.29, 589.85]), SODIUM, D_LINES)
    assert beside.share < 0.05 and beside.p_value > 0.9


def test_p_values_of_random_maps_are_uniform():
    rng = np.random.default_rng(0)
    p = [audit.line_mass(rng.random(33), SODIUM, D_LINES).p_value for _ in range(500)]
    # Of 500 uniform p-values 10 % (sd 1.3 %) lie at or below 0.1; a shift leaves 33 values, 3 of them there.
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(3 / 33, abs=0.04)


def test_empty_maps_do_not_count():
    maps = np.stack([bumps(D_LINES), np.zeros(33)])
    assert audit.line_mass(maps, SODIUM, D_LINES) == audit.line_mass(maps[:1], SODIUM, D_LINES)
    with pytest.raises(ValueError, match="every map is empty"):
        audit.line_mass(np.zeros((2, 33)), SODIUM, D_LINES)
    with pytest.raises(ValueError, match="no channel lies near a line"):
        audit.line_mass(np.ones(33), SODIUM, [422.0])


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (2, 4, 50)).astype(float)
    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(audit.rank_correlation(a, b), expected)
    assert np.isnan(audit.rank_correlation(np.ones(5), np.arange(5)))


def test_agreement_is_the_mean_over_pairs():
    maps = np.random.default_rng(0).random((5, 3, 20))
    maps[4, 0] = 0  # an empty map of the first sample is left out
    for sample, agreement in enumerate(audit.map_agreement(maps)):
        kept = maps[: 5 if sample else 4, sample]
        pairs = [spearmanr(a, b).statistic for i, a in enumerate(kept) for b in kept[:i]]
        assert agreement == pytest.approx(np.mean(pairs))
    assert np.isnan(audit.map_agreement(maps[4:])).all()


def test_randomised_copies_differ_and_reproduce_and_leave_the_network_alone():
    network = network_of()
    before = [p.clone() for p in network.parameters()]
    state = torch.random.get_rng_state()
    copies = [audit.randomise_weights(network, seed) for seed in (10, 10, 11)]
    assert torch.equal(torch.random.get_rng_state(), state)
    for old, now, same, first, other in zip(
        before, network.parameters(), *(c.parameters() for c in copies), strict=True
    ):
        assert torch.equal(old, now) and torch.equal(same, first)
        assert not torch.equal(first, other) and not torch.equal(old, first)


class Gain(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))


def test_weights_that_cannot_be_drawn_are_named():
    with pytest.raises(TypeError, match=r"1 \(Gain\) has no reset_parameters"):
        audit.randomise_weights(nn.Sequential(nn.Conv1d(1, 1, 3), Gain()))


def test_randomisation_compares_with_each_copy():
    network, X = network_of(), np.random.default_rng(0).random((4, 1, 40))
    correlation = audit.randomisation_correlation(network, network[2], X, n_randomisations=3)
    copy = audit.randomise_weights(network, 2)
    original, changed = grad_cam(network, network[2], X), grad_cam(copy, copy[2], X)
    expected = [spearmanr(a, b).statistic for a, b in zip(original, changed, strict=True)]
    assert correlation.shape == (3, 4)
    np.testing.assert_allclose(correlation[2], expected)


LINES = pd.DataFrame(
    {
        "element": ["Na", "Na", "Fe", "Fe", "Na"],
        "stage": [1, 1, 1, 2, 1],
        "wavelength_air_nm": [588.995, 589.592, 589.65, 589.70, 568.8],
    }
)
STRENGTH = [2.0, 1.0, 0.002, 0.01, 9.0]


def test_look_up_finds_the_nearest_and_the_strongest_line_of_the_element_or_says_that_there_is_none():
    columns = ["element", "wavelength_nm", "in_window", "nearest_nm", "strongest_nm", "stage", "relative_strength"]
    none = (np.nan, np.nan, None, 0.0, 0)
    rows = [
        ("Na", 589.59, True, 589.592, 589.592, 1, 0.5, 1),
        ("Fe", 589.66, True, 589.65, 589.70, 2, 0.005, 2),
        *(("C", 589.40, True, *none), ("Na", 589.30, True, *none), ("Fe", 589.90, True, *none)),
        ("Na", 568.82, False, 568.8, 568.8, 1, 4.5, 1),
    ]
    expected = pd.DataFrame(rows, index=list("abcdef"), columns=[*columns, "n_lines"])
    found = audit.look_up_lines(expected[columns[:2]], LINES, STRENGTH, (588.82, 589.99))
    pd.testing.assert_frame_equal(found, expected, check_like=True)


def test_look_up_needs_a_line_in_the_window():
    with pytest.raises(ValueError, match="no line between 300 and 301"):
        audit.look_up_lines(pd.DataFrame(), LINES, STRENGTH, (300, 301))
