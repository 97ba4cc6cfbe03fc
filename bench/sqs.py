"""Measures how fast logins get from a queue into user_services.

scripts/bench runs this with a server, ElasticMQ and tools ready; it prints a
table and leaves a JSON line for each pass in results.jsonl.

Each pass fills a queue of its own and starts a system anew.  The clock runs
from the moment that the first message is deleted to the moment that the last
one is, so that starting up does not count; nor do the messages that were gone
when the clock started.
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
from report import failure, figure, goal, setting

EVENTS = int(os.environ.get("EVENTS", 50000))
RUNS = int(os.environ.get("RUNS", 3))
USERS = 5000
DELAY = 10				# milliseconds of a longer round trip
LIMIT = int(os.environ.get("LIMIT", 300))				# seconds that a pass may take
IDLE = int(os.environ.get("IDLE", 60))			# seconds over which an idle source is watched
IDLE_TIME = 25				# until it is idle: polls last for 20

# Whether the way is long, receives at a time, events.
COLUMNS = [(far, receives, EVENTS if receives > 1 else EVENTS // 5)
           for far in (False, True) for receives in (1, 16)
           if str(receives) in os.environ.get("RECEIVES", "1 16").split()]

WORK = os.environ["WORK"]
PEERS = os.environ.get("PEERS_DIR")
ENDPOINT, QUEUE_SERVER = os.environ["QUEUE_SERVER"].split()
POSTMASTER = int(os.environ["POSTMASTER_PID"])
BUILT = os.environ["BUILT"]


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- the queues -------------------------------------------------------------

def call(operation, **request):
    answer = urllib.request.urlopen(urllib.request.Request(
        ENDPOINT + "/", json.dumps(request).encode(), {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "AmazonSQS." + operation}), timeout=30)
    return json.loads(answer.read() or b"{}")


def left(url):
    """How many messages are not deleted."""
    got = call("GetQueueAttributes", QueueUrl=url,
               AttributeNames=["ApproximateNumberOfMessages",
                               "ApproximateNumberOfMessagesNotVisible"])
    return sum(int(n) for n in got["Attributes"].values())


class Way:
    """The way to ElasticMQ, short or long."""

    def __init__(self):
        port = ENDPOINT.rsplit(":", 1)[1]
        self.proxy = subprocess.Popen(
            [f"{BUILT}/delay_proxy", port, str(DELAY)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.far = "http://127.0.0.1:" + self.proxy.stdout.readline().strip()

    def endpoint(self, far):
        return self.far if far else ENDPOINT


# --- the systems ------------------------------------------------------------

class Evaudit:
    key = "evaudit"
    name = "evaudit"

    def start(self, db, url, endpoint, receives):
        options = json.dumps({"queue": url.rsplit("/", 1)[1],
                              "max_receives": receives})
        server = "far" if endpoint != ENDPOINT else "near"
        db.rows(f"SELECT evaudit.create_source('bench', '{server}',"
                f" options => '{options}')")

    def roots(self):
        return []

    def workers(self, db):
        pids = db.value("SELECT array_to_string(pids, ' ')"
                        " FROM evaudit.stat_sources WHERE name = 'bench'")
        return [int(pid) for pid in (pids or "").split()]

    def stop(self, db):
        pids = self.workers(db)
        db.rows("SELECT evaudit.drop_source('bench')")
        while any(os.path.exists(f"/proc/{pid}") for pid in pids):
            time.sleep(0.01)


class Program:
    """A program beside it; the limit, or a peer."""

    def __init__(self, key, name, command):
        self.key, self.name, self.command = key, name, command

    def start(self, db, url, endpoint, receives):
        where = {"url": url.replace(ENDPOINT, endpoint), "endpoint": endpoint,
                 "receives": receives}
        with open(f"{WORK}/peer.log", "a") as log:
            self.process = subprocess.Popen(
                [word.format(**where) for word in self.command],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def roots(self):
        return [self.process.pid]

    def stop(self, db):
        for pid in machine.tree(self.roots()):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


LIMIT_OF_ALL = Program(
    "limit", "libcurl, no database",
    [f"{BUILT}/sqs_client", "drain", "{endpoint}", "{url}", "{receives}"])


def systems():
    found = [LIMIT_OF_ALL, Evaudit()]
    if PEERS:
        found += [Program("peer_" + key, name,
                          [f"{PEERS}/run", "peer_" + key, "{url}",
                           "{receives}", "{endpoint}"])
                  for key, name in (
                      ("sqs_go", "Go, aws-sdk-v2 and pgx"),
                      ("sqs_bento", "Bento, batches of ten"),
                      ("sqs_bento_500", "Bento, batches of 500"),
                      ("sqs_node", "sqs-consumer"),
                      ("sqs_boto", "boto3, threads"))]
    chosen = os.environ.get("SYSTEMS", "").split()
    return [s for s in found if not chosen or s.key in chosen]


# --- measuring --------------------------------------------------------------

def faults(db, events):
    """Keys that are missing or wrong."""
    return int(db.value(f"""
        WITH sent AS (
            SELECT 'user-' || lpad((n * 7919 % {USERS})::text, 8, '0') u,
                'svc-' || lpad((n / 7 % 20)::text, 2, '0') s,
                max(timestamptz '2026-01-01 00:00:00+00'
                    + n * interval '1 ms'
                    - (n % 10 = 3)::int * interval '5000 s') t
            FROM generate_series(0, {events - 1}::bigint) n GROUP BY 1, 2)
        SELECT count(*) FROM sent FULL JOIN public.user_services t
            ON t.user_id = u AND t.service_id = s
        WHERE last_accessed IS DISTINCT FROM sent.t"""))


def drain(url, events, roots):
    """The clock; returns what it says."""
    deadline = time.monotonic() + LIMIT
    while (rest := left(url)) == events:
        if time.monotonic() > deadline:
            raise SystemExit(f"no beginning; see {WORK}/peer.log, server.log")
        time.sleep(0.003)
    begin = time.monotonic()
    cpu = machine.tree_cpu(roots())
    queue = machine.tree_cpu([int(QUEUE_SERVER)])
    # ElasticMQ counts by looking at each message: ask seldom while many are left
    while (now := left(url)) > 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{now:,} messages left after {LIMIT} s")
        time.sleep(0.02 if now < 2000 else 0.2)
    return {"rate": rest / (time.monotonic() - begin),
            "cpu": (machine.tree_cpu(roots()) - cpu) / rest * 1e6,
            "queue": (machine.tree_cpu([int(QUEUE_SERVER)]) - queue)
            / rest * 1e6}


def measure(db, way, system, column, number):
    far, receives, events = column
    url = call("CreateQueue", QueueName=f"q{number}",
               Attributes={"VisibilityTimeout": "300"})["QueueUrl"]
    subprocess.run([f"{BUILT}/sqs_client", "fill", ENDPOINT, url, str(events),
                    str(USERS)], check=True)
    db.rows("TRUNCATE public.user_services")
    db.rows("CHECKPOINT")
    system.start(db, url, way.endpoint(far), receives)
    try:
        result = drain(url, events, lambda: [POSTMASTER, *system.roots()])
        result["wrong"] = 0 if system.key == "limit" else faults(db, events)
    finally:
        system.stop(db)
        call("DeleteQueue", QueueUrl=url)
    return result


def measure_idle(db):
    """Requests a minute and CPU of a source whose queue is empty."""
    port_file = f"{WORK}/counted.port"
    server = subprocess.Popen(
        [sys.executable, "-B", "test/aws/fault_server.py", port_file,
         "--target", ENDPOINT])
    while not os.path.exists(port_file):
        time.sleep(0.05)
    with open(port_file) as f:
        endpoint = f"http://127.0.0.1:{f.read().strip()}"

    def count():
        answer = urllib.request.urlopen(endpoint + "/_control", b"{}")
        return sum(json.loads(answer.read())["counts"].values())

    add_server(db, "counted", endpoint)
    call("CreateQueue", QueueName="idle")
    db.rows("SELECT evaudit.create_source('bench', 'counted',"
            " options => '{\"queue\": \"idle\"}')")
    system = Evaudit()
    time.sleep(IDLE_TIME)
    requests, cpu = count(), machine.thread_cpu(system.workers(db))
    time.sleep(IDLE)
    result = {"requests": (count() - requests) / IDLE * 60,
              "cpu": (machine.thread_cpu(system.workers(db)) - cpu)
              / IDLE * 1000}
    system.stop(db)
    server.kill()
    return result


# --- the table --------------------------------------------------------------

def title(column):
    return f"{'+10 ms' if column[0] else 'direct'}, {column[1]}"


class Table:
    def __init__(self, results):
        self.results = results
        self.systems = list(dict.fromkeys(r["key"] for r in results))

    def median(self, key, column, field):
        values = [r[field] for r in self.results
                  if (r["key"], r["column"]) == (key, title(column))]
        return statistics.median(values) if values else None

    def show(self):
        setting("events", EVENTS)
        setting("runs", RUNS)
        print(f"\nSQS to user_services: {EVENTS:,} logins (a fifth for one"
              f" receive), medians of {RUNS}; messages/s, µs of CPU each")
        print("(of the system and the database; ElasticMQ left out)\n")
        print(" " * 28 + "".join(f"{title(c):>18}" for c in COLUMNS))
        for key in self.systems:
            mine = [r for r in self.results if r["key"] == key]
            wrong = sum(r["wrong"] for r in mine)
            print(f"{mine[0]['name']:28}" + "".join(
                self.cell(key, mine[0]["name"], c) for c in COLUMNS)
                + (f"  {wrong} keys wrong" if wrong else ""))
        print()
        for column in COLUMNS:
            self.show_goals(column)

    def cell(self, key, name, column):
        rate, cpu = (self.median(key, column, f) for f in ("rate", "cpu"))
        if rate is None:
            return f"{'no end':>18}"
        figure(name, title(column), "messages/s", rate)
        figure(name, title(column), "CPU us", cpu)
        return f"{rate:11,.0f}{cpu:7.0f}"

    def show_goals(self, column):
        ours = self.median("evaudit", column, "rate")
        if ours is None:
            return
        peers = [self.median(k, column, "rate") or 0 for k in self.systems
                 if k.startswith("peer")]
        far, receives, _ = column
        wanted = (1.3, 0.85) if far else (1.5, 0.8)
        if receives == 1:
            wanted = None, None
        if peers:
            goal(f"{title(column)}: messages/s / best peer",
                 ours / max(peers), wanted[0], True)
        if "limit" in self.systems:
            goal(f"{title(column)}: messages/s / limit",
                 ours / self.median("limit", column, "rate"), wanted[1], True)


def add_server(db, name, endpoint):
    db.rows(f"CREATE SERVER {name} FOREIGN DATA WRAPPER evaudit_aws"
            f" OPTIONS (region 'us-east-1', endpoint_url '{endpoint}')")
    db.rows(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name}"
            " OPTIONS (access_key_id 'x', secret_access_key 'y')")


def main():
    db = Database()
    way = Way()
    chosen = systems()
    db.rows("CREATE EXTENSION evaudit")
    add_server(db, "near", ENDPOINT)
    add_server(db, "far", way.far)
    results = []
    # the first runs warm ElasticMQ up
    for number in (1, 2):
        measure(db, way, LIMIT_OF_ALL, (False, 16, EVENTS), f"w{number}")
    for run in range(RUNS):
        for column in COLUMNS:
            for system in chosen:
                number += 1
                try:
                    result = measure(db, way, system, column, number)
                except TimeoutError as error:
                    failure(f"{title(column)}: {system.name}", error,
                            f"{WORK}/peer.log")
                    continue
                result.update(key=system.key, name=system.name,
                              column=title(column))
                results.append(result)
                with open(f"{WORK}/results.jsonl", "a") as f:
                    f.write(json.dumps(result) + "\n")
                say(f"run {run + 1}, {title(column)}: {system.name}:"
                    f" {result['rate']:,.0f}/s, {result['cpu']:.0f} µs")
    Table(results).show()
    idle = measure_idle(db)
    goal("requests a minute of an idle source", idle["requests"], 4, False)
    goal("CPU of an idle worker, ms/s", idle["cpu"], 2, False)


if __name__ == "__main__":
    main()
