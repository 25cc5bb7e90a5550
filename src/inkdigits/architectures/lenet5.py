"""LeNet-5, the network that made MNIST famous (LeCun, Bottou, Bengio and Haffner, 1998)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inkdigits.architectures.registry import Activation, Family, register
from inkdigits.errors import RecipeError
from inkdigits.options import option

if TYPE_CHECKING:
    import keras


@register("lenet5")
@dataclass(frozen=True)
class LeNet5(Family):
    """Two 5x5 convolutions and three dense layers.

    As in the paper: 6 and 16 maps, average pooling, tanh, 120 and 84 neurons. Unlike it: every map of the second
    convolution sees all maps of the first, pooling has no weights, and ten logits replace the radial basis functions.
    """

    filters: tuple[int, ...] = option((6, 16), "maps of the two convolutions", low=1, high=512)
    dense: tuple[int, ...] = option((120, 84), "neurons of each hidden dense layer", low=1, high=8192)
    activation: Activation = option("tanh", "activation of the hidden layers")
    pooling: Literal["max", "average"] = option("average", "how 2x2 pixels become one")
    dropout: float = option(0.0, "share of hidden neurons silenced while training", low=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.filters) != 2:
            raise RecipeError(f"Expected architecture.filters to be two whole numbers; got {list(self.filters)}.")

    def build(self) -> keras.Model:
        """A fresh network: (N, 28, 28) float32 in [0, 1] -> (N, 10) logits."""
        import keras

        from inkdigits.architectures import layers

        ink, x = layers.entry()
        for number, filters in enumerate(self.filters, start=1):
            name = f"conv{number}"
            # The paper pads MNIST to 32x32, which is "same" padding for the first convolution alone.
            padding = "same" if number == 1 else "valid"
            x = keras.layers.Conv2D(filters, 5, padding=padding, name=name)(x)
            x = layers.pooled(layers.activated(x, self.activation, name), self.pooling, name)
        x = layers.dense_stack(layers.flattened(x), self.dense, self.activation, "none", self.dropout)
        return layers.logits(x, ink, "lenet5")
