"""What a recipe is made of: frozen dataclasses that refuse unknown names and impossible values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from inkdigits import architectures
from inkdigits.augmentation import Augmentation
from inkdigits.errors import RecipeError
from inkdigits.options import Options, option, unknown


@dataclass(frozen=True)
class Architecture:
    """A network by its family's name and the family's checked options."""

    name: str
    options: architectures.Family

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From {"name": ..., and the family's options beside it}, as in a TOML table.

        Raises:
            RecipeError: no name, no such family or option, or an impossible value.
        """
        if "name" not in values:
            possible = ", ".join(architectures.names())
            raise RecipeError(f"Expected architecture.name; got none. Possible: {possible}.")
        options = {key: value for key, value in values.items() if key != "name"}
        return cls(values["name"], architectures.family(values["name"], options))

    def to_dict(self) -> dict[str, Any]:
        """What `from_mapping` takes."""
        return {"name": self.name, **self.options.to_dict()}


# Learning rates that train the default convnet well; they hold for a batch of 256.
_LEARNING_RATES = {"sgd": 0.1, "adam": 4e-3, "adamw": 4e-3, "rmsprop": 1e-3, "lion": 1e-3, "muon": 2e-3}


@dataclass(frozen=True)
class Optimizer(Options):
    """How weights follow the gradient."""

    name: Literal["sgd", "adam", "adamw", "rmsprop", "lion", "muon"] = option("adamw", "the update rule")
    learning_rate: float | None = option(
        None, "the schedule's highest rate; without it, one that suits the optimizer", above=0, high=10
    )
    weight_decay: float = option(
        0.0, "decoupled decay (Loshchilov and Hutter, 2019) of kernels, times the learning rate", low=0, high=10
    )
    momentum: float = option(0.9, "for sgd and rmsprop", low=0, below=1)
    nesterov: bool = option(True, "look ahead, for sgd (Nesterov, 1983)")
    beta_1: float = option(0.9, "memory of the mean gradient, for adam, adamw, lion and muon", low=0, below=1)
    beta_2: float = option(
        0.99, "memory of the squared gradient, for adam, adamw, lion, muon and rmsprop", low=0, below=1
    )
    clip_norm: float | None = option(None, "longest gradient over all weights; none: no clipping", above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", _LEARNING_RATES[self.name])

    @classmethod
    def where(cls) -> str:
        """Recipes spell these `optimizer.option`."""
        return "optimizer."


@dataclass(frozen=True)
class Schedule(Options):
    """How the learning rate moves over a whole training."""

    name: Literal["one-cycle", "cosine", "step", "constant"] = option(
        "one-cycle", "one-cycle: linearly up, then a cosine down (Smith and Topin, 2019); cosine: down only"
    )
    warmup: float = option(0.25, "share of all steps with a rising rate (one-cycle)", low=0, below=1)
    start: float = option(0.1, "rate of the first step, as a share of the highest (one-cycle)", low=0, high=1)
    final: float = option(0.0, "rate of the last step, as a share of the highest (one-cycle, cosine)", low=0, high=1)
    drops: tuple[float, ...] = option(
        (0.5, 0.75), "where the rate falls, as shares of all steps (step)", above=0, below=1
    )
    factor: float = option(0.1, "what each fall multiplies the rate by (step)", above=0, below=1)

    @classmethod
    def where(cls) -> str:
        """Recipes spell these `schedule.option`."""
        return "schedule."


@dataclass(frozen=True)
class Loss(Options):
    """Cross-entropy, with softer targets if wanted."""

    label_smoothing: float = option(
        0.0, "probability spread evenly over all ten digits (Szegedy et al., 2016)", low=0, below=1
    )

    @classmethod
    def where(cls) -> str:
        """Recipes spell these `loss.option`."""
        return "loss."


@dataclass(frozen=True)
class Averaging(Options):
    """The trained model is a moving average of the weights (Polyak and Juditsky, 1992)."""

    decay: float = option(0.0, "share of the average kept at each step, such as 0.999; 0: no averaging", low=0, below=1)

    @classmethod
    def where(cls) -> str:
        """Recipes spell these `averaging.option`."""
        return "averaging."


@dataclass(frozen=True)
class Synthetic(Options):
    """Pictures to learn from beside MNIST's images, made from them: scenes, worn digits, and what is no digit."""

    digits: int = option(0, "pictures of a digit", low=0, high=10_000_000)
    others: int = option(0, "pictures of anything else, which the network learns to tell from digits", low=0)

    @classmethod
    def where(cls) -> str:
        """Recipes spell these `synthetic.option`."""
        return "synthetic."


@dataclass(frozen=True)
class Distillation(Options):
    """What teachers answer to an image, changed as the student sees it, is learned (Hinton, Vinyals and Dean, 2015)."""

    teachers: tuple[str, ...] = option(
        (), "bundled models' names or bundles' folders; the mean of their probabilities is what is taught"
    )
    weight: float = option(0.9, "share of the loss that is the teachers'; the rest is the labels'", low=0, high=1)
    temperature: float = option(2.0, "what teachers' and student's logits are divided by", above=0, high=100)

    @classmethod
    def where(cls) -> str:
        """Recipes spell these `distillation.option`."""
        return "distillation."


_SECTIONS = ("architecture", "optimizer", "schedule", "loss", "averaging", "augmentation", "synthetic", "distillation")


@dataclass(frozen=True)
class Recipe(Options):
    """Everything that decides a training, but the seed's choice and the data."""

    name: str = option()
    architecture: Architecture = option()
    description: str = option("", "one paragraph: why this recipe is as it is")
    seed: int = option(0, "of the weights, the order of images, augmentation and dropout", low=0, high=2**31 - 1)
    epochs: int = option(2, "times that training goes through the images, in whole batches", low=1, high=100_000)
    batch_size: int = option(256, "images in each step", low=1, high=65_536)
    threads: int | None = option(
        None, "that calculate (TensorFlow); without it, its own choice. Small networks are as fast with one", low=1
    )
    train_images: int | None = option(None, "use only that many training images, every digit alike", low=10)
    validation_images: int = option(5000, "training images held back to choose and calibrate with", low=10)
    validation: Literal["stratified", "last"] = option(
        "stratified", "which training images are held back: every digit in its proportion, or the last of the data"
    )
    optimizer: Optimizer = option(Optimizer())
    schedule: Schedule = option(Schedule())
    loss: Loss = option(Loss())
    averaging: Averaging = option(Averaging())
    augmentation: Augmentation = option(Augmentation())
    synthetic: Synthetic = option(Synthetic())
    distillation: Distillation = option(Distillation())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"[\w-][\w.-]*", self.name):  # it names a folder
            raise RecipeError(f"Expected a name of letters, digits, '.', '_' and '-'; got {self.name!r}.")

    @property
    def from_images_alone(self) -> bool:
        """Whether the dataset's images are all it learns from: no synthetic pictures, no teachers."""
        return not (self.synthetic.digits or self.synthetic.others or self.distillation.teachers)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from nested plain values, as TOML or JSON gives them.

        Raises:
            RecipeError: a name is unknown, a required one is missing, or a value is impossible.
        """
        values = dict(values)
        for section in _SECTIONS:
            if section in values and not isinstance(values[section], Mapping | Options | Architecture):
                raise RecipeError(f"Expected {section} to be a table of options; got {values[section]!r}.")
        if isinstance(values.get("architecture"), Mapping):
            values["architecture"] = Architecture.from_mapping(values["architecture"])
        return super().from_mapping(values)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values: what `from_mapping` takes, ready for JSON."""
        return {**super().to_dict(), "architecture": self.architecture.to_dict()}

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """A copy with some values replaced: {"optimizer.learning_rate": 1e-3, "epochs": 5}.

        Giving a section another name ("architecture.name", "optimizer.name", "schedule.name") starts that section
        anew from the defaults of what is named, because one optimizer's learning rate says nothing about another's.

        Raises:
            RecipeError: a name is unknown or a value is impossible.
        """
        values = self.to_dict()
        # Whole sections first, then names (they empty their section), then single options.
        for key, value in sorted(overrides.items(), key=lambda item: ("." in item[0], not item[0].endswith(".name"))):
            section, _, rest = key.partition(".")
            possible = _SECTIONS if rest else tuple(field.name for field in fields(self))
            if section not in possible:
                raise RecipeError(unknown(f"option {key!r}", section, list(possible)))
            if not rest:
                values[section] = value
                continue
            if not isinstance(values[section], Mapping):
                raise RecipeError(f"Expected {section} to be a table of options; got {values[section]!r}.")
            old = {} if rest == "name" and values[section].get("name", value) != value else values[section]
            values[section] = {**old, rest: value}
        return self.from_mapping(values)


def sections() -> dict[str, list[tuple[str, str, str]]]:
    """What each section of a recipe takes, as `Options.describe` tells it; those of the recipe itself under ""."""
    whole = {field.name for field in fields(Recipe)} - {"name", "description", *_SECTIONS}
    kinds: tuple[type[Options], ...] = (Optimizer, Schedule, Loss, Averaging, Augmentation, Synthetic, Distillation)
    described = {"": [row for row in Recipe.describe() if row[0] in whole]}
    return described | {kind.where().rstrip("."): kind.describe() for kind in kinds}
