"""How are the many small networks of a cross-validation fitted at once?"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch

from spectrakit.models import CNNConfig, SpectralCNN, StackedGradient, StackedParameters, spectral_windows
from spectrakit.training.plain import adam_with_drops, draw_epochs, initial_network, target_scaling

# Rows of a batch times channels, over the networks of a chunk: so many that calling torch costs little beside the
# arithmetic, so few that the feature maps stay in the processor's cache.
PLACES_PER_CHUNK = 40_000


def networks_per_chunk(n_rows, n_channels, config):
    """How many networks of `n_rows` training rows train at once."""
    return max(1, PLACES_PER_CHUNK // (min(n_rows, config.batch_size) * n_channels))


def _row_indices(training_rows, n_rows):
    """Index arrays of boolean masks or index arrays, one a network; ValueError names a network without rows."""
    indices = [np.flatnonzero(r) if np.asarray(r).dtype == bool else np.asarray(r) for r in training_rows]
    for b, rows in enumerate(indices):
        if len(rows) == 0:
            raise ValueError(f"network {b} has no training rows")
        if rows.min() < 0 or rows.max() >= n_rows:
            raise ValueError(f"network {b} asks for a row outside 0 to {n_rows - 1}")
    return indices


def _row_weights(n_rows, batch_size):
    """Weight of each row in its batch's mean, (networks, rows of the largest network); 0 where a network has none."""
    place = np.arange(max(n_rows))
    left = np.asarray(n_rows)[:, None] - place // batch_size * batch_size
    return np.where(place < np.asarray(n_rows)[:, None], 1 / np.clip(left, 1, batch_size), 0.0)


def _pad_rows(tensors):
    """Stack tensors (n_epochs, n_rows of the network, ...) along a new axis 1, short ones filled with zeros."""
    stack = tensors[0].new_zeros(len(tensors[0]), len(tensors), max(t.shape[1] for t in tensors), *tensors[0].shape[2:])
    for b, tensor in enumerate(tensors):
        stack[:, b, : tensor.shape[1]] = tensor
    return stack


def _train_chunk(networks, X, targets, training_rows, seeds, after_epoch):
    """Train networks in place, all with the same number of batches an epoch; returns losses (B, max_epochs).

    X : (B, n, n_channels); targets : (B, n), scaled; training_rows : B tensors of row indices
    """
    config, n_channels, dtype = networks[0].config, X.shape[-1], X.dtype
    own = torch.arange(len(networks)).unsqueeze(1)
    parameters = StackedParameters(len(networks), n_channels, config, dtype)
    for b, network in enumerate(networks):
        parameters.load(b, network)
    windows = spectral_windows(X, config)
    n_rows = [len(rows) for rows in training_rows]
    row_weight = torch.as_tensor(_row_weights(n_rows, config.batch_size), dtype=dtype).unsqueeze(1)
    batches = torch.arange(max(n_rows)).split(config.batch_size)
    steps = {len(places): StackedGradient(parameters, len(places), n_channels, config) for places in batches}
    n_in_batch = torch.stack([row_weight[..., places].gt(0).sum((1, 2)) for places in batches])
    share = n_in_batch.to(dtype) / torch.tensor(n_rows)

    optimiser, schedule = adam_with_drops([parameters.flat], config)
    history, held = [], torch.empty(0)
    draws = zip(*(draw_epochs(n, n_channels, config, seed) for n, seed in zip(n_rows, seeds, strict=True)), strict=True)
    for block in draws:
        order = _pad_rows([order for order, _ in block])  # a spare place repeats a row of the network, at weight 0
        rows = torch.stack([chosen[order[:, b]] for b, chosen in enumerate(training_rows)], 1)
        scales = _pad_rows([scale.to(dtype) for _, scale in block]).transpose(2, 3).contiguous()
        for epoch_rows, epoch_scale in zip(rows, scales, strict=True):
            loss = 0.0
            for places, batch_share in zip(batches, share, strict=True):
                chosen = epoch_rows[:, places]
                if not torch.equal(chosen, held):  # a single batch keeps its rows from epoch to epoch
                    held, batch = chosen, windows[:, own, chosen].flatten(2).transpose(0, 1)
                    target = targets.gather(1, chosen).unsqueeze(1)
                step = steps[len(places)]
                loss += batch_share * step(batch, target, row_weight[..., places], epoch_scale[..., places])
                optimiser.step()
            schedule.step()
            history.append(loss)
            after_epoch(len(networks))
    for b, network in enumerate(networks):
        parameters.store(b, network)
    return torch.stack(history, 1).numpy()


def _one_for_each(X, n_networks, dtype):
    """Spectra as a tensor (n_networks, n, n_channels); spectra that the networks share are not copied."""
    X = torch.as_tensor(np.array(X, dtype=float), dtype=dtype)
    if X.ndim == 3 and len(X) != n_networks:
        raise ValueError(f"spectra for {len(X)} networks, but there are {n_networks}")
    return X.expand(n_networks, *X.shape[-2:])


@dataclass(frozen=True)
class StackedNetworks:
    """B fitted networks: each a SpectralCNN, its target scaling in the unit of y, its losses (max_epochs,)."""

    networks: tuple[SpectralCNN, ...]
    target_mean: np.ndarray
    target_sd: np.ndarray
    history: np.ndarray

    def network(self, b):
        """The SpectralCNN of network b; it predicts targets scaled by `target_mean[b]` and `target_sd[b]`."""
        return self.networks[b]

    @torch.no_grad()
    def predict(self, X):
        """Contents (B, n) that each network predicts, in the unit of y.

        X : spectra (n, n_channels) for all networks, or (B, n, n_channels), as each network was fitted on
        """
        X = _one_for_each(X, len(self.networks), self.networks[0].output.weight.dtype)
        scaled = torch.stack([network(x) for network, x in zip(self.networks, X, strict=True)]).numpy().astype(float)
        return scaled * self.target_sd[:, None] + self.target_mean[:, None]


def fit_stacked(X, y, training_rows, config=None, seeds=None, dtype=torch.float32, progress=None):
    """Fit one network for each entry of `training_rows`; returns StackedNetworks.

    X : (n, n_channels), already normalised; or (B, n, n_channels), where each network has its own scaling of the
        spectra; y : (n,) in any unit
    training_rows : B boolean masks (n,) or index arrays, of any sizes
    config : CNNConfig, None for the published one; seeds : (B,) ints, 0 to B - 1 if None
    progress : called with (epochs of networks done, epochs of networks in all) after each epoch of a chunk

    Network b is the one that `CNNRegressor(config, random_state=seeds[b])` fits on the same rows, to rounding.
    Raises ValueError for a network without rows, or rows that X does not have.
    """
    config, X, y = config or CNNConfig(), _one_for_each(X, len(training_rows), dtype), np.asarray(y, dtype=float)
    training_rows = _row_indices(training_rows, X.shape[1])
    seeds = range(len(training_rows)) if seeds is None else [int(seed) for seed in seeds]
    mean, sd = np.array([target_scaling(y[rows], config) for rows in training_rows]).T
    targets = torch.as_tensor((y - mean[:, None]) / sd[:, None], dtype=dtype)
    networks = [initial_network(X.shape[-1], config, seed, dtype) for seed in seeds]
    history = np.empty((len(networks), config.max_epochs))
    done, total = 0, history.size

    def after_epoch(n_networks):
        nonlocal done
        done += n_networks
        if progress is not None:
            progress(done, total)

    # A network takes a step for each of its batches and no more, so a chunk holds networks with equally many.
    def n_batches(b):
        return -(-len(training_rows[b]) // config.batch_size)

    for _, group in groupby(sorted(range(len(networks)), key=n_batches), key=n_batches):
        group = list(group)
        most_rows = max(len(training_rows[b]) for b in group)
        for chunk in torch.tensor(group).split(networks_per_chunk(most_rows, X.shape[-1], config)):
            history[chunk] = _train_chunk(
                [networks[b] for b in chunk],
                X[chunk],
                targets[chunk],
                [torch.as_tensor(training_rows[b]) for b in chunk],
                [seeds[b] for b in chunk],
                after_epoch,
            )
    return StackedNetworks(tuple(networks), mean, sd, history)
