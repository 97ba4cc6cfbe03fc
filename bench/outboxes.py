"""What empties an outbox into Kafka: ourselves, and what we are compared with.

Each has its events from a table, bench.events, that is filled once, and says
how many it has sent.  start() and stop() frame a run.
"""

import json
import os
import signal
import subprocess
import time

import machine

PAYLOAD = 200			# bytes
PEERS = os.environ.get("PEERS_DIR")
TOOL = os.environ["KAFKA_TOOL"]
SERVERS = os.environ["KAFKA_SERVERS"]
WORK = os.environ["WORK"]

# An event of 200 bytes as jsonb prints it, and its key.
PAYLOAD_SQL = ("jsonb_build_object('k', 'user-' || n % 20000, 'n', n,"
               f" 'x', repeat('x', {PAYLOAD - 33} - length(n::text)"
               " - length((n % 20000)::text)))")


def kafka_tool(*arguments, **options):
    return subprocess.run([TOOL, "-s", SERVERS, *arguments], check=True,
                          text=True, stderr=subprocess.DEVNULL, **options)


def ends(topic):
    """The sum of the end offsets of a topic's partitions."""
    out = kafka_tool("offsets", topic, stdout=subprocess.PIPE).stdout
    return sum(int(line.split("\t")[2]) for line in out.splitlines())


class Sink:
    """Ourselves; records of transactions are among the offsets.

    A sink that is paused keeps all events in the outbox, so that they are
    published once and sent in each run.
    """

    def __init__(self, delivery, options=None):
        self.key = f"evaudit_{delivery}"
        self.name = f"evaudit, {delivery.replace('_', ' ')}"
        self.options = {"delivery": delivery, **(options or {})}

    @staticmethod
    def publish_all(db, n):
        """Once, before the runs."""
        db.rows("SELECT evaudit.create_sink('keeper', 'bench', '{bench}');"
                " SELECT evaudit.pause_sink('keeper')")
        for first in range(0, n, 10000):
            db.rows(f"SELECT count(evaudit.publish('bench', {PAYLOAD_SQL}))"
                    f" FROM generate_series({first + 1},"
                    f" {min(first + 10000, n)}) n")

    def fill(self, db, topic, n):
        options = json.dumps({"topic": topic, **self.options})
        db.rows(f"SELECT evaudit.create_sink('bench', 'bench', '{{bench}}',"
                f" '{options}'); SELECT evaudit.pause_sink('bench')")
        if n > 1:
            db.rows("SELECT evaudit.seek_sink('bench', 'earliest')")
        else:
            self.publish(db, 1)

    def start(self, db, topic):
        db.rows("SELECT evaudit.resume_sink('bench')")

    @staticmethod
    def stats(db, column):
        """One of the process's figures; None if there is no process yet."""
        return db.value(f"SELECT max(s.{column}[1]) FROM evaudit.sink_stats() s"
                        " JOIN evaudit.sinks k ON k.id = s.sink_id"
                        " WHERE k.name = 'bench'")

    def count(self, db, topic):
        return int(self.stats(db, "counters") or 0)

    def memory(self, db):
        pid = self.stats(db, "pids")
        return machine.memory(int(pid), "RssAnon") if pid else 0

    def cpu(self, db):
        """CPU seconds of the process that sends."""
        return machine.thread_cpu([int(self.stats(db, "pids"))])

    def roots(self):
        return []

    def publish(self, db, n):
        db.rows(f"SELECT evaudit.publish('bench', {PAYLOAD_SQL})"
                f" FROM (VALUES ({n})) v(n)")

    def stop(self, db):
        db.rows("SELECT evaudit.drop_sink('bench')")


class Peer:
    """A program that empties a table of its own into Kafka."""

    @staticmethod
    def insert(numbers):
        """A statement that inserts the events of these."""
        return ("INSERT INTO public.outbox (event_id, key, payload)"
                " SELECT gen_random_uuid(), p ->> 'k', p FROM"
                f" (SELECT {PAYLOAD_SQL} AS p FROM {numbers}) s")

    def __init__(self, key, name):
        self.key = key
        self.name = name

    def make_table(self, db):
        db.rows("DROP TABLE IF EXISTS public.outbox;"
                " CREATE TABLE public.outbox (id bigint GENERATED ALWAYS AS"
                " IDENTITY PRIMARY KEY, event_id text NOT NULL, key text,"
                " payload jsonb NOT NULL, sent timestamptz)")

    def fill(self, db, topic, n):
        self.make_table(db)
        db.rows(self.insert(f"generate_series(1, {n}) n"))
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

    def cpu(self, db):
        return machine.tree_cpu(self.roots())

    def roots(self):
        return [self.process.pid]

    def publish(self, db, n):
        db.rows(self.insert(f"(VALUES ({n})) v(n)"))

    def stop(self, db):
        for pid in machine.tree([self.process.pid]):
            os.kill(pid, signal.SIGTERM)
        self.process.wait()


class Debezium(Peer):
    """It reads the log, from the slot on that is made before the rows."""

    def fill(self, db, topic, n):
        self.make_table(db)
        db.rows("CREATE PUBLICATION dbz_publication FOR TABLE public.outbox")
        db.rows("SELECT pg_create_logical_replication_slot('bench',"
                " 'pgoutput')")
        db.rows(self.insert(f"generate_series(1, {n}) n"))

    def stop(self, db):
        super().stop(db)
        db.rows("DROP PUBLICATION dbz_publication")
        while db.value("SELECT active FROM pg_replication_slots") == "t":
            time.sleep(0.1)
        db.rows("SELECT pg_drop_replication_slot('bench')")


def chosen():
    """The systems that are asked for."""
    found = [Sink("at_least_once"), Sink("exactly_once")]
    if PEERS:
        found += [Peer("peer_outbox_python", "Python, SKIP LOCKED and DELETE"),
                  Peer("peer_outbox_bento", "Bento, sql_raw"),
                  Debezium("peer_outbox_debezium", "Debezium outbox router")]
    names = os.environ.get("SYSTEMS", "").split()
    return [s for s in found if not names or s.key in names]
