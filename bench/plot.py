"""Draws the comparisons as SVG, from the recorded results, by hand: what is
drawn depends on nothing but these, so that it can be compared.
"""

import os
import textwrap
from xml.sax.saxutils import escape

import results
from tables import Figures, describe, mark, shown

WIDTH = 760
LABEL = 250				# where bars begin
BAR = 400				# the longest one
HEIGHT = 18				# of a bar
STEP = 24				# from one to the next

# Readable on light and dark pages: the ground is drawn, too.
STYLE = """
svg { font: 13px system-ui, "DejaVu Sans", Arial, sans-serif; }
.ground { fill: #ffffff; } text { fill: #1f2328; } .small { fill: #59636e;
font-size: 11px; } .title { font-size: 17px; font-weight: 600; } .case {
font-weight: 600; } .ours { fill: #0969da; } .peer { fill: #bf8700; }
.limit { fill: #afb8c1; } .name { font-weight: 600; }
@media (prefers-color-scheme: dark) { .ground { fill: #0d1117; } text { fill:
#e6edf3; } .small { fill: #9198a1; } .ours { fill: #4493f8; } .peer { fill:
#d29922; } .limit { fill: #656c76; } }"""

# The name of a figure, its part, what it says, its unit, whether more is
# better, and its groups of bars: a heading and the case, for a measure.
CHARTS = (
    ("kafka", "kafka", "From Kafka into user_services", "events a second",
     True, "events/s", [(f"{shape} keys, {which} pass", f"{shape}, {which}")
                        for shape in ("distinct", "hot")
                        for which in ("first", "second")]),
    ("kafka_cpu", "kafka", "From Kafka into user_services: CPU of server,"
     " broker and system", "seconds a million events", False,
     "CPU s a million", [(f"{shape} keys, {which} pass", f"{shape}, {which}")
                         for shape in ("distinct", "hot")
                         for which in ("first", "second")]),
    ("sqs", "sqs", "From a queue into user_services", "messages a second",
     True, "messages/s",
     [(f"{'a round trip of 10 ms more' if way[0] == '+' else 'loopback'}, {n}"
       f" receive{'s' * (n > 1)} at a time", f"{way}, {n}")
      for way in ("direct", "+10 ms") for n in (1, 16)]),
    ("kafka_sink", "kafka_sink", "From the database into Kafka",
     "events a second", True, "events/s", [("a backlog", "")]),
    ("kafka_sink_latency", "kafka_sink", "From commit to record at 100 events"
     " a second", "milliseconds, p99", False, "p99 ms",
     [("99 of 100 are there within", "")]),
    ("eventbridge", "eventbridge", "From the database to an event bus, 10 ms"
     " away", "events a second", True, "events/s",
     [(f"{n} requests at a time",) * 2 for n in (8, 16)]),
    ("front", "front", "Over HTTP, 64 connections", "requests a second",
     True, "requests/s", [("POST an event", "post"),
                          ("GET the services of a user", "get")]),
)

# Of audit a statement is a row, and what is compared the columns.
AUDIT = ("What an audit adds to a statement", "µs a row", False)
AUDIT_WAYS = (("evaudit", "evaudit above plain"),
              ("CTE by hand", "CTE above plain"),
              ("trigger in plpgsql", "plpgsql above plain"))
# Limits that store nothing, or read no broker.
LIMITS = "SQL, ", "libcurl", "kcat"


def kind(system):
    if system.startswith("evaudit"):
        return "ours"
    return "limit" if system.startswith(LIMITS) else "peer"


def groups_of(figures, measure, cases):
    """The bars that there are: a heading, and names with their values."""
    for heading, case in cases:
        bars = [(system, *figures.values[system, case, measure])
                for system in figures.systems
                if (system, case, measure) in figures.values]
        if len(bars) > 1:
            yield heading, bars


def groups_of_audit(figures):
    for system in figures.systems:
        bars = [(name, *figures.values[system, "", measure])
                for name, measure in AUDIT_WAYS
                if (system, "", measure) in figures.values]
        if bars and system.endswith(", clock"):
            yield system[:-len(", clock")], bars


def text(x, y, words, classes="", anchor="start"):
    attributes = f' class="{classes}"' if classes else ""
    if anchor != "start":
        attributes += f' text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}"{attributes}>{escape(words)}</text>'


def draw(title, unit, more, groups, notes):
    """The lines of a figure."""
    body = [text(16, 28, title, "title"),
            text(16, 48, unit + (", more is better" if more else
                                 ", less is better"), "small")]
    y = 62
    longest = max(bar[1] for _, bars in groups for bar in bars)
    for heading, bars in groups:
        y += 16
        body.append(text(16, y, heading, "case"))
        y += 8
        for name, value, number in bars:
            width = max(1, round(value / longest * BAR, 1))
            middle = y + HEIGHT - 5
            body += [text(LABEL - 8, middle, name,
                          "name" if kind(name) == "ours" else "", "end"),
                     f'<rect x="{LABEL}" y="{y}" width="{width:g}"'
                     f' height="{HEIGHT}" rx="2" class="{kind(name)}"/>',
                     text(round(LABEL + width + 6, 1), middle,
                          shown(value) + mark(number))]
            y += STEP
    y += 6
    for line in notes:
        y += 16
        body.append(text(16, y, line, "small"))
    y += 14
    return [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}"'
            f' height="{y}" viewBox="0 0 {WIDTH} {y}" role="img">',
            f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{y}" rx="6" class="ground"/>',
            *body, "</svg>"]


def notes_of(found, measures):
    """Of what the bars are, the newest measurement first."""
    numbers = sorted({number for (_, _, measure), (_, number)
                      in found.values.items() if measure in measures})
    return [line for number in numbers for line in textwrap.wrap(
        f"{mark(number)} {describe(found.measurements[number])}".strip(), 120)]


def figures():
    """Each figure's path and content."""
    for name, part, title, unit, more, measure, cases in CHARTS:
        found = Figures(part)
        groups = list(groups_of(found, measure, cases))
        if groups:
            yield path_of(name), draw(title, unit, more, groups,
                                      notes_of(found, [measure]))
    found = Figures("audit")
    groups = list(groups_of_audit(found))
    if groups:
        yield path_of("audit"), draw(*AUDIT, groups, notes_of(
            found, [measure for _, measure in AUDIT_WAYS]))


def path_of(name):
    return os.path.join(results.ROOT, "docs", "figures", name + ".svg")
