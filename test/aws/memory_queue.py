"""Queues as SQS knows them, in memory: what the fault server answers with
where no real queue server stands behind it.

Of a queue's attributes VisibilityTimeout, DelaySeconds, FifoQueue and
RedrivePolicy have an effect.
"""

import hashlib
import itertools
import json
import random
import threading
import time
import uuid

ACCOUNT = "000000000000"


class Refusal(Exception):
    """An error as the service would answer it."""

    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Message:
    def __init__(self, entry, now, delay):
        self.id = str(uuid.uuid4())
        self.body = entry["MessageBody"]
        self.attributes = entry.get("MessageAttributes") or {}
        self.group = entry.get("MessageGroupId")
        self.deduplication = entry.get("MessageDeduplicationId")
        self.sent = now
        self.visible_at = now + float(entry.get("DelaySeconds", delay))
        self.first_received = None
        self.receives = 0
        self.handle = None		# of the last receive; None: never received

    def in_flight(self, now):
        return self.handle is not None and self.visible_at > now

    def describe(self):
        system = {
            "SenderId": "AIDATEST", "SentTimestamp": str(int(self.sent * 1e3)),
            "ApproximateReceiveCount": str(self.receives),
            "ApproximateFirstReceiveTimestamp":
                str(int(self.first_received * 1e3))}
        if self.group is not None:
            system["MessageGroupId"] = self.group
            system["MessageDeduplicationId"] = self.deduplication or self.id
        described = {
            "MessageId": self.id, "ReceiptHandle": self.handle,
            "MD5OfBody": hashlib.md5(self.body.encode()).hexdigest(),
            "Body": self.body, "Attributes": system}
        if self.attributes:
            described["MessageAttributes"] = self.attributes
        return described


class Queue:
    def __init__(self, name, url, attributes):
        self.name, self.url = name, url
        self.attributes = {"VisibilityTimeout": "30", "DelaySeconds": "0",
                           **attributes}
        self.messages = {}		# by id, in the order of their coming
        self.numbers = itertools.count(1)
        self.deduplication = {}
        self.handles = {}		# the last of each message

    @property
    def arn(self):
        return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{self.name}"

    @property
    def fifo(self):
        return self.attributes.get("FifoQueue") == "true"

    def add(self, entry, now):
        key = entry.get("MessageDeduplicationId")
        if self.fifo and self.deduplication.get(key, 0) > now - 300:
            return str(uuid.uuid4())
        self.deduplication[key] = now
        message = Message(entry, now, self.attributes["DelaySeconds"])
        self.messages[message.id] = message
        return message.id

    def candidates(self, now):
        """The messages that may be received: of a group that has one in
        flight there is none."""
        blocked = {m.group for m in self.messages.values()
                   if m.in_flight(now)} if self.fifo else ()
        return (m for m in list(self.messages.values())
                if m.visible_at <= now and
                (not self.fifo or m.group not in blocked))

    def receive(self, message, now, timeout):
        self.handles.pop(message.handle, None)
        message.receives += 1
        message.first_received = message.first_received or now
        message.visible_at = now + timeout
        message.handle = f"{self.name}/{next(self.numbers)}"
        self.handles[message.handle] = message

    def remove(self, message):
        del self.messages[message.id]
        self.handles.pop(message.handle, None)

    def by_handle(self, handle):
        if handle in self.handles:
            return self.handles[handle]
        if handle.startswith(self.name + "/"):
            return None			# deleted, or received again since
        raise Refusal("ReceiptHandleIsInvalid",
                      "The input receipt handle is invalid.", 404)

    def next_visible(self, now):
        return min((m.visible_at for m in self.messages.values()
                    if m.visible_at > now), default=now + 60)

    def count(self, now):
        states = {"ApproximateNumberOfMessages": 0,
                  "ApproximateNumberOfMessagesNotVisible": 0,
                  "ApproximateNumberOfMessagesDelayed": 0}
        for m in self.messages.values():
            states["ApproximateNumberOfMessagesNotVisible" if m.in_flight(now)
                   else "ApproximateNumberOfMessages" if m.visible_at <= now
                   else "ApproximateNumberOfMessagesDelayed"] += 1
        return {k: str(v) for k, v in states.items()}


class Service:
    """The operations; each takes and returns what its JSON holds."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.queues = {}
        self.changed = threading.Condition()
        self.random = random.Random(1)

    def call(self, operation, request, **more):
        method = getattr(self, "do_" + operation, None)
        if method is None:
            raise Refusal("InvalidAction", f"no operation {operation}")
        with self.changed:
            answer = method(request, **more)
            if not operation.startswith("Get"):
                self.changed.notify_all()
            return answer

    def queue(self, request):
        name = request["QueueUrl"].rsplit("/", 1)[-1]
        if name not in self.queues:
            raise Refusal("com.amazonaws.sqs#QueueDoesNotExist",
                          "The specified queue does not exist.")
        return self.queues[name]

    def do_CreateQueue(self, request):
        name = request["QueueName"]
        url = f"{self.endpoint}/{ACCOUNT}/{name}"
        self.queues.setdefault(
            name, Queue(name, url, request.get("Attributes") or {}))
        return {"QueueUrl": url}

    def do_DeleteQueue(self, request):
        del self.queues[self.queue(request).name]

    def do_PurgeQueue(self, request):
        queue = self.queue(request)
        for message in list(queue.messages.values()):
            queue.remove(message)

    def do_ListQueues(self, request):
        return {"QueueUrls": [q.url for q in self.queues.values()]}

    def do_GetQueueUrl(self, request):
        return {"QueueUrl":
                self.queue({"QueueUrl": request["QueueName"]}).url}

    def do_GetQueueAttributes(self, request):
        queue = self.queue(request)
        every = {**queue.attributes, "QueueArn": queue.arn,
                 **queue.count(time.time())}
        wanted = request.get("AttributeNames") or []
        return {"Attributes": {k: v for k, v in every.items()
                               if "All" in wanted or k in wanted}}

    def do_SetQueueAttributes(self, request):
        self.queue(request).attributes.update(request["Attributes"])

    def do_SendMessage(self, request):
        return {"MessageId": self.queue(request).add(request, time.time())}

    def do_SendMessageBatch(self, request):
        queue, now = self.queue(request), time.time()
        return {"Successful": [{"Id": e["Id"], "MessageId": queue.add(e, now)}
                               for e in request["Entries"]], "Failed": []}

    def do_ReceiveMessage(self, request, gone):
        """Waits for messages, which a client that is gone does not get."""
        wanted = int(request.get("MaxNumberOfMessages", 1))
        if not 1 <= wanted <= 10:
            raise Refusal("InvalidParameterValue", "MaxNumberOfMessages")
        end = time.time() + float(request.get("WaitTimeSeconds", 0))
        while True:
            now = time.time()
            if gone():
                return {"Messages": []}
            queue = self.queue(request)
            found = self.take(queue, queue.candidates(now), wanted, now,
                              request.get("VisibilityTimeout"))
            if found or now >= end:
                return {"Messages": [m.describe() for m in found]}
            self.changed.wait(min(end, queue.next_visible(now)) - now + 0.001)

    def take(self, queue, candidates, wanted, now, timeout):
        policy = json.loads(queue.attributes.get("RedrivePolicy") or "{}")
        if timeout is None:
            timeout = queue.attributes["VisibilityTimeout"]
        found = []
        for message in candidates:
            if len(found) == wanted:
                break
            if policy and message.receives >= int(policy["maxReceiveCount"]):
                self.move(queue, message,
                          policy["deadLetterTargetArn"].rsplit(":", 1)[-1])
                continue
            queue.receive(message, now, float(timeout))
            found.append(message)
        return found

    def move(self, queue, message, target):
        queue.remove(message)
        message.handle = None
        self.queues[target].messages[message.id] = message

    def batch(self, request, change):
        queue, entries = self.queue(request), request["Entries"]
        answer = {"Successful": [], "Failed": []}
        if not 1 <= len(entries) <= 10:
            raise Refusal("TooManyEntriesInBatchRequest", "1 to 10 entries")
        if len({e["Id"] for e in entries}) < len(entries):
            raise Refusal("BatchEntryIdsNotDistinct", "ids must differ")
        for entry in entries:
            try:
                change(queue, entry)
                answer["Successful"].append({"Id": entry["Id"]})
            except Refusal as refusal:
                answer["Failed"].append({
                    "Id": entry["Id"], "SenderFault": True,
                    "Code": refusal.code, "Message": refusal.message})
        return answer

    @staticmethod
    def delete(queue, entry):
        message = queue.by_handle(entry["ReceiptHandle"])
        if message:
            queue.remove(message)

    @staticmethod
    def change_visibility(queue, entry):
        message, now = queue.by_handle(entry["ReceiptHandle"]), time.time()
        if message is None or not message.in_flight(now):
            raise Refusal("MessageNotInflight", "The message is not in flight")
        message.visible_at = now + float(entry["VisibilityTimeout"])

    def do_DeleteMessage(self, request):
        self.delete(self.queue(request), request)

    def do_DeleteMessageBatch(self, request):
        return self.batch(request, self.delete)

    def do_ChangeMessageVisibility(self, request):
        self.change_visibility(self.queue(request), request)

    def do_ChangeMessageVisibilityBatch(self, request):
        return self.batch(request, self.change_visibility)
