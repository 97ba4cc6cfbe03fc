"""Measures what delivery costs the database besides time: WAL and disk space,
and what a transaction that stays open does to it.

scripts/bench runs this with a server, a broker and tools ready; it prints two
tables.

Cost: the same events are published and sent several times; each time they are
all there before they are sent.  Beside it, a table of the same events of which
batches of 5,000 are marked by UPDATE, without sending them.  WAL is what was
written from the first batch to the last; size is that of the tables afterwards.

Open transaction: events are published at a rate, first with none open, for two
minutes at most, then with one that has published an event and stays open.
Behind is how many milliseconds of events are not sent, sampled; sizes are those
of the outbox, with its indexes, and of the positions of sinks.
"""

import os
import statistics
import time

from database import Database
from outboxes import PAYLOAD_SQL, SERVERS, Peer, Sink, kafka_tool
from report import figure, goal, setting

EVENTS = int(os.environ.get("EVENTS", 100000))
ROUNDS = 4
RATE = int(os.environ.get("RATE", 10000))			# events a second
SECONDS = int(os.environ.get("SECONDS_OPEN", 60))
STEPS = 10				# transactions a second
LIMIT = 600

OUTBOX_BYTES = ("SELECT sum(pg_total_relation_size(c)) FROM unnest("
                "'{evaudit.outbox_0,evaudit.outbox_1,evaudit.outbox_2}'"
                "::regclass[]) c")
POSITION_BYTES = "SELECT pg_total_relation_size('evaudit.sink_positions')"


def written(db):
    """Bytes of WAL so far."""
    return int(db.value("SELECT pg_current_wal_insert_lsn() - '0/0'"))


def publish(db, first, n):
    db.rows(f"SELECT count(evaudit.publish('bench', {PAYLOAD_SQL}))"
            f" FROM generate_series({first}, {first + n - 1}) n")


def await_sent(db, sink, wanted):
    deadline = time.monotonic() + LIMIT
    while (sent := sink.count(db, None)) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"{sent:,} of {wanted:,} after {LIMIT} s")
        time.sleep(0.05)


def pause(db):
    """Returns when the sink has no process, which sends until it ends."""
    db.rows("SELECT evaudit.pause_sink('bench')")
    while db.value("SELECT pid FROM evaudit.stat_sinks"):
        time.sleep(0.05)


def megabytes(db, query):
    return int(db.value(query)) / 1e6


def measure_sink(db, sink):
    """WAL an event of sending, and the size of the outbox, by rounds."""
    wal, size = [], []
    for i in range(ROUNDS):
        pause(db)
        for first in range(0, EVENTS, 10000):
            publish(db, i * EVENTS + first, min(10000, EVENTS - first))
        db.rows("CHECKPOINT")
        before = written(db)
        sent = sink.count(db, None)
        db.rows("SELECT evaudit.resume_sink('bench')")
        await_sent(db, sink, sent + EVENTS)
        wal.append((written(db) - before) / EVENTS)
        size.append(megabytes(db, OUTBOX_BYTES))
    return wal, size


def measure_update(db):
    """Likewise of a table whose rows are marked as sent, and then deleted."""
    wal, size = [], []
    Peer("update", "").make_table(db)
    db.rows("CREATE INDEX ON outbox (id) WHERE sent IS NULL")
    for _ in range(ROUNDS):
        db.rows(Peer.insert(f"generate_series(1, {EVENTS}) n"))
        db.rows("CHECKPOINT")
        before = written(db)
        while db.rows("WITH taken AS (UPDATE outbox SET sent = now() WHERE id"
                      " IN (SELECT id FROM outbox WHERE sent IS NULL ORDER BY"
                      " id LIMIT 5000 FOR UPDATE SKIP LOCKED) RETURNING id)"
                      " SELECT count(*) FROM taken") != [["0"]]:
            pass
        wal.append((written(db) - before) / EVENTS)
        size.append(megabytes(db, "SELECT pg_total_relation_size('outbox')"))
    return wal, size


def measure_rate(db, sink, first, seconds):
    """Publish at a rate; returns how far behind sending is, in ms."""
    behind = []
    base = sink.count(db, None)
    start = time.monotonic()
    each = RATE // STEPS
    for i in range(seconds * STEPS):
        time.sleep(max(0, start + i / STEPS - time.monotonic()))
        publish(db, first + i * each, each)
        if i % STEPS == STEPS - 1:
            behind.append(((i + 1) * each + base - sink.count(db, None))
                          * 1000 / RATE)
    published = seconds * STEPS * each / (time.monotonic() - start)
    return {"published/s": published, "p50": statistics.median(behind),
            "max": max(behind), "outbox MB": megabytes(db, OUTBOX_BYTES),
            "positions MB": megabytes(db, POSITION_BYTES)}


def measure_open(db, sink):
    found = {}
    for i, (name, seconds) in enumerate((("none open", min(SECONDS, 120)),
                                         ("one open", SECONDS))):
        other = Database()
        if name == "one open":
            other.rows("BEGIN")
            publish(other, -1, 1)
        found[name] = measure_rate(db, sink, (i + 10) * 10000000, seconds)
        other.close()
        time.sleep(1)
    return found


def main():
    db = Database()
    db.rows("SET client_min_messages = error")
    db.rows("CREATE EXTENSION IF NOT EXISTS evaudit")
    db.rows("CREATE SERVER bench FOREIGN DATA WRAPPER evaudit_kafka"
            f" OPTIONS (\"bootstrap.servers\" '{SERVERS}')")
    db.rows("SELECT evaudit.create_topic('bench', NULL,"
            " '{\"key\": \"/k\", \"keep\": true}')")
    kafka_tool("create", "outbox", "4")
    sink = Sink("exactly_once")
    db.rows("SELECT evaudit.create_sink('bench', 'bench', '{bench}',"
            " '{\"topic\": \"outbox\"}')")

    print(f"\ndelivery of {EVENTS:,} events, {ROUNDS} times: bytes of WAL an"
          " event; MB afterwards\n")
    medians = {}
    for name, (wal, size) in {"evaudit": measure_sink(db, sink),
                              "UPDATE sent = now()": measure_update(db)}.items():
        medians[name] = statistics.median(wal)
        figure(name, "delivery", "WAL bytes", medians[name])
        figure(name, "delivery", "MB afterwards", size[-1])
        print(f"{name:22}" + "".join(f"{w:9.2f}" for w in wal) + "   " +
              "".join(f"{s:9.1f}" for s in size), flush=True)
    print()
    goal("WAL of delivery, bytes an event", medians["evaudit"], 1, False)

    setting("events", EVENTS)
    setting("seconds", SECONDS)
    found = measure_open(db, sink)
    print(f"\na transaction open for {SECONDS} s, {RATE:,} events/s\n")
    columns = list(found["none open"])
    print(f"{'':12}" + "".join(f"{c:>14}" for c in columns))
    for name, row in found.items():
        for column in columns:
            figure(f"a transaction, {name}", "", column, row[column])
        print(f"{name:12}" + "".join(f"{row[c]:14.1f}" for c in columns))
    goal("events/s published, open / none",
         found["one open"]["published/s"] / found["none open"]["published/s"],
         0.95, True)


main()
