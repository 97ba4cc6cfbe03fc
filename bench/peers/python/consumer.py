"""What an engineer writes in an afternoon, and writes well.

consumer.py SERVERS TOPIC GROUP CONNECTION
"""

import json
import signal
import sys
from datetime import datetime

import psycopg
from confluent_kafka import Consumer

BATCH = 5000

MERGE = """
INSERT INTO user_services (user_id, service_id, service_name, last_accessed)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[])
ON CONFLICT (user_id, service_id) DO UPDATE
SET service_name = EXCLUDED.service_name, last_accessed = EXCLUDED.last_accessed
WHERE user_services.last_accessed < EXCLUDED.last_accessed
"""


def newest_of(messages):
    """The newest event of each key, in the order of the keys."""
    newest = {}
    for message in messages:
        if message.error():
            continue
        try:
            event = json.loads(message.value())
            key = event["user_id"], event["service_id"]
            at = datetime.fromisoformat(event["timestamp"])
        except (ValueError, KeyError, TypeError) as error:
            print(f"skipped {message.partition()}/{message.offset()}: {error}")
            continue
        if key not in newest or newest[key][3] < at:
            newest[key] = (*key, event.get("service_name"), at)
    return [newest[key] for key in sorted(newest)]


def main(servers, topic, group, connection):
    going = True

    def stop(*_):
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group,
                         "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe([topic])
    with psycopg.connect(connection) as database:
        while going:
            messages = consumer.consume(BATCH, timeout=0.5)
            rows = newest_of(messages)
            if rows:
                database.execute(MERGE, [list(column) for column in zip(*rows)])
                database.commit()
            if messages:
                consumer.commit(asynchronous=False)
    consumer.close()


main(*sys.argv[1:])
