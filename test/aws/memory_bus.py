"""Event buses as EventBridge knows them, in memory: what the fault server
answers with.  As at AWS, an entry for a bus that does not exist is answered as
if it had been taken.
"""

import json
import uuid

from memory_queue import ACCOUNT, Refusal

# Bytes of all entries of a request, and what a time counts for.
MAX_BYTES = 1 << 20
TIME_BYTES = 14


def size(entry):
    """The bytes of an entry, as the documentation of PutEvents counts them."""
    return (TIME_BYTES if "Time" in entry else 0) + sum(
        len(entry.get(m, "").encode()) for m in
        ("Source", "DetailType", "Detail"))


class Buses:
    """The operations; each takes and returns what its JSON holds."""

    OPERATIONS = ("DescribeEventBus", "PutEvents")

    def __init__(self):
        self.buses = {"default": []}	# the entries taken, in their order

    @staticmethod
    def name(given):
        return given.rpartition("event-bus/")[2] or "default"

    def describe(self, request):
        name = self.name(request.get("Name", ""))
        if name not in self.buses:
            raise Refusal("ResourceNotFoundException",
                          f"Event bus {name} does not exist.")
        return {"Name": name,
                "Arn": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/{name}"}

    def put(self, request, fails):
        """Take entries; fails(entry) is the code of an error, or None."""
        entries = request["Entries"]
        if not 1 <= len(entries) <= 10:
            raise Refusal("ValidationException", "1 to 10 entries")
        if sum(map(size, entries)) >= MAX_BYTES:
            raise Refusal("ValidationException",
                          "Total size of the entries in the request is over the limit.")
        answers = []
        for entry in entries:
            code = fails(entry) or self.fault(entry)
            if code:
                answers.append({"ErrorCode": code,
                                "ErrorMessage": "as the test wants it"})
                continue
            self.buses.get(self.name(entry.get("EventBusName", "")), []).append(
                {**entry, "Size": size(entry)})
            answers.append({"EventId": str(uuid.uuid4())})
        return {"FailedEntryCount": sum("ErrorCode" in a for a in answers),
                "Entries": answers}

    @staticmethod
    def fault(entry):
        try:
            if isinstance(json.loads(entry["Detail"]), dict):
                return None
        except ValueError:
            pass
        return "MalformedDetail"
