"""A plain modern convolutional network: stages of convolutions, each stage at half the size of the one before.

With `branches`, several such columns look at the same image side by side (Ciresan, Meier and Schmidhuber, 2012) and one
head reads them all; learned together they err less than one column of as many parameters (Dutt, Pellerin and Quenot,
2017, "Coupled ensembles of neural networks").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from inkdigits.architectures.registry import Activation, Family, Normalization, Pooling, check_stages, register
from inkdigits.errors import RecipeError
from inkdigits.options import option

if TYPE_CHECKING:
    import keras


@register("convnet")
@dataclass(frozen=True)
class ConvNet(Family):
    """Stages of `depth` convolutions each (or as many as it lists) with pooling between them, then a dense head."""

    filters: tuple[int, ...] = option((16, 32, 64), "maps of each stage's convolutions", low=1, high=1024)
    width: float = option(1.0, "multiplies every number of filters", above=0, high=16)
    depth: int | tuple[int, ...] = option(1, "convolutions in each stage, or in each by itself", low=1, high=8)
    branches: int = option(1, "columns of all stages side by side, which the head reads together", low=1, high=64)
    kernel: int = option(3, "height and width of each convolution", low=1, high=11, unit="pixels")
    crop: int = option(
        0, "cut off each side: a normalized digit has an empty margin of about 4", low=0, high=6, unit="pixels"
    )
    padding: Literal["same", "valid"] = option("same", "same: maps keep their size; valid: they lose a margin")
    activation: Activation = option("relu", "activation after each hidden layer")
    pooling: Pooling = option("max", "how each stage but the last halves its maps")
    normalization: Normalization = option("batch", "normalization after each hidden layer")
    head: Literal["flatten", "average", "max"] = option("flatten", "how the last maps become one vector")
    normalized_from: int = option(1, "the first stage that is normalized; ink comes standardized anyway", low=1, high=5)
    dense: tuple[int, ...] = option((), "neurons of each hidden dense layer", low=1, high=8192)
    dropout: float = option(0.0, "share of the head's inputs silenced while training", low=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.filters, halves=self.pooling != "none")
        if isinstance(self.depth, tuple) and len(self.depth) != len(self.filters):
            raise RecipeError(
                f"Expected architecture.depth to name as many stages as filters, {len(self.filters)}; "
                f"got {list(self.depth)}."
            )
        margin = self.kernel - 1 if self.padding == "valid" else 0
        side = 28 - 2 * self.crop
        for stage, depth in enumerate(self._depths()):
            side -= depth * margin
            if side < 1:
                raise RecipeError(
                    f"Expected maps to keep at least one pixel; with architecture.padding 'valid' and kernel "
                    f"{self.kernel} none is left in stage {stage + 1}. Use 'same', fewer stages or a smaller kernel."
                )
            side //= 1 if self.pooling == "none" else 2

    def _depths(self) -> tuple[int, ...]:
        return self.depth if isinstance(self.depth, tuple) else (self.depth,) * len(self.filters)

    def build(self) -> keras.Model:
        """A fresh network: (N, 28, 28) float32 in [0, 1] -> (N, 10) logits."""
        import keras

        from inkdigits.architectures import layers

        ink, x = layers.entry(self.crop)
        prefixes = [f"branch{number}_" for number in range(1, self.branches + 1)] if self.branches > 1 else [""]
        columns = [layers.vector(self._stages(x, prefix), self.head, prefix) for prefix in prefixes]
        x = keras.layers.Concatenate(name="branches")(columns) if self.branches > 1 else columns[0]
        x = layers.dropped(x, self.dropout, "head")
        x = layers.dense_stack(x, self.dense, self.activation, self.normalization, self.dropout)
        return layers.logits(x, ink, "convnet")

    def _stages(self, x: Any, prefix: str = "") -> Any:
        """All convolutions, one after the other, each named with `prefix`."""
        for stage, (filters, depth) in enumerate(zip(self.filters, self._depths(), strict=True), start=1):
            for number in range(1, depth + 1):
                halve = number == depth and stage < len(self.filters)
                kind = self.normalization if stage >= self.normalized_from else "none"
                name = f"{prefix}conv{stage}_{number}"
                x = self._convolution(x, max(1, round(filters * self.width)), halve, kind, name)
        return x

    def _convolution(self, x: Any, filters: int, halve: bool, normalization: Normalization, name: str) -> Any:
        """Convolution, pooling if wanted, normalization, activation.

        Pooling comes first because what follows then has a quarter of the work; for the maximum and a rising
        activation the result is the same.
        """
        import keras

        from inkdigits.architectures import layers

        strides = 2 if halve and self.pooling == "stride" else 1
        bias = normalization == "none"
        x = keras.layers.Conv2D(filters, self.kernel, strides, self.padding, use_bias=bias, name=name)(x)
        x = layers.pooled(x, self.pooling, name) if halve else x
        return layers.activated(layers.normalized(x, normalization, name), self.activation, name)
