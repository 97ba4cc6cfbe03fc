"""What EventGate's own tests use, of a running evaudit-http.

In place of tests/integration/conftest.py: its fixtures, by their names, of
servers that run already and over HTTP, where the original starts containers
and calls the functions of a Lambda.  GATE_* say where everything is.
"""

import json
import os
from pathlib import Path

import psycopg2
import pytest
import requests

from tests.integration.utils.jwt_helper import generate_token

TEST_ROLE_PASSWORD = "changeme"


@pytest.fixture(scope="session")
def postgres_container():
    return os.environ["GATE_DATABASE"]


@pytest.fixture(scope="session")
def kafka_container():
    return os.environ["GATE_KAFKA"]


@pytest.fixture(scope="session")
def mock_aws_services():
    return {"region": "us-east-1"}


@pytest.fixture(scope="session")
def jwt_keypair():
    return {"private_key_pem": Path(os.environ["GATE_KEY"]).read_bytes()}


@pytest.fixture(scope="session")
def valid_token(jwt_keypair):
    return generate_token(jwt_keypair["private_key_pem"], "IntegrationTestUser")


@pytest.fixture(scope="session")
def eventgate_client():
    return EventGateTestClient()


@pytest.fixture(scope="session")
def stats_client():
    return EventStatsTestClient()


class Client:
    """Requests over HTTP, with what a Lambda would return for them."""

    def __init__(self):
        self.session = requests.Session()

    def ask(self, method, path, body=None, token=None):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        response = self.session.request(
            method,
            os.environ["GATE_URL"] + path,
            data=None if body is None else json.dumps(body),
            headers=headers,
            allow_redirects=False,
            timeout=60,
        )
        return {
            "statusCode": response.status_code,
            "headers": response.headers,
            "body": response.text,
        }

    def get_health(self):
        return self.ask("GET", "/health")


class EventGateTestClient(Client):
    def get_api(self):
        return self.ask("GET", "/api")

    def get_docs(self):
        return self.ask("GET", "/docs")

    def get_token(self):
        return self.ask("GET", "/token")

    def get_topics(self):
        return self.ask("GET", "/topics")

    def get_topic_schema(self, topic_name):
        return self.ask("GET", f"/topics/{topic_name}")

    def post_event(self, topic_name, event_data, token=None):
        return self.ask("POST", f"/topics/{topic_name}", event_data, token)


class EventStatsTestClient(Client):
    def post_stats(self, topic_name, body, token=None):
        return self.ask("POST", f"/stats/{topic_name}", body, token)


class Connection(tuple):
    """The front's sessions: the same object while they are the same."""

    closed = 0
    known = {}


class Sessions:
    """Stands for the writer or the reader, whose connection is to stay."""

    @property
    def _connection(self):
        connection = psycopg2.connect(os.environ["GATE_DATABASE"])
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pid, backend_start::text FROM pg_stat_activity"
                    " WHERE usename = 'front' ORDER BY pid"
                )
                sessions = Connection(cursor.fetchall())
        finally:
            connection.close()
        return Connection.known.setdefault(sessions, sessions) if sessions else None
