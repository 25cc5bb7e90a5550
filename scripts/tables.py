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
from rows import latest, rows_of  # noqa: E402 - where the figures are
from speed import REFERENCE, compared  # noqa: E402

DOCUMENTS = ("README.md", "MODEL_CARD.md", "benchmarks/README.md", "docs/experiments.md", "docs/reading.md")
PLACE = re.compile(r"(<!-- table: (?P<name>[a-z-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def accuracy() -> str:
    """Each recipe of benchmarks/results/accuracy.csv as it was last: mean, spread and cost over its seeds."""
    rows = latest(_rows("accuracy"))
    disputed = {row["index"] for row in rows_of(ROOT / "benchmarks/disputed.csv")}
    lines = [
        "| recipe | parameters | epochs | seeds | test accuracy, mean ± sd | lowest to highest | without the disputed "
        "| CPU-seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["recipe"] for row in rows):
        mine = [row for row in rows if row["recipe"] == name]
        wrong = [len(set(row["mistakes"].split()) - disputed) for row in mine]
        undisputed = 100 - 100 * statistics.mean(wrong) / (10_000 - len(disputed))
        scores = [100 * float(row["test_accuracy"]) for row in mine]
        spread = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
        cost = statistics.mean(float(row["cpu_seconds"]) for row in mine)
        lines.append(
            f"| `{name}` | {int(mine[0]['parameters']):,} | {mine[0]['epochs']} | {len(mine)} "
            f"| **{statistics.mean(scores):.3f} %**{spread} | {min(scores):.2f} to {max(scores):.2f} % "
            f"| {undisputed:.3f} % | {cost:.0f} |"
        )
    return "\n".join([*lines, "", _where(rows)])


def speed() -> str:
    """Recipes of benchmarks/results/speed.csv beside Keras' example: what the same accuracy costs."""
    rows = _rows("speed")
    lines = [
        "| recipe | seeds | test accuracy, mean ± sd | CPU-seconds | the reference's epochs for the same "
        "| its CPU-seconds | ratio | ratio by the clock |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["network"] for row in rows if row["network"] != REFERENCE):
        found = compared(rows, name)
        if found is None:
            continue
        epochs = str(found.epochs) if found.reached else f"not reached in {found.epochs}"
        more = "" if found.reached else "more than "
        lines.append(
            f"| `{name}` | {found.seeds} | {100 * found.accuracy:.3f} % ± {100 * found.deviation:.3f} "
            f"| {found.cpu_seconds:.1f} | {epochs} | {found.reference_seconds:.0f} "
            f"| {more}{found.reference_seconds / found.cpu_seconds:.1f} "
            f"| {more}{found.reference_wall_seconds / found.wall_seconds:.1f} |"
        )
    return "\n".join([*lines, "", _where(rows)])


def sizes() -> str:
    """Recipes' exported files of benchmarks/results/sizes.csv: bytes, and accuracy over the seeds."""
    rows = latest(_rows("sizes"))
    lines = ["| recipe | parameters | format | bytes | seeds | test accuracy, mean ± sd |", "|---|---|---|---|---|---|"]
    for name, form in dict.fromkeys((row["recipe"], row["format"]) for row in rows):
        mine = [row for row in rows if (row["recipe"], row["format"]) == (name, form)]
        scores = [100 * float(row["test_accuracy"]) for row in mine]
        spread = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
        largest = max(int(row["bytes"]) for row in mine)
        lines.append(
            f"| `{name}` | {int(mine[0]['parameters']):,} | `{form}` | {largest:,} | {len(mine)} "
            f"| {statistics.mean(scores):.3f} %{spread} |"
        )
    return "\n".join([*lines, "", _where(rows)])


def inference() -> str:
    """The median of each figure of benchmarks/results/inference.csv, on one core and on two."""
    rows = _rows("inference")
    lines = ["| engine | model | figure | one core | two cores | rounds |", "|---|---|---|---|---|---|"]
    for engine, model, figure in dict.fromkeys((row["engine"], row["model"], row["figure"]) for row in rows):
        mine = [row for row in rows if (row["engine"], row["model"], row["figure"]) == (engine, model, figure)]
        values = {cores: [float(row["value"]) for row in mine if row["cores"] == cores] for cores in ("1", "2")}
        medians = [statistics.median(each) if each else None for each in values.values()]
        shown = " | ".join("" if m is None else f"{m:,.0f}" if m >= 100 else f"{m:.3g}" for m in medians)
        lines.append(f"| {engine} | {model} | {figure} | {shown} | {max(len(each) for each in values.values())} |")
    return "\n".join([*lines, "", _where(rows)])


def realworld() -> str:
    """inkdigits and other programs, of benchmarks/results/realworld.csv, side by side."""
    return _side_by_side(("inkdigits", "tesseract", "rapidocr"), ("accuracy", *_OF_TEXTS))


def designs() -> str:
    """The design of inkdigits and others, of benchmarks/results/realworld.csv, side by side."""
    return _side_by_side(("inkdigits", "boxes", "cut"), _OF_TEXTS)


def _side_by_side(engines: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    """Engines' last figures on the same pictures, for sets that all of them answered."""
    rows = [row for row in _rows("realworld") if row["metric"] in wanted and row["engine"] in engines]
    lines = [f"| pictures | figure | {' | '.join(engines)} | n |", "|---" * (len(engines) + 3) + "|"]
    for name, metric in dict.fromkeys((row["set"], row["metric"]) for row in rows):
        samples: dict[str, dict[str, dict[str, str]]] = {}
        for row in rows:
            if (row["set"], row["metric"]) == (name, metric):
                samples.setdefault(row["n"], {})[row["engine"]] = row
        complete = [n for n, figures in samples.items() if len(figures) == len(engines)]
        if not complete:
            continue
        n = max(complete, key=int)
        shown = (f"{100 * float(samples[n][each]['value']):.1f} %" for each in engines)
        lines.append(f"| `{name}` | {metric} | {' | '.join(shown)} | {int(n):,} |")
    last = {row["engine"]: row["version"] for row in rows}
    versions = "; ".join(f"{each} {last.get(each, '(not measured yet)')}" for each in engines)
    hardware = ", ".join(dict.fromkeys(row["hardware"] for row in rows))
    return "\n".join([*lines, "", f"Measured on: {hardware}; {versions}."])


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


def _where(rows: list[dict[str, str]]) -> str:
    hardware = ", ".join(dict.fromkeys(row["hardware"] for row in rows))
    versions = ", ".join(dict.fromkeys(row["versions"] for row in rows))
    return f"Measured on: {hardware}; {versions}."


def _rows(name: str) -> list[dict[str, str]]:
    return rows_of(ROOT / f"benchmarks/results/{name}.csv")


TABLES: dict[str, Callable[[], str]] = {
    "accuracy": accuracy,
    "designs": designs,
    "ease": ease,
    "inference": inference,
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
