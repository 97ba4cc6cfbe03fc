"""Measures how fast kept events get from the database into Kafka.

scripts/bench runs this with a server, a broker and tools ready; it prints a
table.  The systems alternate: each run has all of them.

Backlog: all events are there before the clock starts, which runs from the
first record in the topic to the last; those that were there by then are not
counted.  WAL is what the server wrote meanwhile.  Latency: a session publishes
at an even rate and notes when each commit returned; a consumer that reads
committed records notes when it got each.  CPU is that of server, broker and system;
"its own" that of the process that sends alone, which other load on the machine
disturbs least.
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import threading
import time

import machine
from database import Database
from outboxes import (PAYLOAD, PAYLOAD_SQL, SERVERS, TOOL, WORK, Sink, chosen,
                      kafka_tool)
from report import failure, figure, goal, setting

EVENTS = int(os.environ.get("EVENTS", 500000))
RUNS = int(os.environ.get("RUNS", 3))
RATE = 100				# events a second, for latency
SECONDS = int(os.environ.get("LATENCY_SECONDS", 20))
PARTITIONS = 4
LIMIT = 300				# seconds that a pass may take

BROKER = int(os.environ["KAFKA_PID"])
POSTMASTER = int(os.environ["POSTMASTER_PID"])


def say(text):
    print(text, file=sys.stderr, flush=True)


def await_count(system, db, topic, wanted, pause):
    deadline = time.monotonic() + LIMIT
    while True:
        count = system.count(db, topic)
        if count >= wanted:
            return count
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count:,} of {wanted:,} after {LIMIT} s")
        time.sleep(pause)


def written(db):
    """Bytes of WAL so far."""
    return int(db.value("SELECT pg_current_wal_insert_lsn() - '0/0'"))


def measure_backlog(system, db, topic):
    kafka_tool("create", topic, str(PARTITIONS))
    system.fill(db, topic, EVENTS)
    db.rows("CHECKPOINT")
    wal = written(db)
    system.start(db, topic)
    before = await_count(system, db, topic, 1, 0.005)
    roots = [BROKER, POSTMASTER, *system.roots()]
    cpu = machine.tree_cpu(roots)
    own = system.cpu(db)
    began = time.monotonic()
    peak = 0
    while system.count(db, topic) < EVENTS:
        peak = max(peak, system.memory(db))
        if time.monotonic() - began > LIMIT:
            raise TimeoutError(f"no end within {LIMIT} s")
        time.sleep(0.02)
    seconds = time.monotonic() - began
    own = system.cpu(db) - own
    cpu = machine.tree_cpu(roots) - cpu
    wal = written(db) - wal
    system.stop(db)
    return {"rate": (EVENTS - before) / seconds, "memory": peak,
            "wal": wal / EVENTS, "cpu": cpu * 1e6 / (EVENTS - before),
            "own": own * 1e6 / (EVENTS - before)}


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


def measure_kcat(path, topic):
    """Records a second of kcat from a file, with as many bytes."""
    kafka_tool("create", topic, str(PARTITIONS))
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["kcat", "-P", "-b", SERVERS, "-t", topic, "-K", "\t",
                    "-X", "enable.idempotence=true",
                    "-X", "partitioner=murmur2_random", "-l", path],
                   check=True, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = (after.ru_utime - before.ru_utime +
           after.ru_stime - before.ru_stime)
    return {"rate": EVENTS / seconds, "own": own * 1e6 / EVENTS}


def show(name, median):
    for field, measure in (
            ("rate", "events/s"), ("cpu", "CPU s a million"),
            ("own", "its own CPU"), ("memory", "MB"), ("wal", "WAL bytes"),
            ("p50", "p50 ms"), ("p99", "p99 ms")):
        figure(name, "", measure, median.get(field))
    print(f"{name:34}{median['rate']:10,.0f}", end="")
    print(f"{median['cpu']:8.1f}" if "cpu" in median else " " * 8, end="")
    print(f"{median['own']:9.1f}", end="")
    if "memory" in median:
        print(f"{median['memory']:6.0f}{median['wal']:9.2f}", end="")
    if "p50" in median:
        print(f"{median['p50']:9.1f}{median['p99']:8.1f}", end="")
    print(flush=True)


def show_goals(medians):
    kcat = medians["kcat"]["rate"]
    least = medians.get("evaudit_at_least_once")
    exactly = medians.get("evaudit_exactly_once")
    peers = [m["rate"] for k, m in medians.items() if k.startswith("peer")]
    print()
    if least:
        goal("at least once / kcat", least["rate"] / kcat, 0.5, True)
    if least and peers:
        goal("at least once / best peer", least["rate"] / max(peers), 3, True)
    if exactly and peers:
        goal("exactly once / best peer", exactly["rate"] / max(peers), 3, True)
    if least and exactly:
        goal("exactly once / at least once",
             exactly["rate"] / least["rate"], 0.8, True)
    for key, median in medians.items():
        if not key.startswith("evaudit"):
            continue
        goal(f"{key}: WAL of delivery, bytes an event", median["wal"], 1,
             False)
        if "p50" in median:
            goal(f"{key}: commit to record, p50 ms", median["p50"], 10, False)
            goal(f"{key}: commit to record, p99 ms", median["p99"], 40, False)


def prepare(db):
    """Publish what all runs send, and write it to a file for kcat."""
    db.rows("CREATE EXTENSION IF NOT EXISTS evaudit")
    db.rows("CREATE SERVER bench FOREIGN DATA WRAPPER evaudit_kafka"
            f" OPTIONS (\"bootstrap.servers\" '{SERVERS}')")
    db.rows("SELECT evaudit.create_topic('bench', NULL,"
            " '{\"key\": \"/k\", \"keep\": true}')")
    db.rows("SET client_min_messages = error")
    Sink.publish_all(db, EVENTS)
    path = f"{WORK}/kcat.txt"
    with open(path, "w") as f:
        for row in db.rows("SELECT p ->> 'k', p FROM (SELECT"
                           f" {PAYLOAD_SQL} AS p"
                           f" FROM generate_series(1, {EVENTS}) n) s"):
            f.write("\t".join(row) + "\n")
    return path


def main():
    db = Database()
    path = prepare(db)
    systems = chosen()
    runs = {"kcat": [], **{s.key: [] for s in systems}}
    for i in range(RUNS):
        say(f"run {i + 1}, load {os.getloadavg()[0]:.1f}: kcat")
        runs["kcat"].append(measure_kcat(path, f"kcat-{i}"))
        for system in systems:
            say(f"run {i + 1}, load {os.getloadavg()[0]:.1f}: {system.name}")
            try:
                run = measure_backlog(system, db, f"{system.key}-{i}")
                if SECONDS:
                    run.update(measure_latency(system, db,
                                               f"{system.key}-{i}-slow"))
            except TimeoutError as error:
                failure(system.name, error, f"{WORK}/peer.log")
                system.stop(db)
                continue
            runs[system.key].append(run)
            say(json.dumps(run))

    print(f"\nfrom the database to Kafka: {EVENTS:,} kept events of {PAYLOAD}"
          f" bytes, medians of {RUNS}; CPU seconds a million\n")
    print(f"{'':34}{'events/s':>10}{'CPU':>8}{'its own':>9}{'MB':>6}{'WAL B':>9}"
          f"{'p50 ms':>9}{'p99 ms':>8}")
    setting("events", EVENTS)
    setting("runs", RUNS)
    medians = {key: {k: statistics.median(r[k] for r in each)
                     for k in each[0]} for key, each in runs.items() if each}
    show("kcat, from a file", medians["kcat"])
    for system in systems:
        if system.key in medians:
            show(system.name, medians[system.key])
    show_goals(medians)


main()
