"""Break the program on purpose and see the tests fail: `python tools/mutants.py [WORDS]`.

`tests/mutants.toml` holds the mutants: bugs a careful reviewer would call bugs, each with the
tests that hold the rule it breaks. cosmic-ray and mutmut make theirs from operators and constants,
by the thousand, most of them equivalent or of no consequence. A short list, written by hand, of
what a program of this kind gets wrong (a half voxel, a flipped axis, a unit) says more, and is run
in a quarter of an hour.

Every mutant is made in a copy of the repository; the tree itself is never touched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", "__pycache__", ".hypothesis", "build", "dist", "docs", "out"
)
TIMEOUT = 600  # seconds; a run that never ends is noticed, too
PASSED, FAILED = 0, 1  # of pytest; all others say that the tests did not run


def run(tests: Iterable[str], mutant: dict[str, Any] | None = None) -> int:
    """Run tests in a copy of the repository, with a mutant or without; return pytest's code."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / ROOT.name
        shutil.copytree(ROOT, copy, symlinks=True, ignore=LEFT_OUT)
        if mutant is not None:
            file = copy / mutant["file"]
            text = file.read_text(encoding="utf-8")
            if (count := text.count(mutant["old"])) != 1:
                sys.exit(f"{mutant['name']}: `old` is {count} times in {mutant['file']}, not once.")
            file.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
        # The copy comes before what is installed; nothing stale is imported; two share the cores.
        own = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        try:
            done = subprocess.run(  # noqa: S603  (our own list)
                command, cwd=copy, env=os.environ | own, timeout=TIMEOUT, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return FAILED
    if done.returncode not in {PASSED, FAILED}:
        sys.exit(f"The tests could not be run:\n{done.stdout}{done.stderr}")
    return done.returncode


def main() -> int:
    """Run the mutants; return 1 if any survives."""
    parser = argparse.ArgumentParser(description="Break the program on purpose; see tests fail.")
    parser.add_argument("words", nargs="?", default="", help="part of a mutant's name or file")
    words = parser.parse_args().words
    listed = tomllib.loads((ROOT / "tests/mutants.toml").read_text(encoding="utf-8"))["mutant"]
    mutants = [m for m in listed if words in m["name"] or words in m["file"]]
    if not mutants:
        sys.exit(f"No mutant has {words!r} in its name or file.")
    tests = sorted({test for mutant in mutants for test in mutant["tests"]})
    if run(tests) != PASSED:
        sys.exit("The tests fail without a mutant. Mend that first.")
    survived = 0
    with ThreadPoolExecutor(2) as pool:
        codes = pool.map(lambda mutant: run(mutant["tests"], mutant), mutants)
        for mutant, code in zip(mutants, codes, strict=True):
            survived += code == PASSED
            said = "SURVIVED" if code == PASSED else "killed  "
            print(f"{said}  {mutant['file']}: {mutant['name']}", flush=True)
    print(f"{len(mutants) - survived} of {len(mutants)} killed")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
