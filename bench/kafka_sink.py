"""Measures how fast kept events get from the database into Kafka.

scripts/bench runs this with a server, a broker and tools ready; it prints a
table.

Backlog: all events are there before the clock starts, which runs from the
first record in the topic to the last; those that were there by then are not
counted.  Latency: a session publishes at an even rate and notes when each
commit returned; a consumer that reads committed records notes when it got
each.
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

import machine
from database import Database
from report import goal

EVENTS = int(os.environ.get("EVENTS", 500000))
RUNS = int(os.environ.get("RUNS", 3))
RATE = 100				# events a second, for latency
SECONDS = 20
PARTITIONS = 4
LIMIT = 300				# seconds that a pass may take
PAYLOAD = 200			# bytes

TOOL = os.environ["KAFKA_TOOL"]
SERVERS = os.environ["KAFKA_SERVERS"]
BROKER = int(os.environ["KAFKA_PID"])
POSTMASTER = int(os.environ["POSTMASTER_PID"])
WORK = os.environ["WORK"]
PEERS = os.environ.get("PEERS_DIR")

# An event of 200 bytes as jsonb prints it, and its key.
PAYLOAD_SQL = ("jsonb_build_object('k', 'user-' || n % 20000, 'n', n,"
               f" 'x', repeat('x', {PAYLOAD - 33} - length(n::text)"
               " - length((n % 20000)::text)))")


def say(text):
    print(text, file=sys.stderr, flush=True)


def kafka_tool(*arguments, **options):
    return subprocess.run([TOOL, "-s", SERVERS, *arguments], check=True,
                          text=True, stderr=subprocess.DEVNULL, **options)


def ends(topic):
    """The sum of the end offsets of a topic's partitions."""
    out = kafka_tool("offsets", topic, stdout=subprocess.PIPE).stdout
    return sum(int(line.split("\t")[2]) for line in out.splitlines())


# --- the systems ------------------------------------------------------------

class Sink:
    """Ourselves; records of transactions are among the offsets."""

    def __init__(self, delivery, options=None):
        self.key = f"evaudit_{delivery}"
        self.name = f"evaudit, {delivery.replace('_', ' ')}"
        self.options = {"delivery": delivery, **(options or {})}

    def fill(self, db, topic, n):
        options = json.dumps({"topic": topic, **self.options})
        db.rows(f"SELECT evaudit.create_sink('bench', 'bench', '{{bench}}',"
                f" '{options}'); SELECT evaudit.pause_sink('bench')")
        for first in range(0, n, 10000):
            db.rows(f"SELECT count(evaudit.publish('bench', {PAYLOAD_SQL}))"
                    f" FROM generate_series({first + 1},"
                    f" {min(first + 10000, n)}) n")

    def start(self, db, topic):
        self.before = self.delivered(db)
        db.rows("SELECT evaudit.resume_sink('bench')")

    def delivered(self, db):
        return int(db.value("SELECT coalesce(max(delivered), 0)"
                            " FROM evaudit.stat_sinks"))

    def count(self, db, topic):
        return int(db.value("SELECT coalesce(max(counters[1]), 0)"
                            " FROM evaudit.sink_stats()")) - self.before

    def memory(self, db):
        pid = db.value("SELECT max(pids[1]) FROM evaudit.sink_stats()")
        return machine.memory(int(pid), "RssAnon") if pid else 0

    def roots(self):
        return []

    def publish(self, db, n):
        db.rows(f"SELECT evaudit.publish('bench', {PAYLOAD_SQL})"
                f" FROM (VALUES ({n})) v(n)")

    def stop(self, db):
        db.rows("SELECT evaudit.drop_sink('bench')")


class Peer:
    """A program that empties a table of its own into Kafka."""

    def __init__(self, key, name):
        self.key = key
        self.name = name

    def fill(self, db, topic, n):
        db.rows("DROP TABLE IF EXISTS public.outbox;"
                " CREATE TABLE public.outbox (id bigint GENERATED ALWAYS AS"
                " IDENTITY PRIMARY KEY, event_id text NOT NULL, key text,"
                " payload jsonb NOT NULL)")
        db.rows("INSERT INTO public.outbox (event_id, key, payload)"
                f" SELECT gen_random_uuid(), p ->> 'k', p FROM"
                f" (SELECT {PAYLOAD_SQL} AS p FROM generate_series(1, {n}) n) s")
        db.rows("VACUUM ANALYZE public.outbox")

    def start(self, db, topic):
        with open(f"{WORK}/peer.log", "a") as log:
            self.process = subprocess.Popen(
                [f"{PEERS}/run", self.key, topic, f"{topic}-outbox"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def count(self, db, topic):
        return ends(topic)

    def memory(self, db):
        return sum(machine.memory(pid, "VmHWM")
                   for pid in machine.tree([self.process.pid]))

    def roots(self):
        return [self.process.pid]

    def publish(self, db, n):
        db.rows("INSERT INTO public.outbox (event_id, key, payload)"
                f" SELECT gen_random_uuid(), p ->> 'k', p FROM"
                f" (SELECT {PAYLOAD_SQL} AS p FROM (VALUES ({n})) v(n)) s")

    def stop(self, db):
        for pid in machine.tree([self.process.pid]):
            os.kill(pid, signal.SIGTERM)
        self.process.wait()


class Debezium(Peer):
    """It reads the log, from the slot on that is made before the rows."""

    def fill(self, db, topic, n):
        super().fill(db, topic, 0)
        db.rows("CREATE PUBLICATION dbz_publication FOR TABLE public.outbox")
        db.rows("SELECT pg_create_logical_replication_slot('bench',"
                " 'pgoutput')")
        db.rows("INSERT INTO public.outbox (event_id, key, payload)"
                f" SELECT gen_random_uuid(), p ->> 'k', p FROM"
                f" (SELECT {PAYLOAD_SQL} AS p FROM generate_series(1, {n}) n) s")

    def stop(self, db):
        super().stop(db)
        db.rows("DROP PUBLICATION dbz_publication")
        while db.value("SELECT active FROM pg_replication_slots") == "t":
            time.sleep(0.1)
        db.rows("SELECT pg_drop_replication_slot('bench')")


# --- measuring --------------------------------------------------------------

def await_count(system, db, topic, wanted, pause):
    deadline = time.monotonic() + LIMIT
    while True:
        count = system.count(db, topic)
        if count >= wanted:
            return count
        if time.monotonic() > deadline:
            raise SystemExit(f"{system.name}: {count:,} of {wanted:,} after"
                             f" {LIMIT} s; see {WORK}/peer.log")
        time.sleep(pause)


def measure_backlog(system, db, topic):
    kafka_tool("create", topic, str(PARTITIONS))
    system.fill(db, topic, EVENTS)
    db.rows("CHECKPOINT")
    system.start(db, topic)
    before = await_count(system, db, topic, 1, 0.005)
    roots = [BROKER, POSTMASTER, *system.roots()]
    cpu = machine.tree_cpu(roots)
    began = time.monotonic()
    peak = 0
    while system.count(db, topic) < EVENTS:
        peak = max(peak, system.memory(db))
        if time.monotonic() - began > LIMIT:
            raise SystemExit(f"{system.name}: no end within {LIMIT} s")
        time.sleep(0.02)
    seconds = time.monotonic() - began
    cpu = machine.tree_cpu(roots) - cpu
    system.stop(db)
    return {"rate": (EVENTS - before) / seconds, "memory": peak,
            "cpu": cpu * 1e6 / (EVENTS - before)}


def measure_latency(system, db, topic):
    """Milliseconds from each commit to its record."""
    n = RATE * SECONDS
    kafka_tool("create", topic, str(PARTITIONS))
    system.fill(db, topic, 1)
    system.start(db, topic)
    await_count(system, db, topic, 1, 0.05)
    with subprocess.Popen([TOOL, "-s", SERVERS, "follow", topic, str(n)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as follower:
        assert follower.stdout.readline() == "ready\n"
        arrived = {}

        def read():
            for line in follower.stdout:
                at, value = line.split("\t", 1)
                found = re.search(r'\\?"n\\?": ?(\d+)', value)
                arrived[int(found.group(1))] = int(at)

        reader = threading.Thread(target=read)
        reader.start()
        committed = {}
        start = time.monotonic()
        for i in range(n):
            time.sleep(max(0, start + i / RATE - time.monotonic()))
            system.publish(db, 1000000 + i)
            committed[1000000 + i] = time.time_ns() // 1000
        reader.join(LIMIT)
    system.stop(db)
    delays = sorted((arrived[i] - committed[i]) / 1000 for i in committed)
    return {"p50": delays[len(delays) // 2],
            "p99": delays[len(delays) * 99 // 100]}


def measure_kcat(path):
    """Records a second of kcat from a file, with as many bytes."""
    rates = []
    for i in range(RUNS):
        topic = f"kcat-{i}"
        kafka_tool("create", topic, str(PARTITIONS))
        began = time.monotonic()
        subprocess.run(["kcat", "-P", "-b", SERVERS, "-t", topic, "-K", "\t",
                        "-X", "enable.idempotence=true",
                        "-X", "partitioner=murmur2_random", "-l", path],
                       check=True, stderr=subprocess.DEVNULL)
        rates.append(EVENTS / (time.monotonic() - began))
    return statistics.median(rates)


def systems():
    found = [Sink("at_least_once"), Sink("exactly_once")]
    if PEERS:
        found += [Peer("peer_outbox_python", "Python, SKIP LOCKED and DELETE"),
                  Peer("peer_outbox_bento", "Bento, sql_raw"),
                  Debezium("peer_outbox_debezium", "Debezium outbox router")]
    chosen = os.environ.get("SYSTEMS", "").split()
    return [s for s in found if not chosen or s.key in chosen]


def main():
    db = Database()
    db.rows("CREATE EXTENSION IF NOT EXISTS evaudit")
    db.rows("CREATE SERVER bench FOREIGN DATA WRAPPER evaudit_kafka"
            f" OPTIONS (\"bootstrap.servers\" '{SERVERS}')")
    db.rows("SELECT evaudit.create_topic('bench', NULL, '{\"key\": \"/k\"}')")

    path = f"{WORK}/kcat.txt"
    with open(path, "w") as f:
        for row in db.rows("SELECT p ->> 'k', p FROM (SELECT"
                           f" {PAYLOAD_SQL} AS p"
                           f" FROM generate_series(1, {EVENTS}) n) s"):
            f.write("\t".join(row) + "\n")
    kcat = measure_kcat(path)

    print(f"\nfrom the database to Kafka: {EVENTS:,} kept events of {PAYLOAD}"
          f" bytes, medians of {RUNS}; CPU seconds a million\n")
    print(f"{'':34}{'events/s':>10}{'CPU':>8}{'MB':>6}{'p50 ms':>9}"
          f"{'p99 ms':>8}")
    print(f"{'kcat, from a file':34}{kcat:10,.0f}")
    medians = {}
    for system in systems():
        runs = []
        for i in range(RUNS):
            say(f"{system.name}, run {i + 1}")
            run = measure_backlog(system, db, f"{system.key}-{i}")
            run.update(measure_latency(system, db, f"{system.key}-{i}-slow"))
            runs.append(run)
        median = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
        medians[system.key] = median
        print(f"{system.name:34}{median['rate']:10,.0f}{median['cpu']:8.1f}"
              f"{median['memory']:6.0f}{median['p50']:9.1f}"
              f"{median['p99']:8.1f}", flush=True)

    print()
    least = medians.get("evaudit_at_least_once")
    exactly = medians.get("evaudit_exactly_once")
    peers = [m["rate"] for k, m in medians.items() if k.startswith("peer")]
    if least:
        goal("at least once / kcat", least["rate"] / kcat, 0.5, True)
    if least and peers:
        goal("at least once / best peer", least["rate"] / max(peers), 3, True)
    if least and exactly:
        goal("exactly once / at least once",
             exactly["rate"] / least["rate"], 0.8, True)
    for key, median in medians.items():
        if key.startswith("evaudit"):
            goal(f"{key}: commit to record, p50 ms", median["p50"], 10, False)
            goal(f"{key}: commit to record, p99 ms", median["p99"], 40, False)


main()
