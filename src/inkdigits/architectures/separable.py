"""A depthwise-separable network in the manner of MobileNet (Howard et al., 2017): few weights, few multiplications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inkdigits.architectures.registry import Activation, Family, Normalization, check_stages, register
from inkdigits.options import option

if TYPE_CHECKING:
    import keras


@register("separable")
@dataclass(frozen=True)
class Separable(Family):
    """A strided stem, then blocks of a depthwise (space) and a 1x1 (channels) convolution."""

    stem: int = option(16, "maps of the first, ordinary convolution, which halves the picture", low=1, high=512)
    filters: tuple[int, ...] = option((32, 64), "maps of each stage's blocks", low=1, high=1024)
    width: float = option(1.0, "multiplies every number of filters", above=0, high=16)
    depth: int = option(1, "blocks in each stage", low=1, high=16)
    kernel: int = option(
        3, "height and width of the stem and the depthwise convolutions", low=1, high=11, unit="pixels"
    )
    activation: Activation = option("relu", "activation after each convolution")
    normalization: Normalization = option("batch", "normalization after each convolution")
    dropout: float = option(0.0, "share of the head's inputs silenced while training", low=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages((self.stem, *self.filters), halves=True)

    def build(self) -> keras.Model:
        """A fresh network: (N, 28, 28) float32 in [0, 1] -> (N, 10) logits."""
        import keras

        from inkdigits.architectures import layers

        bias = self.normalization == "none"
        ink, x = layers.entry()
        stem = max(1, round(self.stem * self.width))
        x = keras.layers.Conv2D(stem, self.kernel, 2, "same", use_bias=bias, name="stem")(x)
        x = self._ready(x, "stem")
        for stage, filters in enumerate(self.filters, start=1):
            count = max(1, round(filters * self.width))
            for number in range(1, self.depth + 1):
                halve = stage > 1 and number == 1
                x = self._block(x, count, 2 if halve else 1, f"block{stage}_{number}")
        x = layers.dropped(layers.vector(x, "average"), self.dropout, "head")
        return layers.logits(x, ink, "separable")

    def _block(self, x: Any, filters: int, strides: int, name: str) -> Any:
        import keras

        bias = self.normalization == "none"
        space, channels = f"{name}_space", f"{name}_channels"
        x = keras.layers.DepthwiseConv2D(self.kernel, strides, "same", use_bias=bias, name=space)(x)
        x = self._ready(x, space)
        x = keras.layers.Conv2D(filters, 1, use_bias=bias, name=channels)(x)
        return self._ready(x, channels)

    def _ready(self, x: Any, name: str) -> Any:
        from inkdigits.architectures import layers

        return layers.activated(layers.normalized(x, self.normalization, name), self.activation, name)
