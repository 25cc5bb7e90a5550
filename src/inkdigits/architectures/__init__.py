"""The networks that can be trained: one file per family, found by name.

    @register("tiny")
    @dataclass(frozen=True)
    class Tiny(Family):
        units: int = option(32, "neurons in the hidden layer", low=1)

        def build(self) -> keras.Model: ...

Every family takes (N, 28, 28) float32 ink in [0, 1] (0.0 paper, 1.0 ink), normalizes inside the graph, and returns
(N, 10) logits from a last Dense layer named "logits".
"""

from inkdigits.architectures import convnet, lenet5, mlp, resnet, separable  # noqa: F401  (they register themselves)
from inkdigits.architectures.registry import Family, build, family, known, names, register

__all__ = ["Family", "build", "family", "known", "names", "register"]
