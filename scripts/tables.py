"""Write the tables of figures in the documents from the measured CSVs, so that no figure is typed by hand.

A document marks a table's place with `<!-- table: NAME -->` and `<!-- end of table -->`. `--check` writes nothing and
fails when a document is out of date.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import accuracy as accuracies  # noqa: E402 - where the figures are
import compare  # noqa: E402
import conditions as worse  # noqa: E402
import nothing as nothings  # noqa: E402
import sizes as formats  # noqa: E402
import speed as speeds  # noqa: E402
from fingerprints import current  # noqa: E402
from rows import rows_of  # noqa: E402

DOCUMENTS = ("README.md", "MODEL_CARD.md", "benchmarks/README.md", "docs/experiments.md", "docs/reading.md")
PLACE = re.compile(r"(<!-- table: (?P<name>[a-z-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def accuracy() -> str:
    """Recipes as they are now, and ensembles: mean, spread and cost over seeds, of benchmarks/results/accuracy.csv."""
    rows = current(_rows("accuracy", *accuracies.KEY))
    disputed = {row["index"] for row in rows_of(ROOT / "benchmarks/disputed.csv")}
    lines = [
        "| recipe | parameters | epochs | seeds | test accuracy, mean ± sd | lowest to highest | without the disputed "
        "| CPU-seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = sorted(rows, key=lambda row: (" x " in row["recipe"], int(row["parameters"])))
    for name in dict.fromkeys(row["recipe"] for row in rows):
        mine = [row for row in rows if row["recipe"] == name]
        wrong = [len(set(row["mistakes"].split()) - disputed) for row in mine]
        undisputed = 100 - 100 * statistics.mean(wrong) / (10_000 - len(disputed))
        scores = _percent(mine)
        cost = statistics.mean(float(row["cpu_seconds"]) for row in mine)
        span = f"{min(scores):.2f} to {max(scores):.2f} %" if len(scores) > 1 else ""
        seeds = f"{len(mine[0]['seed'].split())} together" if " x " in name else str(len(mine))
        lines.append(
            f"| `{name}` | {int(mine[0]['parameters']):,} | {mine[0]['epochs']} | {seeds} "
            f"| **{statistics.mean(scores):.3f} %**{_spread(scores)} | {span} | {undisputed:.3f} % | {cost:.0f} |"
        )
    return "\n".join([*lines, "", _where(rows, "recipe")])


def earlier() -> str:
    """What is in benchmarks/results/accuracy.csv of recipes that were replaced, in the order they were finished."""
    every = _rows("accuracy", *accuracies.KEY)
    now = current(every)
    lines = [
        "| recipe | fingerprint | finished | seeds | validation accuracy | test accuracy, mean ± sd | CPU-seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    old = [row for row in every if row not in now]
    for name, mark in dict.fromkeys(
        (row["recipe"], row["recipe_hash"]) for row in sorted(old, key=lambda r: r["date"])
    ):
        mine = [row for row in old if (row["recipe"], row["recipe_hash"]) == (name, mark)]
        scores = _percent(mine)
        validation, cost = (
            statistics.mean(float(row[c]) for row in mine) for c in ("validation_accuracy", "cpu_seconds")
        )
        lines.append(
            f"| `{name}` | {mark} | {mine[-1]['date'][:16].replace('T', ' ')} | {len(mine)} | {100 * validation:.2f} % "
            f"| {statistics.mean(scores):.3f} %{_spread(scores)} | {cost:.0f} |"
        )
    return "\n".join(lines)


def pairs() -> str:
    """Recipes two by two, seed by seed, from the mistakes in benchmarks/results/accuracy.csv (McNemar)."""
    rows = sorted(current(_rows("accuracy", *accuracies.KEY)), key=lambda row: row["seed"])
    lines = ["| recipes | seed: images that only the first, only the second got wrong; p |", "|---|---|"]
    for first, second in (("best", "small"), ("small", "nano"), ("nano", "standard"), ("standard", "quick")):
        each = (
            f"{pair.seed}: {pair.only_first}, {pair.only_second}; {pair.p:.2g}"
            for pair in compare.pairs(rows, first, second)
        )
        lines.append(f"| `{first}`, `{second}` | {' · '.join(each)} |")
    return "\n".join(lines)


def speed() -> str:
    """Recipes of benchmarks/results/speed*.csv beside Keras' example: what the same accuracy costs."""
    lines = [
        "| threads of the reference | recipe | seeds | test accuracy, mean ± sd | CPU-seconds "
        "| the reference's epochs for the same | its CPU-seconds | ratio | ratio by the clock |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    every = []
    for threads, name in (("all", "speed"), ("one", "speed-one-thread")):
        rows = _rows(name, *speeds.KEY)
        every += rows
        for recipe in dict.fromkeys(row["network"] for row in rows if row["network"] != speeds.REFERENCE):
            found = speeds.compared(rows, recipe, speeds.mark(recipe))
            if found is None:
                continue
            epochs = str(found.epochs) if found.reached else f"not reached in {found.epochs}"
            more = "" if found.reached else "more than "
            lines.append(
                f"| {threads} | `{recipe}` | {found.seeds} "
                f"| {100 * found.accuracy:.3f} % ± {100 * found.deviation:.3f} "
                f"| {found.cpu_seconds:.1f} | {epochs} | {found.reference_seconds:.0f} "
                f"| {more}{found.reference_seconds / found.cpu_seconds:.1f} "
                f"| {more}{found.reference_wall_seconds / found.wall_seconds:.1f} |"
            )
    return "\n".join([*lines, "", _where(every)])


def sizes() -> str:
    """Recipes' exported files of benchmarks/results/sizes.csv: bytes, and accuracy over the seeds."""
    rows = current(_rows("sizes", *formats.KEY))
    lines = ["| recipe | parameters | format | bytes | seeds | test accuracy, mean ± sd |", "|---|---|---|---|---|---|"]
    for name, form in dict.fromkeys((row["recipe"], row["format"]) for row in rows):
        mine = [row for row in rows if (row["recipe"], row["format"]) == (name, form)]
        scores = _percent(mine)
        largest = max(int(row["bytes"]) for row in mine)
        lines.append(
            f"| `{name}` | {int(mine[0]['parameters']):,} | `{form}` | {largest:,} | {len(mine)} "
            f"| {statistics.mean(scores):.3f} %{_spread(scores)} |"
        )
    return "\n".join([*lines, "", _where(rows)])


def inference() -> str:
    """The medians of benchmarks/results/inference.csv for the last files, on each machine, on one core and on two."""
    rows = _rows("inference")
    names = ("engine", "model", "figure", "hardware")
    lines = [f"| {' | '.join(names)} | one core | two cores | rounds |", "|---|---|---|---|---|---|---|"]
    for each in dict.fromkeys(tuple(row[name] for name in names) for row in rows):
        mine = [row for row in rows if tuple(row[name] for name in names) == each]
        mine = [row for row in mine if row["files"] == mine[-1]["files"]]
        values = {cores: [float(row["value"]) for row in mine if row["cores"] == cores] for cores in ("1", "2")}
        medians = [statistics.median(found) if found else None for found in values.values()]
        shown = " | ".join("" if m is None else f"{m:,.0f}" if m >= 100 else f"{m:.3g}" for m in medians)
        lines.append(f"| {' | '.join(each)} | {shown} | {max(map(len, values.values()))} |")
    return "\n".join([*lines, "", _where(rows)])


def nothing() -> str:
    """Digits read where there are none, of benchmarks/results/nothing.csv: by the last version of each engine."""
    rows = list({(row["engine"], row["pictures"]): row for row in _rows("nothing", *nothings.KEY)}.values())
    lines = ["| pictures | engine | n | with digits | digits |", "|---|---|---|---|---|"]
    for row in rows:
        columns = (row["pictures"], row["engine"], row["n"], row["with_digits"], row["digits"])
        lines.append(f"| {' | '.join(columns)} |")
    said = dict.fromkeys(f"{row['engine']} {row['version']}" for row in rows)
    return "\n".join([*lines, "", f"{'; '.join(said)}. {_where(rows)}"])


def conditions() -> str:
    """Digits read wrong in worse pictures, of benchmarks/results/conditions.csv: by the last version of each engine."""
    every = _rows("conditions", *worse.KEY)
    rows = {(row["engine"], row["condition"], row["pictures"]): row for row in every}
    names = "pictures", "engine", "single digits right", "fields right", "wrong digits", "pages right", "wrong digits"
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for engine, condition in dict.fromkeys(
        (row["engine"], row["condition"]) for row in every if row["pictures"] == "pages"
    ):
        alone, *found = [rows[engine, condition, pictures] for pictures in ("digits", "fields", "pages")]
        columns = [f"{alone['exact']} of {alone['n']}"]
        columns += [
            figure
            for row in found
            for figure in (f"{row['exact']} of {row['n']}", f"{100 * int(row['wrong']) / int(row['digits']):.1f} %")
        ]
        lines.append(f"| {condition} | {engine} | {' | '.join(columns)} |")
    said = dict.fromkeys(f"{row['engine']} {row['version']}" for row in rows.values())
    return "\n".join([*lines, "", f"{'; '.join(said)}. {_where(list(rows.values()))}"])


def realworld() -> str:
    """inkdigits and other programs, of benchmarks/results/realworld.csv, side by side."""
    return _side_by_side(("inkdigits", "tesseract", "rapidocr"), ("accuracy", *_OF_TEXTS))


def designs() -> str:
    """The design of inkdigits and others, of benchmarks/results/realworld.csv, side by side."""
    return _side_by_side(("inkdigits", "digitwise", "sequences", "boxes", "cut"), _OF_TEXTS, optional=("sequences",))


def _side_by_side(engines: tuple[str, ...], wanted: tuple[str, ...], optional: tuple[str, ...] = ()) -> str:
    """Engines' last figures on the same pictures, for sets that all but the optional ones answered."""
    rows = [row for row in _rows("realworld") if row["metric"] in wanted and row["engine"] in engines]
    lines = [f"| pictures | figure | {' | '.join(engines)} | n |", "|---" * (len(engines) + 3) + "|"]
    shown: list[dict[str, str]] = []
    for name, metric in dict.fromkeys((row["set"], row["metric"]) for row in rows):
        samples: dict[str, dict[str, dict[str, str]]] = {}
        for row in rows:
            if (row["set"], row["metric"]) == (name, metric):
                samples.setdefault(row["n"], {})[row["engine"]] = row
        complete = [n for n, figures in samples.items() if figures.keys() >= set(engines) - set(optional)]
        if not complete:
            continue
        n = max(complete, key=int)
        figures = samples[n]
        cells = (f"{100 * float(figures[each]['value']):.1f} %" if each in figures else "" for each in engines)
        lines.append(f"| `{name}` | {metric} | {' | '.join(cells)} | {int(n):,} |")
        shown += figures.values()
    told = "; ".join(
        f"{each} {' and '.join(dict.fromkeys(_made(row) for row in shown if row['engine'] == each))}"
        for each in engines
    )
    return "\n".join([*lines, "", f"Versions and machines: {told}."])


def _made(row: dict[str, str]) -> str:
    return f"{row['version']} (on {row['hardware']})"


def pictures() -> str:
    """What the bundled models last scored on all pictures of each set of benchmarks/results/realworld.csv."""
    lines = ["| pictures | n | figure | |", "|---|---|---|---|"]
    ours = [row for row in _rows("realworld") if row["engine"] == "inkdigits" and row["pictures"] == row["of"]]
    last = {(row["set"], row["metric"]): row for row in ours if row["metric"] in _SHOWN}
    for (name, metric), row in sorted(last.items(), key=lambda item: (item[0][0], _SHOWN.index(item[0][1]))):
        value = float(row["value"])
        shown = f"{value:.4f}" if metric.startswith("AUROC") else f"{100 * value:.1f} %"
        lines.append(f"| `{name}` | {int(row['n']):,} | {metric} | {shown} |")
    return "\n".join(lines)


_OF_TEXTS = ("exact match", "character error rate")
_SHOWN = (
    "accuracy",
    "accuracy, worst group",
    "exact match",
    "character error rate",
    "AUROC against digits",
    "refused",
    "refused when 99% of digits are kept",
)


def ease() -> str:
    """The combinations of the sweep `ease`, of benchmarks/results/sweep-ease.csv, averaged over its seeds."""
    rows = _rows("sweep-ease")
    lines = ["| changes | ease | accuracy, mean ± sd | loss | CPU-seconds |", "|---|---|---|---|---|"]
    for changes, share in dict.fromkeys((row["changes"], row["augmentation.ease"]) for row in rows):
        mine = [row for row in rows if (row["changes"], row["augmentation.ease"]) == (changes, share)]
        scores = [100 * float(row["accuracy"]) for row in mine]
        loss, cost = (statistics.mean(float(row[name]) for row in mine) for name in ("loss", "cpu_seconds"))
        spread = f"{statistics.mean(scores):.2f} % ± {statistics.stdev(scores):.2f}"
        lines.append(f"| {changes} | {float(share):g} | {spread} | {loss:.4f} | {cost:.0f} |")
    return "\n".join(lines)


def effects(factor: str) -> str:
    """What a choice of the sweep architecture-activation-optimizer makes, from the effects.csv of its report."""
    rows = [row for row in rows_of(ROOT / f"docs/experiments/{_SWEEP}/effects.csv") if row["factor"] == factor]
    sizes = all(row["parameters"] for row in rows)
    lines = [
        f"| {factor} |{' weights |' * sizes} accuracy, mean ± sd | 95 % interval | to the best | CPU-seconds per run |",
        "|---|---|---|---|---|" + "---|" * sizes,
    ]

    def percent(row: dict[str, str], name: str, sign: str = "") -> str:
        return f"{100 * float(row[name]):{sign}.2f}".replace("-", "−")

    for row in rows:
        gap = "best"
        if row["difference_low"]:
            low, high = (percent(row, f"difference_{end}", "+") for end in ("low", "high"))
            gap = f"{percent(row, 'difference_mean', '+')} ({low} to {high})"
        within = f"{percent(row, 'accuracy_low')} to {percent(row, 'accuracy_high')} %"
        mean = f"{percent(row, 'accuracy_mean')} % ± {percent(row, 'accuracy_sd')}"
        weights = f" {int(row['parameters']):,} |" if sizes else ""
        lines.append(f"| `{row['level']}` |{weights} {mean} | {within} | {gap} | {float(row['cpu_seconds']):.1f} |")
    return "\n".join(lines)


_SWEEP = "architecture-activation-optimizer"


def _percent(rows: list[dict[str, str]]) -> list[float]:
    return [100 * float(row["test_accuracy"]) for row in rows]


def _spread(scores: list[float]) -> str:
    return f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""


def _where(rows: list[dict[str, str]], of: str | None = None) -> str:
    """On what rows were measured; of several machines, which values of the column `of` each has measured."""
    machines: dict[str, dict[str, None]] = {}
    for row in rows:
        machines.setdefault(row["hardware"], {})[f"`{row[of]}`" if of else ""] = None
    told = of and len(machines) > 1
    hardware = " and ".join(f"{name} ({', '.join(what)})" if told else name for name, what in machines.items())
    versions = ", ".join(dict.fromkeys(row["versions"] for row in rows))
    return f"Measured on: {hardware}; {versions}."


def _rows(name: str, *key: str) -> list[dict[str, str]]:
    return rows_of(ROOT / f"benchmarks/results/{name}.csv", *key)


TABLES: dict[str, Callable[[], str]] = {
    "accuracy": accuracy,
    "conditions": conditions,
    "designs": designs,
    "earlier": earlier,
    "ease": ease,
    "effects-activation": lambda: effects("activation"),
    "effects-architecture": lambda: effects("architecture"),
    "effects-optimizer": lambda: effects("optimizer"),
    "inference": inference,
    "nothing": nothing,
    "pairs": pairs,
    "pictures": pictures,
    "realworld": realworld,
    "sizes": sizes,
    "speed": speed,
}


def renewed(text: str) -> str:
    """A document with its tables written anew."""
    return PLACE.sub(lambda match: match[1] + TABLES[match["name"]]() + "\n" + match[3], text)


def main() -> None:
    """Renew or check all documents."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a document is out of date")
    check = parser.parse_args().check
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        if renewed(text) == text:
            continue
        if check:
            sys.exit(f"{name} is out of date. Run: python scripts/tables.py")
        path.write_text(renewed(text), encoding="utf-8")


if __name__ == "__main__":
    main()
