"""Measures how fast events get from the database to an event bus.

scripts/bench runs this with a server ready; it prints a table.  The bus is a
stub that answers each request after ten milliseconds; both send tens, and as
many requests at a time.  The clock runs from the first event that the bus has
taken to the last; a run of each alternates.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

import machine
from database import Database
from report import figure, goal, setting

EVENTS = int(os.environ.get("EVENTS", 20000))
RUNS = int(os.environ.get("RUNS", 3))
REQUESTS = [int(n) for n in os.environ.get("REQUESTS", "8 16").split()]
DELAY = 10				# milliseconds
LIMIT = 300				# seconds that a pass may take
PEERS = os.environ.get("PEERS_DIR")
WORK = os.environ["WORK"]
POSTMASTER = int(os.environ["POSTMASTER_PID"])
PAYLOAD_SQL = ("jsonb_build_object('k', 'user-' || n % 2000, 'n', n,"
               " 'x', repeat('x', 150))")


class Bus:
    """The stub; one for each pass, so that it counts from zero."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-B",
             os.path.join(os.path.dirname(__file__), "event_bus.py"),
             str(DELAY)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = self.process.stdout.readline().strip()
        self.endpoint = f"http://127.0.0.1:{port}"

    def taken(self):
        with urllib.request.urlopen(self.endpoint, timeout=30) as answer:
            return int(answer.read())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Sink:
    """Ourselves."""

    key = "evaudit"
    name = "evaudit"

    def start(self, db, bus, requests):
        options = json.dumps({"service": "eventbridge", "event_bus": "bench",
                              "max_requests": requests})
        db.rows("CREATE SERVER bench FOREIGN DATA WRAPPER evaudit_aws OPTIONS"
                f" (region 'us-east-1', endpoint_url '{bus.endpoint}');"
                " CREATE USER MAPPING FOR CURRENT_USER SERVER bench OPTIONS"
                " (access_key_id 'x', secret_access_key 'y')")
        db.rows("SELECT evaudit.create_sink('bench', 'bench', '{bench}',"
                f" '{options}'); SELECT evaudit.pause_sink('bench')")
        db.rows(f"SELECT count(evaudit.publish('bench', {PAYLOAD_SQL}))"
                f" FROM generate_series(1, {EVENTS}) n")
        db.rows("SELECT evaudit.resume_sink('bench')")

    def roots(self):
        return []

    def stop(self, db):
        db.rows("SELECT evaudit.drop_sink('bench');"
                " DROP SERVER bench CASCADE")


class Boto:
    """boto3 in threads, from a table of its own."""

    key = "boto"
    name = "Python, boto3 in threads"

    def start(self, db, bus, requests):
        db.rows("DROP TABLE IF EXISTS outbox; CREATE TABLE outbox (id bigint"
                " GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload jsonb)")
        db.rows(f"INSERT INTO outbox (payload) SELECT {PAYLOAD_SQL}"
                f" FROM generate_series(1, {EVENTS}) n")
        with open(f"{WORK}/peer.log", "a") as log:
            self.process = subprocess.Popen(
                [f"{PEERS}/run", "peer_events_boto", bus.endpoint,
                 str(requests)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def roots(self):
        return [self.process.pid]

    def stop(self, db):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def await_taken(system, bus, wanted):
    deadline = time.monotonic() + LIMIT
    while (taken := bus.taken()) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"{system.name}: {taken} of {wanted} after"
                             f" {LIMIT} s; see {WORK}/peer.log")
        time.sleep(0.02)
    return taken


def measure(system, db, requests):
    bus = Bus()
    system.start(db, bus, requests)
    before = await_taken(system, bus, 1)
    roots = [POSTMASTER, *system.roots()]
    cpu = machine.tree_cpu(roots)
    began = time.monotonic()
    await_taken(system, bus, EVENTS)
    seconds = time.monotonic() - began
    cpu = machine.tree_cpu(roots) - cpu
    system.stop(db)
    bus.stop()
    return {"rate": (EVENTS - before) / seconds,
            "cpu": cpu * 1e6 / (EVENTS - before)}


def main():
    db = Database()
    db.rows("SET client_min_messages = error")
    db.rows("CREATE EXTENSION IF NOT EXISTS evaudit")
    db.rows("SELECT evaudit.create_topic('bench', NULL, '{\"key\": \"/k\"}')")
    systems = [Sink()] + ([Boto()] if PEERS else [])
    runs = {(s.key, n): [] for s in systems for n in REQUESTS}
    for i in range(RUNS):
        for n in REQUESTS:
            for system in systems:
                run = measure(system, db, n)
                print(f"run {i + 1}, load {os.getloadavg()[0]:.1f}:"
                      f" {system.name}, {n}: {json.dumps(run)}",
                      file=sys.stderr, flush=True)
                runs[system.key, n].append(run)

    print(f"\nto an event bus, +{DELAY} ms: {EVENTS:,} events, medians of"
          f" {RUNS}; events/s, CPU us an event\n")
    print(f"{'requests at a time':28}" +
          "".join(f"{n:>16}" for n in REQUESTS))
    setting("events", EVENTS)
    setting("runs", RUNS)
    medians = {key: {k: statistics.median(r[k] for r in each)
                     for k in each[0]} for key, each in runs.items()}
    for system in systems:
        for n in REQUESTS:
            case = f"{n} requests at a time"
            figure(system.name, case, "events/s",
                   medians[system.key, n]["rate"])
            figure(system.name, case, "CPU us", medians[system.key, n]["cpu"])
        print(f"{system.name:28}" + "".join(
            f"{medians[system.key, n]['rate']:10,.0f}"
            f"{medians[system.key, n]['cpu']:6.0f}" for n in REQUESTS))
    print()
    for n in REQUESTS:
        if PEERS:
            goal(f"{n} requests at a time: events/s / boto3",
                 medians["evaudit", n]["rate"] / medians["boto", n]["rate"],
                 1.3, True)


main()
