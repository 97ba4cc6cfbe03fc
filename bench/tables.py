"""The tables of bench/README.md, from the recorded results.

Each stands between two comments, "results: PART" and "end of results"; what is
between them is not written by hand.
"""

import re

import results

# The columns of a part's table: a title, the case and the measures whose
# figures a cell joins.  Parts without an entry have only goals.
EACH = "events/s", "CPU s a million"
COLUMNS = {
    "kafka": [(f"{shape}, {which}", f"{shape}, {which}", EACH)
              for shape in ("distinct", "hot")
              for which in ("first", "second")] + [("MB", "", ("MB",))],
    "sqs": [(f"{way}, {n}", f"{way}, {n}", ("messages/s", "CPU us"))
            for way in ("direct", "+10 ms") for n in (1, 16)],
    "kafka_sink": [(title, "", measures) for title, measures in (
        ("events/s", ("events/s",)), ("CPU", ("CPU s a million",)),
        ("its own", ("its own CPU",)), ("MB", ("MB",)),
        ("WAL", ("WAL bytes",)), ("p50 / p99 ms", ("p50 ms", "p99 ms")))],
    "eventbridge": [(f"{n} requests at a time", f"{n} requests at a time",
                     ("events/s", "CPU us")) for n in (8, 16)],
    "outbox": [("WAL, bytes an event", "delivery", ("WAL bytes",)),
               ("MB after four times", "delivery", ("MB afterwards",)),
               ("published/s", "", ("published/s",)),
               ("behind, median / at most, ms", "", ("p50", "max")),
               ("outbox MB", "", ("outbox MB",))],
    "publish_sink": [(f"{what}, µs", "", (f"{what} us",))
                     for what in ("without", "paused", "running")],
    "front": [(f"{what} {measures[0].split()[0]}{rest}", what, measures)
              for what in ("post", "get") for rest, measures in (
                  ("", ("requests/s",)), (" / p99 ms", ("p50 ms", "p99 ms")),
                  (" µs", ("CPU us",)))],
    "audit": [(title, "", (title,)) for title in (
        "plain", "evaudit above plain", "CTE above plain",
        "plpgsql above plain", "audit without", "audit with")],
    "segments": [("plain", "", ("plain",)), ("audit", "", ("audit",)),
                 ("clock / processor, ms", "", ("clock", "processor"))],
    "http": [("clock µs", "", ("clock us",)), ("CPU µs", "", ("CPU us",))],
}

BEGIN = "<!-- results: {} -->"
END = "<!-- end of results -->"


def shown(value):
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def describe(measurement):
    """When, of what and how a measurement is."""
    settings = measurement["settings"]
    runs = settings.get("runs")
    commit = measurement["commit"]
    words = [measurement["date"], commit and f"commit {commit}",
             measurement["machine"]]
    if "events" in settings:
        words.append(f"{int(settings['events']):,} events")
    if runs:
        words.append(f"medians of {runs}" if runs != "1" else "one run")
    words += [f"{name} {version}"
              for name, version in measurement["versions"].items()]
    return ", ".join(word for word in words if word)


def mark(number):
    """What tells figures of an older measurement from the newest."""
    return "†" * number


class Figures:
    """The figures of a part, each with its measurement's number."""

    def __init__(self, part):
        self.measurements = results.load(part)
        self.values = {}
        for number, measurement in enumerate(self.measurements):
            for system, case, measure, value in measurement["figures"]:
                self.values[system, case, measure] = value, number
        self.systems = sorted(
            dict.fromkeys(key[0] for key in self.values),
            key=lambda system: not system.startswith("evaudit"))

    def cell(self, system, case, measures):
        found = [self.values.get((system, case, m)) for m in measures]
        if not any(found):
            return ""
        return (" / ".join(shown(f and f[0]) for f in found)
                + mark(max(f[1] for f in found if f)))

    def table(self, columns):
        columns = [c for c in columns
                   if any(self.cell(s, *c[1:]) for s in self.systems)]
        yield "| | " + " | ".join(title for title, _, _ in columns) + " |"
        yield "|---" * (len(columns) + 1) + "|"
        for system in self.systems:
            cells = [self.cell(system, *c[1:]) for c in columns]
            if any(cells):
                yield f"| {system} | " + " | ".join(cells) + " |"

    def goals(self):
        """What was measured beside each goal, and whether it is met."""
        yield "| | goal | measured |"
        yield "|---|---|---|"
        for number, measurement in enumerate(self.measurements):
            for what, relation, wanted, value in measurement["goals"]:
                met = value >= wanted if relation == ">=" else value <= wanted
                yield (f"| {what} | {relation} {wanted:g} | {shown(value)}"
                       + mark(number) + ("" if met else "; not met") + " |")


def block(part):
    """The lines between the two comments of a part."""
    if part == "all":
        yield from overview()
        return
    figures = Figures(part)
    for number, measurement in enumerate(figures.measurements):
        yield (mark(number) + " " if number else "") + describe(
            measurement) + "."
        yield ""
    if part in COLUMNS and figures.values:
        yield from figures.table(COLUMNS[part])
        yield ""
    if any(m["goals"] for m in figures.measurements):
        yield from figures.goals()


def overview():
    """When each part was measured, and of which code."""
    yield "| part | measured | commit | figures, goals | minutes |"
    yield "|---|---|---|---|---|"
    for part in results.parts():
        for number, m in enumerate(results.load(part)):
            yield (f"| {part}{mark(number)} |"
                   f" {m['date']} | {m['commit']} |"
                   f" {len(m['figures'])}, {len(m['goals'])} |"
                   f" {m['minutes'] or ''} |")


def fill(text):
    """A page with all its blocks as the results are."""
    def one(match):
        lines = "\n".join(block(match[1])).strip("\n")
        return f"{BEGIN.format(match[1])}\n{lines}\n{END}"

    return re.sub(BEGIN.format(r"(\w+)") + r"\n.*?" + END, one, text,
                  flags=re.S)


def named(text):
    """The parts whose blocks a page has."""
    return set(re.findall(BEGIN.format(r"(\w+)"), text)) - {"all"}
