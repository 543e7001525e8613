"""Forward and backward passes of many small networks of one shape, as one batched computation.

The weights of B networks are stacked, and each step is a handful of batched matrix products. A feature map of all rows
of a network is one long line, (B, n_kernels, n_rows * stride), so a convolution is three products that add up over the
same memory, each read one place further, and nothing is unfolded or copied. The backward pass is written out, because
the bookkeeping of automatic differentiation would cost more than the arithmetic.
"""

from math import prod
from types import SimpleNamespace

import torch

from spectrakit.models.cnn import KERNEL_SIZE

_pass_where_positive = torch.ops.aten.threshold_backward.grad_input


class StackedParameters:
    """One flat tensor of all weights, and its parts by name, each contiguous with the networks along one axis."""

    def __init__(self, n_networks, n_channels, config):
        kernels, hidden, features = config.n_kernels, config.n_hidden, config.n_features(n_channels)
        self.shapes = {
            "first": (n_networks, kernels, KERNEL_SIZE + 1),  # the last column is the bias
            "second": (KERNEL_SIZE, n_networks, kernels, kernels),
            "second_bias": (n_networks, kernels, 1),
            "dense": (n_networks, hidden, features),
            "dense_bias": (n_networks, hidden, 1),
            "output": (n_networks, 1, hidden),
            "output_bias": (n_networks, 1, 1),
        }
        self.flat = torch.zeros(sum(map(prod, self.shapes.values())))
        self.flat.grad = torch.zeros_like(self.flat)
        self.weight = self._parts(self.flat)
        self.gradient = self._parts(self.flat.grad)

    def _parts(self, flat):
        pieces = flat.split([prod(shape) for shape in self.shapes.values()])
        return SimpleNamespace(
            **{name: piece.view(shape) for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)}
        )

    def _pairs(self, b, network):
        """(part of the stack, the same weights in `network`) for network b."""
        w, (first, second) = self.weight, (network.maps[0], network.maps[3])
        yield w.first[b, :, :KERNEL_SIZE], first.weight[:, 0]
        yield w.first[b, :, KERNEL_SIZE], first.bias
        yield w.second[:, b], second.weight.permute(2, 0, 1)
        yield w.second_bias[b, :, 0], second.bias
        yield w.dense[b], network.dense.weight
        yield w.dense_bias[b, :, 0], network.dense.bias
        yield w.output[b], network.output.weight
        yield w.output_bias[b, 0], network.output.bias

    @torch.no_grad()
    def load(self, b, network):
        """Copy the weights of a SpectralCNN into place b."""
        for part, weights in self._pairs(b, network):
            part.copy_(weights)

    @torch.no_grad()
    def store(self, b, network):
        """Copy the weights in place b into a SpectralCNN."""
        for part, weights in self._pairs(b, network):
            weights.copy_(part)


def spectral_windows(X, config):
    """The three neighbours of each channel of X (..., n_channels), and a one for the bias: (4, ..., map length)."""
    padded = torch.nn.functional.pad(X, (config.pad, config.pad))
    windows = padded.unfold(-1, KERNEL_SIZE, 1).movedim(-1, 0)
    return torch.cat([windows, torch.ones_like(windows[:1])])


class _StackedMaps:
    """The convolutional part for a batch of `n_rows` rows: forward and backward through buffers made once.

    A row takes `stride` places on its line: the length of the first feature map. Later maps are shorter, which leaves
    room for the zeros of 'same' padding between two rows.
    """

    def __init__(self, n_networks, n_rows, n_channels, config):
        self.stride, self.pooled_1, _, self.pooled_2 = config.map_lengths(n_channels)
        self.line = n_rows * self.stride
        line = (n_networks, config.n_kernels, self.line)
        longer = (n_networks, config.n_kernels, self.line + KERNEL_SIZE - 1)
        self.by_row = (n_networks, config.n_kernels, n_rows, self.stride)
        self.map_1, self.map_2 = torch.empty(line), torch.empty(line)
        self.input_2, self.gradient_2 = torch.zeros(longer), torch.zeros(longer)
        self.pooled_map_1 = self._rows(self.input_2, config.pad)[..., : self.pooled_1]
        self.pooled_map_2 = torch.empty(*line[:2], n_rows, self.pooled_2)
        self.scratch = torch.empty(prod(self.by_row))
        # Where the transposed convolution reads the gradients of the second map.
        self.gradient_start = KERNEL_SIZE - 1 - config.pad

    def _rows(self, buffer, start=0):
        return buffer[..., start : start + self.line].view(self.by_row)

    def _shifted(self, buffer, tap):
        return buffer[..., tap : tap + self.line]

    def forward(self, windows, weight):
        """Feature maps (B, n_kernels, n_rows, length) of windows (B, 4, n_rows * stride)."""
        torch.bmm(weight.first, windows, out=self.map_1)
        _relu_of_pool(self._rows(self.map_1), self.pooled_map_1)
        torch.baddbmm(weight.second_bias, weight.second[0], self._shifted(self.input_2, 0), out=self.map_2)
        for tap in range(1, KERNEL_SIZE):
            self.map_2.baddbmm_(weight.second[tap], self._shifted(self.input_2, tap))
        return _relu_of_pool(self._rows(self.map_2), self.pooled_map_2)

    def backward(self, upstream, windows, weight, gradient):
        """From the gradient of the feature maps to that of the kernels; overwrites the maps."""
        target = self._rows(self.gradient_2, self.gradient_start)
        self._unpool(upstream, self.pooled_map_2, self._rows(self.map_2), target)
        error = self._shifted(self.gradient_2, self.gradient_start)
        torch.sum(error, 2, keepdim=True, out=gradient.second_bias)
        for tap in range(KERNEL_SIZE):
            torch.bmm(error, self._shifted(self.input_2, tap).transpose(1, 2), out=gradient.second[tap])

        upstream = self.map_2.zero_()
        for tap in range(KERNEL_SIZE):
            shifted = self._shifted(self.gradient_2, KERNEL_SIZE - 1 - tap)
            upstream.baddbmm_(weight.second[tap].transpose(1, 2), shifted)
        rows_1 = self._rows(self.map_1)
        self._unpool(self._rows(upstream)[..., : self.pooled_1], self.pooled_map_1, rows_1, rows_1)
        torch.bmm(self.map_1, windows.transpose(1, 2), out=gradient.first)

    def _unpool(self, upstream, pooled, source, target):
        """Send the gradient of relu(max(source[j], source[j + 1])) to the larger of the two, at a tie to the first.

        Overwrites `pooled`; `target` may be `source`.
        """
        length = pooled.shape[-1]
        _pass_where_positive(upstream, pooled, 0, grad_input=pooled)
        to_second = self.scratch[: pooled.numel()].view(pooled.shape)
        torch.sub(source[..., 1 : length + 1], source[..., :length], out=to_second)
        _pass_where_positive(pooled, to_second, 0, grad_input=to_second)
        torch.sub(pooled, to_second, out=target[..., :length])
        target[..., length].zero_()
        target[..., 1 : length + 1].add_(to_second)


def _relu_of_pool(source, out):
    """relu(max of two neighbours), which is max pooling of the ReLU in fewer passes over memory."""
    length = out.shape[-1]
    return torch.maximum(source[..., :length], source[..., 1 : length + 1], out=out).relu_()


def _dense_step(features, target, row_weight, scales, weight, gradient):
    """Dense layers, forward and backward: features (B, n_features, n_rows) to their gradient and the loss (B,).

    target and row_weight are (B, 1, n_rows); scales are the dropout factors of the features and of the hidden units.
    """
    dropped = features * scales[0]
    hidden = torch.baddbmm(weight.dense_bias, weight.dense, dropped).relu_()
    kept = hidden * scales[1]
    residual = torch.baddbmm(weight.output_bias, weight.output, kept).sub_(target)
    upstream = 2 * row_weight * residual

    torch.bmm(upstream, kept.transpose(1, 2), out=gradient.output)
    torch.sum(upstream, 2, keepdim=True, out=gradient.output_bias)
    error = weight.output.transpose(1, 2) * upstream * scales[1]
    _pass_where_positive(error, hidden, 0, grad_input=error)
    torch.bmm(error, dropped.transpose(1, 2), out=gradient.dense)
    torch.sum(error, 2, keepdim=True, out=gradient.dense_bias)
    return torch.bmm(weight.dense.transpose(1, 2), error) * scales[0], (residual * upstream).sum((1, 2)) / 2


class StackedGradient:
    """Loss and gradients of one batch of all networks, left in `parameters.flat.grad`."""

    def __init__(self, parameters, n_rows, n_channels, config):
        n_networks = len(parameters.weight.first)
        self.parameters, self.config = parameters, config
        self.maps = _StackedMaps(n_networks, n_rows, n_channels, config)

    def __call__(self, windows, target, row_weight, dropout_scale):
        """Loss (B,), the weighted mean of the squared errors, of a batch of n_rows rows a network.

        windows : (B, 4, n_rows * length of the first feature map), the rows of `spectral_windows` in a line
        target, row_weight : (B, 1, n_rows); dropout_scale : (B, dropout width, n_rows)
        """
        scales = (dropout_scale, 1.0) if self.config.dropout_before_dense else (1.0, dropout_scale)
        weight, gradient = self.parameters.weight, self.parameters.gradient
        maps = self.maps.forward(windows, weight)
        upstream, loss = _dense_step(self._features(maps), target, row_weight, scales, weight, gradient)
        self.maps.backward(self._unpooled(upstream, maps), windows, weight, gradient)
        return loss

    def _features(self, maps):
        """Inputs of the dense layers, (B, n_features, n_rows): the mean of each map, or all of its places."""
        return maps.mean(3) if self.config.global_pooling else maps.transpose(2, 3).flatten(1, 2)

    def _unpooled(self, gradient, maps):
        """From the gradient of `_features` to that of the maps."""
        if self.config.global_pooling:
            return (gradient / maps.shape[3]).unsqueeze(3).expand(maps.shape)
        return gradient.unflatten(1, (maps.shape[1], maps.shape[3])).transpose(2, 3)
