"""A small residual network (He, Zhang, Ren and Sun, 2016, with their later "pre-activation" order)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inkdigits.architectures.registry import Activation, Family, Normalization, check_stages, register
from inkdigits.options import option

if TYPE_CHECKING:
    import keras


@register("resnet")
@dataclass(frozen=True)
class ResNet(Family):
    """Stages of residual blocks; each stage after the first halves its maps with strided convolutions."""

    filters: tuple[int, ...] = option((16, 32, 64), "maps of each stage's blocks", low=1, high=1024)
    width: float = option(1.0, "multiplies every number of filters", above=0, high=16)
    depth: int = option(1, "residual blocks in each stage", low=1, high=16)
    kernel: int = option(3, "height and width of each convolution", low=1, high=11, unit="pixels")
    activation: Activation = option("relu", "activation inside the blocks")
    normalization: Normalization = option("batch", "normalization inside the blocks")
    dropout: float = option(0.0, "share of the head's inputs silenced while training", low=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.filters, halves=True)

    def build(self) -> keras.Model:
        """A fresh network: (N, 28, 28) float32 in [0, 1] -> (N, 10) logits."""
        from inkdigits.architectures import layers

        counts = [max(1, round(filters * self.width)) for filters in self.filters]
        ink, x = layers.entry()
        x = self._convolution(x, counts[0], 1, "stem")
        for stage, count in enumerate(counts, start=1):
            for number in range(1, self.depth + 1):
                halve = stage > 1 and number == 1
                x = self._block(x, count, 2 if halve else 1, f"block{stage}_{number}")
        x = self._ready(x, "last")
        x = layers.dropped(layers.vector(x, "average"), self.dropout, "head")
        return layers.logits(x, ink, "resnet")

    def _block(self, x: Any, filters: int, strides: int, name: str) -> Any:
        """Add to `x` what two convolutions make of it; a 1x1 convolution fits `x` where its shape changes."""
        import keras

        ready = self._ready(x, f"{name}_in")
        if strides > 1 or x.shape[-1] != filters:
            x = keras.layers.Conv2D(filters, 1, strides, use_bias=False, name=f"{name}_shortcut")(ready)
        inner = self._ready(self._convolution(ready, filters, strides, f"{name}_conv1"), f"{name}_mid")
        return keras.layers.Add(name=f"{name}_add")([x, self._convolution(inner, filters, 1, f"{name}_conv2")])

    def _ready(self, x: Any, name: str) -> Any:
        from inkdigits.architectures import layers

        return layers.activated(layers.normalized(x, self.normalization, name), self.activation, name)

    def _convolution(self, x: Any, filters: int, strides: int, name: str) -> Any:
        import keras

        bias = self.normalization == "none"
        return keras.layers.Conv2D(filters, self.kernel, strides, "same", use_bias=bias, name=name)(x)
