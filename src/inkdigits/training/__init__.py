"""Training: a recipe and images in, a trained model out; every finished epoch survives a crash.

    folder = train("quick", out="runs/quick", seed=1)

`train` fetches the data, trains and writes a bundle; `fit` is its core, for data of your own and for experiments.
"""

from inkdigits.training.fitting import Fitted, fit
from inkdigits.training.observers import EpochRecord, Observer, Observers, Progress
from inkdigits.training.running import train

__all__ = ["EpochRecord", "Fitted", "Observer", "Observers", "Progress", "fit", "train"]
