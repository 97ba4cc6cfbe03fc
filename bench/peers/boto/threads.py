"""boto3 in so many threads, each of which receives ten messages, merges them
and deletes them.

threads.py QUEUE_URL THREADS STATEMENT_FILE
"""

import json
import re
import sys
import threading
import urllib.parse

import boto3
import psycopg

COLUMNS = "user_id", "service_id", "service_name", "timestamp"


def consume(sqs, database, queue, merge):
    while True:
        messages = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10,
            WaitTimeSeconds=1).get("Messages")
        if not messages:
            continue
        logins = [json.loads(message["Body"]) for message in messages]
        database.execute(merge, [[login[column] for login in logins]
                                 for column in COLUMNS], prepare=True)
        sqs.delete_message_batch(
            QueueUrl=queue,
            Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]}
                     for i, m in enumerate(messages)])


def main(queue, threads, statement):
    where = urllib.parse.urlsplit(queue)
    with open(statement) as f:
        merge = re.sub(r"\$\d", "%s", f.read())
    session = boto3.session.Session("x", "y", region_name="us-east-1")
    for _ in range(int(threads)):
        sqs = session.client(
            "sqs", endpoint_url=f"{where.scheme}://{where.netloc}")
        database = psycopg.connect("", autocommit=True)
        threading.Thread(target=consume,
                         args=(sqs, database, queue, merge)).start()


main(*sys.argv[1:])
