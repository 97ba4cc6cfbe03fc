"""A peer of the front: the steps of an event gateway's handler, one after the
other, in a WSGI server: the token is verified and the event validated each
time, by the functions that such a handler calls, and then written."""

import json
import os

import jwt
import psycopg
from jsonschema import ValidationError, validate

KEY = jwt.PyJWK(json.loads(os.environ["JWK"])).key
SCHEMA = json.loads(os.environ["SCHEMA"])
connection = None


def answer(start, status, document):
    body = json.dumps(document).encode()
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def publish(environ, start, subject, topic):
    event = json.loads(environ["wsgi.input"].read())
    try:
        validate(instance=event, schema=SCHEMA)
    except ValidationError as error:
        return answer(start, "400 Bad Request", {"error": error.message})
    connection.execute("INSERT INTO peer_events (event_id, topic, payload, subject) VALUES (%s, %s, %s, %s)"
                       " ON CONFLICT DO NOTHING", (event["event_id"], topic, json.dumps(event), subject))
    return answer(start, "202 Accepted", {"success": True, "statusCode": 202})


def services(start, user):
    rows = connection.execute("SELECT service_id, service_name, last_accessed FROM user_services"
                              " WHERE user_id = %s ORDER BY last_accessed DESC, service_id", (user,)).fetchall()
    return answer(start, "200 OK", {"user_id": user, "services": [
        {"service_id": r[0], "service_name": r[1], "last_accessed": r[2].strftime("%Y-%m-%dT%H:%M:%SZ")} for r in rows]})


def application(environ, start):
    global connection
    if connection is None:
        connection = psycopg.connect(os.environ["DSN"], autocommit=True)
    try:
        claims = jwt.decode(environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer "), KEY, algorithms=["EdDSA"])
    except jwt.PyJWTError:
        return answer(start, "401 Unauthorized", {"error": "auth"})
    parts = environ["PATH_INFO"].split("/")
    if environ["REQUEST_METHOD"] == "POST":
        return publish(environ, start, claims["sub"], parts[2])
    return services(start, parts[2])
