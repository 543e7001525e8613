"""Grad-CAM: which channels of a spectrum raise a network's prediction."""

import numpy as np
import torch
from torch.nn import functional


def grad_cam(network, layer, X):
    """Grad-CAM of every spectrum, upsampled linearly to its channels.

    network : torch.nn.Module that maps X to one value a sample, (n,) or (n, 1)
    layer : module of `network` whose output is (n, n_maps, length), the last convolution as a rule
    X : array or tensor (n, ..., n_channels), in the shape that the network takes
    Returns float array (n, n_channels), >= 0, not normalised; zero where nothing raises the prediction.
    The network is evaluated without dropout and returned to its mode.
    Raises ValueError when the network gives more than one value a sample or the layer no feature maps.
    Source: libs paper, equations 8 (gradient), 9 (its mean over positions) and 10 (weighted sum, ReLU).
    """
    # With the input requiring a gradient the layer has one even where the weights are frozen.
    X = torch.as_tensor(X, dtype=next(network.parameters()).dtype).detach().requires_grad_(True)
    features, prediction = _forward(network, layer, X)
    if prediction.numel() != len(X):
        raise ValueError(f"Grad-CAM needs one value a sample; the network gave {tuple(prediction.shape)}")
    if features.ndim != 3:
        raise ValueError(f"the layer must give (n, n_maps, length), not {tuple(features.shape)}")
    # Samples do not mix in evaluation mode, so the gradient of the sum is the gradient of each.
    (gradient,) = torch.autograd.grad(prediction.sum(), features)
    importance = gradient.mean(dim=-1, keepdim=True)
    maps = functional.relu((importance * features).sum(dim=1, keepdim=True))
    upsampled = functional.interpolate(maps, size=X.shape[-1], mode="linear")
    return np.ascontiguousarray(upsampled[:, 0].detach().numpy())


def _forward(network, layer, X):
    captured = []
    handle = layer.register_forward_hook(lambda module, inputs, output: captured.append(output))
    was_training = network.training
    network.eval()
    try:
        prediction = network(X)
    finally:
        handle.remove()
        network.train(was_training)
    return captured[0], prediction
