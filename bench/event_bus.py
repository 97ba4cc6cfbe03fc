"""An event bus that takes whatever comes, each request after a delay: what a
round trip to EventBridge costs, without EventBridge's own work.

event_bus.py MILLISECONDS

prints its port and ends with its input.  GET / answers how many entries it
has taken.
"""

import asyncio
import json
import sys


class Connection(asyncio.Protocol):
    taken = 0
    delay = 0

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            headers = head.lower()
            length = 0
            at = headers.find(b"\r\ncontent-length:")
            if at >= 0:
                length = int(headers[at + 17:].split(b"\r\n", 1)[0])
            if b"\r\nexpect: 100-continue" in headers and len(rest) < length:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self.answer(head, headers, rest[:length])

    def answer(self, head, headers, body):
        delay = Connection.delay
        if head.startswith(b"GET"):
            document, delay = Connection.taken, 0
        elif b"awsevents.putevents" in headers:
            n = len(json.loads(body)["Entries"])
            Connection.taken += n
            document = {"FailedEntryCount": 0, "Entries": [
                {"EventId": "11710aed-b79e-4468-a20b-bb3c0c3b4860"}] * n}
        else:
            document = {"Name": "bench", "Arn":
                        "arn:aws:events:us-east-1:123456789012:event-bus/bench"}
        text = json.dumps(document).encode()
        asyncio.get_running_loop().call_later(
            delay, self.transport.write,
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(text), text))


async def main(milliseconds):
    loop = asyncio.get_running_loop()
    Connection.delay = int(milliseconds) / 1000
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(*sys.argv[1:]))
