"""Sweeps: recipe fields x seeds, run one after the other, judged on validation images, compared with intervals.

sweep = load_sweep("architecture-activation-optimizer")
outcome = run_sweep(sweep, "runs/sweep", resume=True)
main_effects(sweep, outcome.results)["architecture.name"][0].accuracy.mean
"""

from inkdigits.experiments.results import Choice, Estimate, Result, estimate, main_effects, ranking, whole_seeds
from inkdigits.experiments.runner import Outcome, Watcher, run_sweep
from inkdigits.experiments.sweep import Factor, Level, Run, Sweep, load_sweep, parse_sweep, sweep_names

__all__ = [
    "Choice",
    "Estimate",
    "Factor",
    "Level",
    "Outcome",
    "Result",
    "Run",
    "Sweep",
    "Watcher",
    "estimate",
    "load_sweep",
    "main_effects",
    "parse_sweep",
    "ranking",
    "run_sweep",
    "sweep_names",
    "whole_seeds",
]
