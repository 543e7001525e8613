"""The many small networks of a cross-validation, fitted together."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from spectrakit.models import SpectralCNN, StackedGradient, StackedParameters, spectral_windows
from spectrakit.training.plain import PUBLISHED, adam_with_drops, draw_epochs, initial_network, target_scaling

# Rows of a batch times channels, over the networks of a chunk: large enough that calling torch costs little beside the
# arithmetic, small enough that the feature maps stay in the processor's cache.
PLACES_PER_CHUNK = 40_000


def networks_per_chunk(n_rows, n_channels, config):
    """How many networks of `n_rows` training rows train at once."""
    return max(1, PLACES_PER_CHUNK // (min(n_rows, config.batch_size) * n_channels))


def _chunks(n_rows, n_channels, config):
    """Yield the networks (positions) that train together; n_rows : (n_networks,) training rows of each.

    A network takes one step for each of its batches, so a chunk holds networks with equal numbers of batches.
    """
    n_batches = -(-n_rows // config.batch_size)
    for n in np.unique(n_batches):
        group = np.flatnonzero(n_batches == n)
        size = networks_per_chunk(n_rows[group].max(), n_channels, config)
        yield from (group[start : start + size] for start in range(0, len(group), size))


def _row_indices(training_rows, n_rows):
    """Index tensors of boolean masks or index arrays, one a network; ValueError names a network without rows."""
    indices = [np.flatnonzero(r) if np.asarray(r).dtype == bool else np.asarray(r) for r in training_rows]
    for b, rows in enumerate(indices):
        if len(rows) == 0:
            raise ValueError(f"network {b} has no training rows")
        if rows.min() < 0 or rows.max() >= n_rows:
            raise ValueError(f"network {b} asks for a row outside 0 to {n_rows - 1}")
    return [torch.as_tensor(rows) for rows in indices]


def _row_weights(n_rows, batch_size):
    """Weight of each row in its batch's mean, (networks, rows of the largest network); 0 where a network has none."""
    place, n_rows = np.arange(max(n_rows)), np.asarray(n_rows)[:, None]
    left = n_rows - place // batch_size * batch_size
    return np.where(place < n_rows, 1 / np.clip(left, 1, batch_size), 0.0)


def _pad_rows(tensors):
    """Stack tensors (n_epochs, n_rows of the network, ...) along a new axis 1, short ones filled with zeros."""
    return pad_sequence([tensor.transpose(0, 1) for tensor in tensors], batch_first=True).movedim(2, 0)


def _draw_epochs_of_all(training_rows, n_channels, config, seeds):
    """Yield for every epoch the row in each place (B, n_places), and its dropout factors (B, width, n_places).

    Networks with fewer rows have spare places, which repeat a row and have weight 0.
    """
    pairs = zip(training_rows, seeds, strict=True)
    draws = zip(*(draw_epochs(len(rows), n_channels, config, seed) for rows, seed in pairs), strict=True)
    for block in draws:
        orders, scales = map(_pad_rows, zip(*block, strict=True))
        rows = torch.stack([chosen[orders[:, b]] for b, chosen in enumerate(training_rows)], 1)
        yield from zip(rows, scales.transpose(2, 3).contiguous(), strict=True)


def _train_chunk(networks, X, targets, training_rows, seeds):
    """Train networks in place, all with the same number of batches an epoch; yields the losses (B,) of each epoch.

    X : (B, n, n_channels); targets : (B, n), scaled; training_rows : B tensors of row indices
    """
    config, n_channels = networks[0].config, X.shape[-1]
    parameters = StackedParameters(len(networks), n_channels, config)
    for b, network in enumerate(networks):
        parameters.load(b, network)
    n_rows = [len(rows) for rows in training_rows]
    row_weight = torch.as_tensor(_row_weights(n_rows, config.batch_size), dtype=X.dtype).unsqueeze(1)
    batches = torch.arange(max(n_rows)).split(config.batch_size)
    gradients = {len(places): StackedGradient(parameters, len(places), n_channels, config) for places in batches}
    shares = [row_weight[..., places].gt(0).sum((1, 2)).to(X.dtype) / torch.tensor(n_rows) for places in batches]
    windows, each = spectral_windows(X, config), torch.arange(len(networks)).unsqueeze(1)
    optimiser, schedule = adam_with_drops([parameters.flat], config)
    for epoch, (rows, scale) in enumerate(_draw_epochs_of_all(training_rows, n_channels, config, seeds)):
        loss = 0.0
        for places, share in zip(batches, shares, strict=True):
            if epoch == 0 or len(batches) > 1:  # a single batch keeps its rows from epoch to epoch
                batch = windows[:, each, rows[:, places]].flatten(2).transpose(0, 1)
                target = targets.gather(1, rows[:, places]).unsqueeze(1)
            gradient = gradients[len(places)]
            loss += share * gradient(batch, target, row_weight[..., places], scale[..., places])
            optimiser.step()
        schedule.step()
        yield loss.numpy()
    for b, network in enumerate(networks):
        parameters.store(b, network)


def _one_for_each(X, n_networks):
    """Spectra as a tensor (n_networks, n, n_channels); spectra that the networks share are not copied."""
    X = torch.as_tensor(np.array(X, dtype=float), dtype=torch.get_default_dtype())
    if X.ndim == 3 and len(X) != n_networks:
        raise ValueError(f"spectra for {len(X)} networks, but there are {n_networks}")
    return X.expand(n_networks, *X.shape[-2:])


@dataclass(frozen=True)
class StackedNetworks:
    """B fitted networks, their target scaling (B,) in the unit of y, their losses (B, max_epochs).

    A network predicts targets scaled by its mean and standard deviation.
    """

    networks: tuple[SpectralCNN, ...]
    target_mean: np.ndarray
    target_sd: np.ndarray
    history: np.ndarray

    @torch.no_grad()
    def predict(self, X):
        """Contents (B, n) that each network predicts, in the unit of y.

        X : spectra (n, n_channels) for all networks, or (B, n, n_channels), as each network was fitted on
        """
        X = _one_for_each(X, len(self.networks))
        scaled = torch.stack([network(x) for network, x in zip(self.networks, X, strict=True)]).numpy().astype(float)
        return scaled * self.target_sd[:, None] + self.target_mean[:, None]


def fit_stacked(X, y, training_rows, config=PUBLISHED, seeds=None, progress=None):
    """Fit one network for each entry of `training_rows`; returns StackedNetworks.

    X : (n, n_channels), already normalised; or (B, n, n_channels), where each network has its own scaling of the
        spectra; y : (n,) in any unit
    training_rows : B boolean masks (n,) or index arrays, of any sizes
    seeds : (B,) ints, 0 to B - 1 if None
    progress : called with (epochs of networks done, epochs of networks in all) after each epoch of a chunk

    Network b is the one that `CNNRegressor(config, random_state=seeds[b])` fits on the same rows, to rounding.
    Raises ValueError for a network without rows, or rows that X does not have.
    """
    X, y = _one_for_each(X, len(training_rows)), np.asarray(y, dtype=float)
    training_rows = _row_indices(training_rows, X.shape[1])
    seeds = range(len(training_rows)) if seeds is None else [int(seed) for seed in seeds]
    mean, sd = np.array([target_scaling(y[rows], config) for rows in training_rows]).T
    targets = torch.as_tensor((y - mean[:, None]) / sd[:, None], dtype=X.dtype)
    networks = [initial_network(X.shape[-1], config, seed) for seed in seeds]
    history, done = np.empty((len(networks), config.max_epochs)), 0
    for chunk in _chunks(np.array([len(rows) for rows in training_rows]), X.shape[-1], config):
        members, rows, chunk_seeds = ([part[b] for b in chunk] for part in (networks, training_rows, seeds))
        for epoch, losses in enumerate(_train_chunk(members, X[chunk], targets[chunk], rows, chunk_seeds)):
            history[chunk, epoch] = losses
            done += len(chunk)
            if progress is not None:
                progress(done, history.size)
    return StackedNetworks(tuple(networks), mean, sd, history)
