"""Measures how fast logins get from Kafka into user_services.

scripts/bench runs this with a server, a broker and tools ready; it prints a
table and leaves a JSON line for each pass in results.jsonl.

Each pass starts a system anew on a topic that is complete.  Every partition
begins and ends with a marker event.  The clock runs from the moment that the
first marker is visible to the moment that all last ones are, so that neither
starting up nor joining a group counts; nor do the events that were visible
when the clock started, where a system tells how many that were.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time

import machine
from database import Database
from report import failure, figure, goal, setting

EVENTS = int(os.environ.get("EVENTS", 1000000))
RUNS = int(os.environ.get("RUNS", 3))
SHAPES = os.environ.get("SHAPES", "distinct hot").split()
USERS = {"distinct": 200000, "hot": 2000}
PARTITIONS = 4
LATE = 100				# in a thousand events are up to 5,000 s late
DAY = 1					# the second pass is this many days later
LIMIT = int(os.environ.get("LIMIT", 300))				# seconds that a pass may take
IDLE = 10				# seconds over which an idle worker is watched

TOOL = os.environ["KAFKA_TOOL"]
SERVERS = os.environ["KAFKA_SERVERS"]
BROKER = int(os.environ["KAFKA_PID"])
POSTMASTER = int(os.environ["POSTMASTER_PID"])
WORK = os.environ["WORK"]
PEERS = os.environ.get("PEERS_DIR")
PSQL = os.environ["PSQL"]

# Debezium wants the schema of a message within it.
SCHEMA = json.dumps({"type": "struct", "name": "login", "optional": False,
    "fields": [
        {"field": "user_id", "type": "string", "optional": False},
        {"field": "service_id", "type": "string", "optional": False},
        {"field": "service_name", "type": "string", "optional": True},
        {"field": "last_accessed", "type": "string", "version": 1,
         "name": "io.debezium.time.ZonedTimestamp", "optional": False}]},
    separators=(",", ":"))


# --- the events -------------------------------------------------------------

def interval(which):
    return f"interval '{DAY * (which - 1)} days'"


def topic_of(shape, which, schema=False):
    return f"{shape}-{which}" + ("-schema" if schema else "")


def kafka_tool(*arguments, **options):
    return subprocess.run([TOOL, "-s", SERVERS, "-X", "partitioner=murmur2",
                           "-X", "linger.ms=20",
                           "-X", "queue.buffering.max.messages=200000",
                           *arguments], check=True, text=True, **options)


def dump(shape, what):
    """A command that prints a stream through an awk program."""
    return (f"{TOOL} -l {LATE} dump {EVENTS} {USERS[shape]} 1 |"
            f" awk -F '\\t' -v OFS='\\t' '{what}'")


def message(user, service, name, ts, schema):
    """An awk expression for the value of a message."""
    field = "last_accessed" if schema else "timestamp"
    value = ('"{\\"user_id\\":\\"" %s "\\",\\"service_id\\":\\"" %s'
             ' "\\",\\"service_name\\":\\"" %s "\\",\\"%s\\":\\"" %s "\\"}"'
             % (user, service, name, field, ts))
    if not schema:
        return value
    return '"{\\"schema\\":%s,\\"payload\\":" %s "}"' % (
        SCHEMA.replace('"', '\\"'), value)


def marker(kind, partition, which, schema):
    """A marker's line for kafka_tool; day 100 is after all events."""
    ts = f"2025-04-{9 + which * DAY:02}T00:00:00.000Z"
    value = {"user_id": f"zz-{kind}-{partition}", "service_id": "svc",
             "service_name": "x",
             "last_accessed" if schema else "timestamp": ts}
    if schema:
        value = {"schema": json.loads(SCHEMA), "payload": value}
    return f"{kind}\t" + json.dumps(value, separators=(",", ":")) + "\n"


def fill(shape, which, schema=False):
    """Make the topic of a pass."""
    topic = topic_of(shape, which, schema)
    day = 1 + DAY * (which - 1)
    late = (f'sub(/^2024-12-31/, "2025-01-{day - 1:02}", $6);'
            if day > 1 else "")
    program = (f'{{sub(/^2025-01-01/, "2025-01-{day:02}", $6); {late}'
               f' print $3, {message("$3", "$4", "$5", "$6", schema)}}}')

    def mark(kind):
        for p in range(PARTITIONS):
            kafka_tool("-p", str(p), "produce", topic,
                       input=marker(kind, p, which, schema))

    kafka_tool("create", topic, str(PARTITIONS))
    mark("first")
    with subprocess.Popen(dump(shape, program), shell=True,
                          stdout=subprocess.PIPE) as stream:
        kafka_tool("produce", topic, stdin=stream.stdout)
    mark("last")


def seen(db, kind, which):
    """How many markers of a pass are there."""
    users = ",".join(f"'zz-{kind}-{p}'" for p in range(PARTITIONS))
    return int(db.value(
        "SELECT count(*) FROM public.user_services"
        f" WHERE user_id IN ({users})"
        f" AND last_accessed >= '2025-04-{9 + which * DAY:02}Z'"))


# --- the systems ------------------------------------------------------------

class Evaudit:
    """Ourselves, with a number of worker processes."""

    def __init__(self, workers, options=None):
        self.name = f"evaudit, {workers} worker" + "s" * (workers > 1)
        self.key = f"evaudit_{workers}"
        self.options = {"start": "earliest", "workers": workers,
                        **(options or {})}

    def start(self, db, shape, which):
        options = json.dumps({"topics": topic_of(shape, which),
                              **self.options})
        self.before = self.received(db)
        db.rows("SELECT evaudit.create_source('bench', 'bench',"
                f" options => '{options}')")

    def workers(self, db):
        pids = db.value("SELECT array_to_string(pids, ' ')"
                        " FROM evaudit.stat_sources WHERE name = 'bench'")
        return [int(pid) for pid in (pids or "").split()]

    def received(self, db):
        return int(db.value("SELECT coalesce(sum(received), 0)"
                            " FROM evaudit.stat_sources"))

    def counted(self, db):
        return self.received(db) - self.before

    def memory(self, db, idle):
        """MB of each worker that it shares with nobody, above a backend."""
        return max((machine.memory(pid, "RssAnon") - idle
                    for pid in self.workers(db)), default=0)

    def roots(self):
        return []

    def idle_cpu(self, db):
        """CPU of one idle worker, in ms a second."""
        pids = self.workers(db)
        time.sleep(1)
        before = machine.thread_cpu(pids)
        time.sleep(IDLE)
        return (machine.thread_cpu(pids) - before) / IDLE * 1000 / len(pids)

    def stop(self, db):
        pids = self.workers(db)
        db.rows("SELECT evaudit.drop_source('bench')")
        while any(os.path.exists(f"/proc/{pid}") for pid in pids):
            time.sleep(0.01)


class Merge:
    """SQL alone, from a table of the database."""

    def __init__(self, what, title, size):
        self.name = f"SQL, {title}, {size:,} a batch"
        self.key = f"sql_{what}_{size}"
        self.what = what
        self.size = size

    def run(self, db, shape, which):
        db.rows(f"CALL bench.merge_{self.what}('{shape}', {self.size},"
                f" {interval(which)})")


class Peer:
    """A program that reads Kafka and writes to PostgreSQL."""

    def __init__(self, key, name, schema=False):
        self.key = key
        self.name = name
        self.schema = schema

    def start(self, db, shape, which):
        run = f"{self.key}-{shape}-{which}-{time.monotonic_ns()}"
        with open(f"{WORK}/peer.log", "a") as log:
            self.process = subprocess.Popen(
                [f"{PEERS}/run", self.key,
                 topic_of(shape, which, self.schema), run],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def counted(self, db):
        return 0

    def roots(self):
        return [self.process.pid]

    def memory(self, db, idle):
        return sum(machine.memory(pid, "VmHWM")
                   for pid in machine.tree(self.roots()))

    def stop(self, db):
        time.sleep(1)			# what is in flight
        for pid in machine.tree(self.roots()):
            os.kill(pid, signal.SIGTERM)
        self.process.wait()


# --- measuring --------------------------------------------------------------

def await_markers(db, kind, which, wanted, pause, tick=lambda: None):
    deadline = time.monotonic() + LIMIT
    while seen(db, kind, which) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no end within {LIMIT} s")
        tick()
        time.sleep(pause)


class Clock:
    """Wall clock and CPU seconds between two moments."""

    def __init__(self, roots):
        self.roots = [BROKER, POSTMASTER, *roots]
        self.cpu = machine.tree_cpu(self.roots)
        self.machine = machine.machine_cpu()
        self.time = time.monotonic()

    def stop(self, events):
        seconds = time.monotonic() - self.time
        million = 1e6 / events
        return {"rate": events / seconds,
                "machine": (machine.machine_cpu() - self.machine) * million,
                "cpu": (machine.tree_cpu(self.roots) - self.cpu) * million}


def measure_consumer(db, system, shape, which, idle):
    peak = 0

    def watch():
        nonlocal peak
        peak = max(peak, system.memory(db, idle))

    system.start(db, shape, which)
    await_markers(db, "first", which, 1, 0.005)
    clock = Clock(system.roots())
    before = system.counted(db)
    await_markers(db, "last", which, PARTITIONS, 0.02, watch)
    result = clock.stop(EVENTS - before)
    watch()
    result["memory"] = peak
    if hasattr(system, "idle_cpu") and which == 2:
        result["idle"] = system.idle_cpu(db)
    system.stop(db)
    return result


def measure_merge(system, shape, which):
    session = Database()
    clock = Clock([])
    system.run(session, shape, which)
    result = clock.stop(EVENTS)
    session.close()				# only now: its CPU must stay to be seen
    return result


def measure(db, system, shape, idle):
    """Both passes of a system, on a table that is empty at first."""
    db.rows("TRUNCATE public.user_services")
    for which in (1, 2):
        db.rows("CHECKPOINT")
        if isinstance(system, Merge):
            result = measure_merge(system, shape, which)
        else:
            result = measure_consumer(db, system, shape, which, idle)
        missing, wrong = map(int, db.rows(
            f"SELECT * FROM bench.faults('{shape}', {interval(which)})")[0])
        result.update(key=system.key, name=system.name, shape=shape,
                      which=which, missing=missing, wrong=wrong)
        with open(f"{WORK}/results.jsonl", "a") as f:
            f.write(json.dumps(result) + "\n")
        yield result


# --- the table --------------------------------------------------------------

class Table:
    """The medians of all runs, and how they compare."""

    def __init__(self, results):
        self.results = results
        self.systems = list(dict.fromkeys(r["key"] for r in results))
        self.columns = [(s, w) for s in SHAPES for w in (1, 2)]

    def median(self, key, shape, which, field):
        values = [r[field] for r in self.results
                  if (r["key"], r["shape"], r["which"]) ==
                  (key, shape, which) and field in r]
        return statistics.median(values) if values else None

    def best(self, keys, column, field="rate", best=max):
        values = [self.median(k, *column, field) for k in keys]
        return best((v for v in values if v is not None), default=None)

    def show(self):
        setting("events", EVENTS)
        setting("runs", RUNS)
        print(f"\nKafka to user_services: {EVENTS:,} logins, {PARTITIONS}"
              f" partitions, medians of {RUNS}; thousand events/s,"
              " CPU seconds a million")
        print("(of the server, the broker and the system; in brackets: of"
              " the whole machine)\n")
        print(" " * 34 + "".join(f"{s + ', pass ' + str(w):>23}"
                                 for s, w in self.columns) + "   MB")
        for key in self.systems:
            self.show_system(key)
        print()
        for column in self.columns:
            self.show_goals(column)
        self.show_limits()

    def show_system(self, key):
        mine = [r for r in self.results if r["key"] == key]
        line = f"{mine[0]['name']:34}"
        for column in self.columns:
            rate, cpu, total = (self.median(key, *column, field)
                                for field in ("rate", "cpu", "machine"))
            if rate is None:
                line += f"{'no end':>23}"
                continue
            line += f"{rate / 1000:8.0f}{cpu:7.1f} ({total:5.1f})"
            case = f"{column[0]}, {('first', 'second')[column[1] - 1]}"
            figure(mine[0]["name"], case, "events/s", rate)
            figure(mine[0]["name"], case, "CPU s a million", cpu)
        peak = max((r["memory"] for r in mine if "memory" in r), default=None)
        line += f"{peak:5.0f}" if peak is not None else "    -"
        figure(mine[0]["name"], "", "MB", peak)
        faults = [f"{sum(r[f] for r in mine)} {f}"
                  for f in ("missing", "wrong") if any(r[f] for r in mine)]
        print(line + ("  keys " + ", ".join(faults) if faults else ""))

    def show_goals(self, column):
        ours = [k for k in self.systems if k.startswith("evaudit")]
        peers = [k for k in self.systems if k.startswith("peer")]
        name = f"{column[0]}, pass {column[1]}"
        if self.best(ours, column) and self.best(peers, column):
            wanted = 1.5 if column[0] == "distinct" else 2.5
            goal(f"{name}: events/s / best peer",
                 self.best(ours, column) / self.best(peers, column),
                 wanted, True)
            goal(f"{name}: CPU / most frugal peer",
                 self.best(ours, column, "cpu", min) /
                 self.best(peers, column, "cpu", min), 1, False)
        one = self.median("evaudit_1", *column, "rate")
        for what in ("table", "arrays"):
            for size in (5000, 20000):
                sql = self.median(f"sql_{what}_{size}", *column, "rate")
                if one and sql:
                    goal(f"{name}: one worker / sql_{what}_{size}",
                         one / sql, 0.9 if what == "table" else None, True)

    def show_limits(self):
        ours = [r for r in self.results if r["key"].startswith("evaudit")]
        if ours:
            goal("memory of a worker above an idle backend, MB",
                 max(r["memory"] for r in ours), 200, False)
            goal("CPU of an idle worker, ms/s",
                 max(r.get("idle", 0) for r in ours), 2, False)


def systems():
    found = [Evaudit(1), Evaudit(2)]
    found += [Merge(what, title, size)
              for what, title in (("table", "from a table"),
                                  ("arrays", "winners prepared"))
              for size in (5000, 20000)]
    if PEERS:
        found += [Peer("peer_python", "Python, an afternoon's consumer"),
                  Peer("peer_bento_lines", "Bento, parsed by the statement"),
                  Peer("peer_bento_checked", "Bento, checked by message"),
                  Peer("peer_debezium", "Debezium JDBC, unnest", True)]
    chosen = os.environ.get("SYSTEMS", "").split()
    return [s for s in found if not chosen or s.key in chosen]


def prepare(db, chosen):
    say = lambda text: print(text, file=sys.stderr, flush=True)
    with open(os.path.dirname(__file__) + "/kafka.sql") as f:
        db.rows(f.read())
    for shape in SHAPES:
        say(f"making the events: {shape}")
        fields = dump(shape, f'{{print "{shape}", $1, $3, $4, $5, $6}}')
        subprocess.run(f"{fields} | {PSQL} -XAtqc"
                       " 'COPY bench.streams FROM STDIN'",
                       shell=True, check=True)
        for which in (1, 2):
            fill(shape, which)
            if any(getattr(s, "schema", False) for s in chosen):
                fill(shape, which, True)
    db.rows("CALL bench.prepare()")
    db.rows("CREATE SERVER bench FOREIGN DATA WRAPPER evaudit_kafka"
            f" OPTIONS (\"bootstrap.servers\" '{SERVERS}')")
    db.rows("VACUUM ANALYZE")


def main():
    db = Database()
    chosen = systems()
    db.rows("CREATE EXTENSION evaudit")
    prepare(db, chosen)
    idle = machine.memory(Database().pid, "RssAnon")
    results = []
    for run in range(RUNS):
        for shape in SHAPES:
            for system in chosen:
                try:
                    for result in measure(db, system, shape, idle):
                        results.append(result)
                        print(f"run {run + 1}, {shape}, pass"
                              f" {result['which']}: {system.name}:"
                              f" {result['rate']:,.0f}/s,"
                              f" {result['cpu']:.1f} s", file=sys.stderr,
                              flush=True)
                except TimeoutError as error:
                    failure(f"{system.name}, {shape}", error,
                            f"{WORK}/peer.log")
                    system.stop(db)
    Table(results).show()


if __name__ == "__main__":
    main()
