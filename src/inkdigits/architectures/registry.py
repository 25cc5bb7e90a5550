"""The registry: a decorator and one dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from inkdigits.errors import RecipeError
from inkdigits.options import Options, unknown

if TYPE_CHECKING:
    import keras

# Choices that several families share (here, because reading options must not import Keras).
Activation = Literal[
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "hard_silu", "softplus", "tanh", "sigmoid"
]
Pooling = Literal["max", "average", "stride", "none"]
Normalization = Literal["none", "batch", "layer", "group"]


@dataclass(frozen=True)
class Family(Options):
    """Options of one family of networks, and how to build one."""

    @classmethod
    def where(cls) -> str:
        """Options of a family are spelled `architecture.option` in recipes."""
        return "architecture."

    def build(self) -> keras.Model:
        """A fresh network: (N, 28, 28) float32 in [0, 1] -> (N, 10) float32 logits."""
        raise NotImplementedError


_families: dict[str, type[Family]] = {}
_F = TypeVar("_F", bound=type[Family])


def register(name: str) -> Callable[[_F], _F]:
    """Make a family known under `name`.

    Raises:
        RecipeError: the name is taken by another family.
    """

    def decorate(cls: _F) -> _F:
        known = _families.setdefault(name, cls)
        if known.__qualname__ != cls.__qualname__ or known.__module__ != cls.__module__:
            raise RecipeError(f"Expected a new name for {cls.__name__}; {name!r} is taken by {known.__name__}.")
        _families[name] = cls
        return cls

    return decorate


def names() -> tuple[str, ...]:
    """The registered families, in alphabetical order."""
    return tuple(sorted(_families))


def known(name: str) -> type[Family]:
    """The family registered under a name.

    Raises:
        RecipeError: there is none; the message lists those there are.
    """
    if not isinstance(name, str) or name not in _families:
        raise RecipeError(unknown(f"architecture {name!r}", str(name), list(names())))
    return _families[name]


def family(name: str, options: Mapping[str, Any] | None = None) -> Family:
    """The checked options of one network.

    Raises:
        RecipeError: no such family, no such option, or an impossible value; the message lists what is possible.
    """
    return known(name).from_mapping(options or {})


def build(name: str, options: Mapping[str, Any] | None = None) -> keras.Model:
    """Build a network by name: (N, 28, 28) float32 in [0, 1] -> (N, 10) float32 logits.

    Raises:
        RecipeError: no such family, no such option, or an impossible value.
    """
    return family(name, options).build()


def check_stages(filters: tuple[int, ...], halves: bool) -> None:
    """Refuse a network without stages, or with more halvings than 28 pixels allow (28, 14, 7, 3, 1).

    Raises:
        RecipeError: there are no stages or too many.
    """
    if not filters:
        raise RecipeError("Expected architecture.filters to name at least one stage; got an empty list.")
    if halves and len(filters) > 5:
        raise RecipeError(
            f"Expected at most 5 stages (28 pixels can be halved 4 times); got {len(filters)}: {list(filters)}."
        )
