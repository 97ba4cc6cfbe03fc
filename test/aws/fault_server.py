"""An AWS that misbehaves as it is told.

    fault_server.py PORT_FILE [--target URL] [--tls CERTIFICATE KEY]

listens on a free port of loopback and, by TLS, on another, and writes their
numbers to a file.  It answers calls of SQS from queues in memory, or passes them on to a real server; hands
out credentials as the services of EC2, ECS and STS do; and keeps a list of
what it was asked.  POST /_control changes its ways, by a JSON object with any of

  "rules":   what goes wrong, see Rule; replaces those before
  "credentials": settings of credentials.Credentials
  "keys":    {"AKIA...": {"secret": ..., "token": ..., "requests": 100}}
  "expire":  true: nothing handed out so far is good any more
  "pages":   {"/path": {"status": 200, "headers": {...}, "body": "..."}}
  "forget":  true: empties the list of requests
  "buses":   ["name", ...]: the event buses that there are, empty

and answers {"counts": {"ReceiveMessage": 3, ...}, "issued": [...], "open": 1}.
GET /_control/requests is the list of what was asked, GET /_control/buses what
each bus has taken.
"""

import collections
import http.client
import json
import os
import random
import re
import select
import socket
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from credentials import Credentials
from memory_bus import Buses
from memory_queue import Refusal, Service

KEPT = 20000			# requests that are listed
JSON = "application/x-amz-json-1.0"


class Rule:
    """When something goes wrong, and what.

    operation   of these calls: "ReceiveMessage", or a regular expression
    body        of those whose body matches, too
    after       not of the first so many
    times       so often
    chance      with this probability, by "seed"

    delay       seconds before it is dealt with
    status, error, message, headers, text
                the answer; an error's is JSON unless there is a text
    hang        no answer, until other rules are set
    hold        the answer is held until other rules are set
    cut         "before" it is dealt with, "after", or within the "answer"
    answer_delay  seconds from dealing with it to the answer
    fail_entries  the number of entries of a batch that fail, by "error";
                  "sender_fault"
    fail_matching of PutEvents, a regular expression: the entries whose detail
                  matches fail so
    replace     [regular expression, replacement] in the answer's body
    replace_message  [mark, regular expression, replacement] in those of its
                messages that have the mark in them
    """

    def __init__(self, said):
        self.said = said
        self.seen = self.used = 0
        self.random = random.Random(said.get("seed", 1))

    def applies(self, operation, body):
        said = self.said
        if not re.fullmatch(said.get("operation", ".*"), operation):
            return False
        if not re.search(said.get("body", ""), body):
            return False
        self.seen += 1
        if (self.seen <= said.get("after", 0) or
                self.used >= said.get("times", float("inf")) or
                self.random.random() >= said.get("chance", 1)):
            return False
        self.used += 1
        return True

    def __getitem__(self, name):
        return self.said.get(name)


class State:
    def __init__(self, target):
        self.target = urllib.parse.urlsplit(target) if target else None
        self.lock = threading.Lock()
        self.rules = []
        self.changed = threading.Event()	# of this list of rules
        self.credentials = Credentials()
        self.pages = {}
        self.buses = Buses()
        self.requests = collections.deque(maxlen=KEPT)
        self.counts = collections.Counter()
        self.open = 0
        self.started = time.time()

    def control(self, said):
        with self.lock:
            if "rules" in said:
                self.rules = [Rule(r) for r in said["rules"]]
                self.changed.set()
                self.changed = threading.Event()
            self.credentials.settings.update(said.get("credentials", {}))
            for key, known in said.get("keys", {}).items():
                self.credentials.add(key, **known)
            if said.get("expire"):
                for known in self.credentials.keys.values():
                    if known["expires"]:
                        known["expires"] = 1
            self.pages.update(said.get("pages", {}))
            if "buses" in said:
                self.buses.buses = {name: [] for name in said["buses"]}
            if said.get("forget"):
                self.requests.clear()
                self.counts.clear()
                self.credentials.issued.clear()
            return {"counts": self.counts, "open": self.open,
                    "issued": self.credentials.issued}

    def rule_for(self, operation, body):
        with self.lock:
            for rule in self.rules:
                if rule.applies(operation, body):
                    return rule, self.changed
        return None, self.changed

    def note(self, request, operation):
        entry = {
            "at": round(time.time() - self.started, 4),
            "operation": operation, "method": request.command,
            "path": request.path,
            "headers": {k.lower(): v for k, v in request.headers.items()},
            "body": request.body[:65536].decode("utf-8", "replace")}
        with self.lock:
            self.requests.append(entry)
            self.counts[operation] += 1
        return entry


class Cut(Exception):
    """The connection is to be closed without another word."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state = service = None
    upstream = None

    def setup(self):
        super().setup()
        with self.state.lock:
            self.state.open += 1

    def finish(self):
        with self.state.lock:
            self.state.open -= 1
        if self.upstream:
            self.upstream.close()
        super().finish()

    def log_message(self, *arguments):
        pass

    def do_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        try:
            if self.path.startswith("/_control"):
                self.do_control()
            else:
                self.do_request()
        except Cut:
            self.entry["status"] = 0
            self.close_connection = True
        except (ConnectionError, ssl.SSLError, socket.timeout):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_HEAD = do_any

    def do_control(self):
        if self.command == "GET":
            with self.state.lock:
                answer = (self.state.buses.buses if self.path.endswith("buses")
                          else list(self.state.requests))
        else:
            answer = self.state.control(json.loads(self.body or "{}"))
        self.answer(200, "application/json", json.dumps(answer))

    def operation(self):
        target = self.headers.get("X-Amz-Target", "")
        if target:
            return target.rpartition(".")[2]
        form = dict(urllib.parse.parse_qsl(
            self.body.decode("utf-8", "replace")))
        return form.get("Action") or self.path.partition("?")[0]

    def do_request(self):
        operation = self.operation()
        entry = self.entry = self.state.note(self, operation)
        rule, changed = self.state.rule_for(
            operation, self.body.decode("utf-8", "replace"))
        rule = rule or Rule({})

        if rule["delay"]:
            time.sleep(rule["delay"])
        if rule["hang"]:
            changed.wait()
            raise Cut
        if rule["cut"] == "before":
            raise Cut
        if rule["status"]:
            status, kind, body = self.refuse(rule)
        else:
            status, kind, body = self.serve(operation, rule)
        entry["status"] = status
        if rule["answer_delay"]:
            time.sleep(rule["answer_delay"])
        if rule["hold"]:
            changed.wait()
        if rule["cut"] == "after":
            raise Cut
        if rule["replace"]:
            body = re.sub(*rule["replace"], body)
        if rule["replace_message"]:
            body = self.replace_message(body, *rule["replace_message"])
        self.answer(status, kind, body, rule["headers"] or {},
                    rule["cut"] == "answer")

    @staticmethod
    def replace_message(body, mark, pattern, replacement):
        messages = [json.dumps(m)
                    for m in json.loads(body).get("Messages", [])]
        return '{"Messages": [' + ", ".join(
            re.sub(pattern, replacement, m, count=1) if mark in m else m
            for m in messages) + "]}"

    @staticmethod
    def refuse(rule):
        if rule["text"] is not None:
            return rule["status"], "text/html", rule["text"]
        return rule["status"], JSON, json.dumps({
            "__type": rule["error"] or "InternalError",
            "message": rule["message"] or "as the test wants it"})

    def serve(self, operation, rule):
        """What a service that means well answers: status, type, body."""
        page = self.state.pages.get(self.path)
        if page:
            return page.get("status", 200), "text/plain", page.get("body", "")
        with self.state.lock:
            answer = self.state.credentials.answer(self)
        if answer:
            return answer
        try:
            if self.state.credentials.settings["check"]:
                with self.state.lock:
                    self.state.credentials.check(self)
            if operation in Buses.OPERATIONS:
                return 200, JSON, json.dumps(self.call_bus(operation, rule))
            return self.call(operation, rule)
        except Refusal as refusal:
            return refusal.status, JSON, json.dumps(
                {"__type": refusal.code, "message": refusal.message})

    def call_bus(self, operation, rule):
        """Call EventBridge; some entries may have to fail."""
        request = json.loads(self.body)
        places = iter(range(10))

        def fails(entry):
            if (next(places) < (rule["fail_entries"] or 0) or
                    rule["fail_matching"] and
                    re.search(rule["fail_matching"], entry["Detail"])):
                return rule["error"] or "InternalFailure"
            return None

        with self.state.lock:
            if operation == "DescribeEventBus":
                return self.state.buses.describe(request)
            return self.state.buses.put(request, fails)

    def call(self, operation, rule):
        """Call SQS; some entries of a batch may have to fail."""
        failed = []
        if rule["fail_entries"]:
            request = json.loads(self.body)
            failed = request["Entries"][:rule["fail_entries"]]
            request["Entries"] = request["Entries"][rule["fail_entries"]:]
            self.body = json.dumps(request).encode()
            if not request["Entries"]:
                return 200, JSON, json.dumps(self.add_failed({}, failed, rule))
        if self.state.target:
            status, kind, body = self.forward()
        else:
            more = ({"gone": self.gone} if operation == "ReceiveMessage"
                    else {})
            status, kind, body = 200, JSON, json.dumps(
                self.service.call(operation, json.loads(self.body), **more)
                or {})
        if failed and status == 200:
            body = json.dumps(self.add_failed(json.loads(body), failed, rule))
        return status, kind, body

    def gone(self):
        """Whether the client has closed the connection."""
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP)
        return bool(poll.poll(0))

    @staticmethod
    def add_failed(answer, failed, rule):
        answer["Failed"] = answer.get("Failed", []) + [
            {"Id": e["Id"], "SenderFault": bool(rule["sender_fault"]),
             "Code": rule["error"] or "InternalError",
             "Message": "as the test wants it"} for e in failed]
        return answer

    def forward(self):
        headers = {k: v for k, v in self.headers.items()
                   if k.lower() not in ("content-length", "host")}
        target = self.state.target
        for attempt in (1, 2):
            if self.upstream is None:
                self.upstream = http.client.HTTPConnection(
                    target.hostname, target.port, timeout=60)
            try:
                self.upstream.request(self.command, self.path, self.body,
                                      headers)
                answer = self.upstream.getresponse()
                body = answer.read().decode("utf-8", "replace")
                return answer.status, answer.getheader("Content-Type"), body
            except (ConnectionError, http.client.HTTPException):
                # what was kept alive may have ended meanwhile
                self.upstream.close()
                self.upstream = None
                if attempt == 2:
                    return 502, "text/html", "<html>bad gateway</html>"

    def answer(self, status, kind, body, headers={}, cut=False):
        body = body.encode()
        head = (f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"
                f"\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n")
        if cut:
            body = body[:len(body) // 2]
        self.wfile.write(head.encode() + body)
        if cut:
            raise Cut


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, address)


def main(port_file, *options):
    options = list(options)
    target = None
    servers = [Server(("127.0.0.1", 0), Handler)]
    while options:
        option = options.pop(0)
        if option == "--target":
            target = options.pop(0)
        elif option == "--tls":
            servers.append(Server(("127.0.0.1", 0), Handler))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.pop(0), options.pop(0))
            servers[1].socket = context.wrap_socket(
                servers[1].socket, server_side=True,
                do_handshake_on_connect=False)
    ports = [s.server_address[1] for s in servers]
    Handler.state = State(target)
    Handler.service = Service(f"http://127.0.0.1:{ports[0]}")
    with open(port_file + ".new", "w") as f:
        print(*ports, file=f)
    os.rename(port_file + ".new", port_file)
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
