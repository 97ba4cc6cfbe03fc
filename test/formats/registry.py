"""registry.py PORT: a schema registry of Confluent's API, with faults.

What serializers and evaudit ask of one, in memory.  POST /control takes
{"status": 503}, for all requests but those to register, or null for none;
{"users": "name:password"} or {"token": "..."} that requests must have then;
{"forget": id} and {"recall": id}; {"paths": {path: [status, text]}} is what is
answered for paths of another API; {"text": "..."} is the text of schemas that
were registered as descriptors, as registries answer with texts.  GET /log lists the paths that were asked for.
"""

import base64
import hashlib
import http.server
import json
import sys
import threading
import urllib.parse
import uuid

# What evaudit accepts, by which it is told from serializers.
ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"

lock = threading.Lock()
schemas = []                    # by id - 1: the body that was registered
subjects = {}                   # name: ids
hidden = set()
log = []
control = {"status": None, "authorization": None, "text": None, "paths": {}}

# What evaudit accepts of another API.
ANY = "*/*"


def guid(number):
    return str(uuid.UUID(hashlib.md5(b"%d" % number).hexdigest()))


def register(subject, body):
    body.setdefault("schemaType", "AVRO")
    if body not in schemas:
        schemas.append(body)
    number = schemas.index(body) + 1
    ids = subjects.setdefault(subject, [])
    if number not in ids:
        ids.append(number)
    return describe(subject, number)


def describe(subject, number):
    body = {k: v for k, v in schemas[number - 1].items()
            if k in ("schema", "references") or
            (k == "schemaType" and v != "AVRO")}
    if body.get("schemaType") == "PROTOBUF" and control["text"]:
        body["schema"] = control["text"]
    return dict(body, id=number, guid=guid(number), subject=subject,
                version=subjects.get(subject, [number]).index(number) + 1)


def find(parts):
    if parts[:2] == ["schemas", "ids"]:
        number = int(parts[2])
    elif parts[:2] == ["schemas", "guids"]:
        number = next((i + 1 for i in range(len(schemas))
                       if guid(i + 1) == parts[2]), 0)
    elif parts[0] == "subjects" and parts[2] == "versions":
        ids = subjects.get(parts[1], [])
        if not ids:
            return 404, {"error_code": 40401, "message": "Subject not found"}
        number = ids[-1 if parts[3] == "latest" else int(parts[3]) - 1]
        return 200, describe(parts[1], number)
    else:
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}
    if not 0 < number <= len(schemas) or number in hidden:
        return 404, {"error_code": 40403, "message": "Schema not found"}
    return 200, describe(next(iter(s for s in subjects
                                   if number in subjects[s]), "?"), number)


def set_control(change):
    if "forget" in change:
        hidden.add(change["forget"])
    if "recall" in change:
        hidden.discard(change["recall"])
    if "status" in change:
        control["status"] = change["status"]
    for name in ("text", "paths"):
        if name in change:
            control[name] = change[name]
    if "users" in change:
        control["authorization"] = "Basic " + base64.b64encode(
            change["users"].encode()).decode()
    if "token" in change:
        control["authorization"] = "Bearer " + change["token"]
    return {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        self.send(status, json.dumps(body).encode())

    def send(self, status, data):
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(data)))
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(size))
        path = urllib.parse.urlsplit(self.path).path
        parts = [urllib.parse.unquote(p) for p in path.strip("/").split("/")]
        with lock:
            if parts == ["control"]:
                return self.answer(200, set_control(body))
            self.answer(200, register(parts[1], body))

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        parts = [urllib.parse.unquote(p) for p in path.strip("/").split("/")]
        with lock:
            if parts == ["log"]:
                return self.answer(200, log)
            if self.headers.get("Accept") == ANY:
                log.append(path)
                status, text = control["paths"].get(path, (404, "no page"))
                return self.send(status, text.encode("latin-1"))
            if self.headers.get("Accept") == ACCEPT:
                log.append(path)
                wanted = control["authorization"]
                if wanted and self.headers.get("Authorization") != wanted:
                    return self.answer(401, {"error_code": 401})
                if control["status"]:
                    return self.answer(control["status"], {})
            self.answer(*find(parts))

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])),
                                Handler).serve_forever()
