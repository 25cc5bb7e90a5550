"""Pin `requirements.txt` and `requirements-test.txt` to what is installed and tested in this environment."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def closure(roots: list[str]) -> dict[str, str]:
    """The installed version of every distribution that the requirements need, by normalized name."""
    found: dict[str, frozenset[str]] = {}
    waiting = [Requirement(root) for root in roots]
    while waiting:
        requirement = waiting.pop()
        name, extras = re.sub(r"[-_.]+", "-", requirement.name).lower(), frozenset(requirement.extras)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name in found and extras <= found[name]:
            continue
        found[name] = found.get(name, frozenset()) | extras
        for text in importlib.metadata.distribution(name).requires or []:
            needed = Requirement(text)
            if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                needed.marker = None
                waiting.append(needed)
    return {name: importlib.metadata.version(name) for name in sorted(found)}


def lines(pins: dict[str, str]) -> str:
    """The pins as lines; TensorFlow has a smaller package of its own on 64-bit Linux PCs."""
    text = "\n".join(f"{name}=={version}" for name, version in pins.items()) + "\n"
    pc = "sys_platform == 'linux' and platform_machine == 'x86_64'"
    other = "sys_platform != 'linux' or platform_machine != 'x86_64'"
    return re.sub(r"tensorflow-cpu==(.*)", rf"tensorflow-cpu==\1; {pc}\ntensorflow==\1; {other}", text)


def main() -> None:
    """Write both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = closure(project["dependencies"] + extras["train"] + extras["serve"])
    more = {name: version for name, version in closure(extras["test"]).items() if name not in needed}
    head = "# Everything that training, reading and serving need, as tested. Renewed by: python scripts/pins.py\n"
    (ROOT / "requirements.txt").write_text(head + lines(needed))
    (ROOT / "requirements-test.txt").write_text("# What the tests need besides.\n-r requirements.txt\n" + lines(more))


if __name__ == "__main__":
    main()
