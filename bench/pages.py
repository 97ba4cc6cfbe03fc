"""Writes what is made of the recorded results, or checks that it is as they are.

    pages.py readme    the tables of bench/README.md
    pages.py plot      docs/figures/*.svg
    pages.py check     says which of these differ
    pages.py show PART the tables of a part
"""

import glob
import os
import sys

import plot
import results
import tables

README = os.path.join(results.ROOT, "bench", "README.md")


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(content)


def drawn():
    return {path: "\n".join(lines) + "\n" for path, lines in plot.figures()}


def check():
    """What is not as the results are."""
    page = read(README)
    if tables.fill(page) != page:
        yield "bench/README.md: its tables (scripts/bench --readme)"
    for part in sorted(set(results.parts()) - tables.named(page)):
        yield f"bench/README.md: no table of {part}"
    wanted = drawn()
    there = glob.glob(os.path.join(results.ROOT, "docs", "figures", "*.svg"))
    for path in sorted({*wanted, *there}):
        if read(path) != wanted.get(path):
            yield (f"docs/figures/{os.path.basename(path)}"
                   " (scripts/bench --plot)")


def main(what, *parts):
    if what == "readme":
        write(README, tables.fill(read(README)))
    elif what == "plot":
        for path in glob.glob(os.path.join(results.ROOT, "docs", "figures",
                                           "*.svg")):
            os.remove(path)
        for path, content in drawn().items():
            write(path, content)
    elif what == "show":
        print(*tables.block(*parts), sep="\n")
    else:
        wrong = list(check())
        print("\n".join(wrong))
        raise SystemExit(bool(wrong))


main(*sys.argv[1:])
