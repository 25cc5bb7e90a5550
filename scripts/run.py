"""`make run`: everything once, with the commands that anybody would type, and a few closing lines."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("inkdigits")
SAMPLE = "examples/four.jpg"


def step(title: str, *arguments: str) -> None:
    """Show a command and run it; stop with its exit code when it fails."""
    sys.stderr.write(f"\n# {title}\n$ inkdigits {' '.join(arguments)}\n")
    sys.stderr.flush()
    result = subprocess.run([COMMAND, *arguments], check=False)
    if result.returncode:
        sys.stderr.write(f"\nThis failed (exit code {result.returncode}); the reason stands above.\n")
        sys.exit(result.returncode)


def main() -> None:
    """Fetch, train, evaluate, report, read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", default="runs/quick", help="the folder to train into")
    bundle = parser.parse_args().bundle
    os.chdir(ROOT)
    start = time.monotonic()
    step("MNIST: fetch, verify, explore", "data", "mnist")
    step("Train", "train", "--recipe", "quick", "--out", bundle, "--force")
    step("Evaluate on the test images, open the network up, write the report", "evaluate", bundle,
         "--report", f"{bundle}/report")  # fmt: skip
    step("Read a photo with the model just trained", "read", SAMPLE, "--model", bundle)
    score = json.loads((ROOT / bundle / "evaluation.json").read_text())
    accuracy = 100 * score["accuracy"]
    low, high = (100 * side for side in score["confidence_interval"])
    shown = os.path.relpath(COMMAND)
    sys.stdout.write(
        f"""
Done in {time.monotonic() - start:.0f} s.
  MNIST was fetched, verified and explored:  reports/data-mnist/index.html
  A network learned to read digits:          {bundle}
  It reads {accuracy:.2f} % of the 10,000 test images right (95 % interval: {low:.2f} to {high:.2f} %).
  Its report, with every error:              {bundle}/report/index.html
Next:
  {shown} serve                      draw digits on a page, http://127.0.0.1:8000
  {shown} read YOUR.jpg              read a picture of your own, with the bundled model
  {shown} train --recipe default     train the bundled model again
"""
    )


if __name__ == "__main__":
    main()
