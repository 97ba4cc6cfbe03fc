"""The recorded results, bench/results/PART.json: one file for each part.

    results.py store PART FILE     take what a run recorded into PART's file
    results.py age                 what changed since each was measured

A file has the measurements that its figures are of, the newest first.  A new
one takes the place of the same figures and goals in older ones; what it did
not measure stays, with the date and the commit of its own.
"""

import datetime
import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# The code that the figures of a part depend on.
CODE = {
    "kafka": "src/kafka src/sources src/events src/text bench/kafka.py",
    "kafka_sink": "src/kafka src/sinks src/events bench/kafka_sink.py",
    "outbox": "src/kafka src/sinks src/events bench/outbox.py",
    "eventbridge": "src/aws src/net src/sinks bench/eventbridge.py",
    "sqs": "src/aws src/net src/sources src/events src/text bench/sqs.py",
    "audit": "src/audit sql bench/audit.sql",
    "audit_rules": "src/audit sql bench/audit_rules.sql",
    "segments": "src/audit sql bench/segments.sql",
    "query": "src/events sql bench/query.sh",
    "publish": "src/events src/schema sql bench/publish.sh",
    "publish_sink": "src/events src/sinks sql bench/publish_sink.sh",
    "schema": "src/schema src/text bench/schema.sh",
    "token": "src/auth src/crypto bench/token.sh",
    "http": "src/http src/auth src/events bench/http.sh",
    "front": "front src/http src/auth src/events bench/front.sh",
}

# Where the versions of what a part is compared with are pinned: a name, a
# file and a regular expression.
BENTO = ("Bento", "bench/peers/bento/go.mod", r"bento v([\d.]+)")
DEBEZIUM = ("Debezium", "bench/peers/connect/pom.xml",
            r"jdbc</artifactId>\s*<version>([\d.]+)\.Final")
CONNECT = ("Kafka Connect", "bench/peers/connect/pom.xml",
           r"<kafka.version>([\d.]+)")
BROKER = ("broker Kafka", "test/kafka/pom.xml", r"<version>(3[\d.]+)<")
PYTHON = ("confluent-kafka", "bench/peers/python/requirements.txt",
          r"confluent-kafka==([\d.]+)")
BOTO = ("boto3", "bench/peers/boto/requirements.txt", r"boto3==([\d.]+)")
PINS = {
    "kafka": (BENTO, DEBEZIUM, CONNECT, PYTHON, BROKER),
    "kafka_sink": (BENTO, DEBEZIUM, CONNECT, PYTHON, BROKER),
    "eventbridge": (BOTO,),
    "sqs": (
        ("aws-sdk-go-v2/service/sqs", "bench/peers/go/go.mod",
         r"service/sqs v([\d.]+)"), BENTO,
        ("sqs-consumer", "bench/peers/node/package.json",
         r'sqs-consumer": "([\d.]+)'), BOTO,
        ("queue ElasticMQ", "test/elasticmq/pom.xml", r"<version>(1\.[\d.]+)<")),
    "front": tuple(
        (name, "bench/peers/http/requirements.txt", name + r"==([\d.]+)")
        for name in ("fastapi", "uvicorn", "asyncpg", "gunicorn")),
}


def path_of(part):
    return os.path.join(ROOT, "bench", "results", part + ".json")


def parts():
    """Those that have results."""
    return sorted(os.path.basename(p)[:-5] for p in glob.glob(path_of("*")))


def load(part):
    """The measurements of a part, the newest first."""
    try:
        with open(path_of(part)) as f:
            return json.load(f)["measurements"]
    except FileNotFoundError:
        return []


def save(part, measurements):
    """Write them so that a figure is a line."""
    text = json.dumps({"part": part, "measurements": measurements}, indent=1,
                      ensure_ascii=False)
    text = re.sub(r"\[\n\s+([^][{}]*?)\n\s+\]",
                  lambda m: "[" + re.sub(r",\n\s+", ", ", m[1]) + "]", text)
    os.makedirs(os.path.dirname(path_of(part)), exist_ok=True)
    with open(path_of(part), "w") as f:
        f.write(text + "\n")


def number(text):
    """As it is recorded: four digits say enough."""
    value = float(f"{float(text):.4g}")
    return int(value) if value.is_integer() else value


def tables(lines):
    """The figures of Markdown tables: a row is a system."""
    header = None
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            header = None
        elif header is None:
            header = cells
        elif not set(line.strip()) <= set("|- "):
            for measure, value in zip(header[1:], cells[1:]):
                if value:
                    yield [cells[0], "", measure, number(value)]


# The goals of parts that print tables: the measure that is one, what it is
# called, and the goal of each row that is named so.
TABLE_GOALS = (
    ("evaudit : CTE", "audit : CTE", (("UPDATEs of a row", 0.3), ("", 0.45))),
    ("with : without", "audit with rules : without", (("", 1.2),)),
    ("full : empty", "audit rows, full : empty", (("", 1.15),)),
    ("processor", "look-up, ms", (("1,000 changes", 10), ("", 2))),
)


def table_goals(figures):
    for system, _, measure, value in figures:
        for name, title, rows in TABLE_GOALS:
            if measure == name:
                wanted = next(w for row, w in rows if row in system)
                yield [f"{title}, {system}", "<=", wanted, value]


def read(path):
    """What a run recorded: its settings, figures and goals."""
    with open(path) as f:
        lines = [line.rstrip("\n") for line in f]
    found = {"settings": {}, "figures": list(tables(lines)), "goals": []}
    for line in lines:
        kind, *fields = line.split("\t")
        if kind == "setting":
            found["settings"][fields[0]] = fields[1]
        elif kind == "figure":
            found["figures"].append([*fields[:3], number(fields[3])])
        elif kind == "goal":
            found["goals"].append([fields[0], fields[1], number(fields[2]),
                                   number(fields[3])])
    found["goals"] += table_goals(found["figures"])
    return found


def merge(new, old):
    """The new measurement and what older ones have besides."""
    figures = {tuple(f[:3]) for f in new["figures"]}
    goals = {g[0] for g in new["goals"]}
    kept = []
    for measurement in old:
        rest = {**measurement,
                "figures": [f for f in measurement["figures"]
                            if tuple(f[:3]) not in figures],
                "goals": [g for g in measurement["goals"]
                          if g[0] not in goals]}
        if rest["figures"] or rest["goals"]:
            kept.append(rest)
    return [new, *kept]


def git(*arguments):
    try:
        return subprocess.run(["git", "-C", ROOT, "-c", "safe.directory=*",
                               *arguments], check=True, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def versions(part):
    found = {}
    for name, path, pattern in PINS.get(part, ()):
        with open(os.path.join(ROOT, path)) as f:
            found[name] = re.search(pattern, f.read())[1]
    return found


def store(part, path):
    """$MACHINE says on what, $SECONDS_TAKEN how long it took."""
    found = read(path)
    if not found["figures"] and not found["goals"]:
        raise SystemExit(f"{part}: nothing was recorded")
    changed = git("status", "--porcelain", "--untracked-files=no", "--",
                  "src", "sql", "front")
    new = {"date": datetime.date.today().isoformat(),
           "commit": git("rev-parse", "--short=8", "HEAD")
           + ("+" if changed else ""),
           "machine": os.environ.get("MACHINE", ""),
           "minutes": round(float(os.environ.get("SECONDS_TAKEN", 0)) / 60, 1),
           "versions": versions(part), **found}
    save(part, merge(new, load(part)))


def age():
    """For each measurement, how often its code was changed since."""
    for part in parts():
        for m in load(part):
            commit = m["commit"].rstrip("+")
            changes = git("rev-list", "--count", commit + "..HEAD", "--",
                          *CODE.get(part, "src").split()) if commit else ""
            print(f"{part:14}{m['date']:12}{m['commit']:10}"
                  f"{len(m['figures']):4} figures {len(m['goals']):3} goals  "
                  + ("of this code" if changes == "0" else
                     f"{changes or '?'} commits to its code since"))


if __name__ == "__main__":
    if sys.argv[1] == "store":
        store(*sys.argv[2:])
    elif sys.argv[1] == "age":
        age()
