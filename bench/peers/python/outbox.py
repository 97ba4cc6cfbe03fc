"""What an engineer writes in an afternoon, and writes well: a poller that
empties an outbox into Kafka.  A crash between flush and commit repeats a
batch.

outbox.py SERVERS TOPIC CONNECTION
"""

import signal
import sys
import time

import psycopg
from confluent_kafka import Producer

BATCH = 5000
PAUSE = 0.005			# seconds between polls of an empty table

TAKE = f"""
WITH taken AS (
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox ORDER BY id LIMIT {BATCH}
        FOR UPDATE SKIP LOCKED)
    RETURNING id, event_id, key, payload)
SELECT event_id, key, payload::text FROM taken ORDER BY id
"""


def main(servers, topic, connection):
    going = True

    def stop(*_):
        nonlocal going
        going = False

    def delivered(error, _):
        if error:
            raise SystemExit(f"not delivered: {error}")

    signal.signal(signal.SIGTERM, stop)
    producer = Producer({"bootstrap.servers": servers,
                         "enable.idempotence": True,
                         "partitioner": "murmur2_random", "linger.ms": 1,
                         "on_delivery": delivered})
    with psycopg.connect(connection) as database:
        while going:
            rows = database.execute(TAKE).fetchall()
            for event_id, key, payload in rows:
                producer.produce(topic, payload, key,
                                 headers=[("id", event_id)])
            producer.flush()
            database.commit()
            if not rows:
                time.sleep(PAUSE)


main(*sys.argv[1:])
