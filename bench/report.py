"""What a benchmark reports: figures and goals, on paper and for the results.

What is recorded goes to the file $MEDIANS, a line each, its fields separated
by tabs, as the function "record" of lib.sh writes them, too; bench/results.py
reads it.
"""

import os
import sys


def record(*fields):
    path = os.environ.get("MEDIANS")
    if path:
        with open(path, "a") as f:
            f.write("\t".join(str(field) for field in fields) + "\n")


def setting(name, value):
    """How it was measured, such as how many events."""
    record("setting", name, value)


def figure(system, case, measure, value):
    """A median; None where there is none."""
    if value is not None:
        record("figure", system, case, measure, value)


def failure(what, error, log):
    """Say that a system was given up, and the end of what it wrote itself."""
    print(f"{what}: {error}", file=sys.stderr)
    try:
        with open(log, errors="replace") as f:
            print("".join("    " + line for line in f.readlines()[-10:]),
                  end="", file=sys.stderr, flush=True)
    except FileNotFoundError:
        pass


def goal(what, value, wanted, at_least):
    """Print one and record it; wanted may be None."""
    relation = ">=" if at_least else "<="
    met = wanted is None or (value >= wanted if at_least else value <= wanted)
    print(f"{what:50}{value:8.2f}" + (
        "" if wanted is None else
        f"   goal {relation} {wanted:g}" + ("" if met else "   MISSED")))
    if wanted is not None:
        record("goal", what, relation, wanted, value)
