"""The long form: `make torture`, or `python tests/torture/run.py PART...`. Prints the table of docs/reliability.md."""

import argparse
import importlib
import sys

from outcome import Part, row, timed

PARTS = ("kills", "faults", "folders", "models", "rust_fuzz", "python_fuzz", "matrix", "long_runs")


def main() -> int:
    """Does the parts named, prints their rows as they end and what failed, and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--short", action="store_true", help="as much as the tests do")
    chosen = parser.parse_args()
    failed = False
    print("| what | tried | went wrong | figures | time |\n|---|---|---|---|---|", flush=True)
    for name in chosen.parts or PARTS:
        part: Part = importlib.import_module(name).PART
        outcome, seconds = timed(part, part.short if chosen.short else part.long)
        print(row(part, outcome, seconds), flush=True)
        for failure in outcome.failures:
            print(f"{name}: {failure}", file=sys.stderr, flush=True)
        failed |= bool(outcome.failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
