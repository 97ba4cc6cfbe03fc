"""boto3 in so many threads, each of which takes ten rows of an outbox, hands
them to EventBridge and deletes them.

events.py ENDPOINT THREADS
"""

import sys
import threading
import time

import boto3
import psycopg

TAKE = """
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED)
RETURNING payload::text
"""


def send(client, database):
    while True:
        with database.transaction():
            rows = database.execute(TAKE, prepare=True).fetchall()
            if rows:
                result = client.put_events(Entries=[
                    {"Source": "bench", "DetailType": "JSON",
                     "EventBusName": "bench", "Detail": payload}
                    for payload, in rows])
                assert result["FailedEntryCount"] == 0
        if not rows:
            time.sleep(0.005)


def main(endpoint, threads):
    session = boto3.session.Session("x", "y", region_name="us-east-1")
    for _ in range(int(threads)):
        client = session.client("events", endpoint_url=endpoint)
        database = psycopg.connect("", autocommit=True)
        threading.Thread(target=send, args=(client, database)).start()


main(*sys.argv[1:])
