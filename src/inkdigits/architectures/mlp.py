"""The baseline: a multilayer perceptron, which cannot know which pixels are neighbors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inkdigits.architectures.registry import Activation, Family, Normalization, register
from inkdigits.options import option

if TYPE_CHECKING:
    import keras


@register("mlp")
@dataclass(frozen=True)
class MLP(Family):
    """Dense layers on the 784 pixels."""

    dense: tuple[int, ...] = option((256, 128), "neurons of each hidden layer", low=1, high=8192)
    activation: Activation = option("relu", "activation of the hidden layers")
    normalization: Normalization = option("none", "normalization after each hidden layer")
    dropout: float = option(0.2, "share of hidden neurons silenced while training", low=0, below=1)

    def build(self) -> keras.Model:
        """A fresh network: (N, 28, 28) float32 in [0, 1] -> (N, 10) logits."""
        from inkdigits.architectures import layers

        ink, x = layers.entry()
        x = layers.flattened(x)
        x = layers.dense_stack(x, self.dense, self.activation, self.normalization, self.dropout)
        return layers.logits(x, ink, "mlp")
