"""A chat server that answers at once with a query of the prompt's last words; prints its address."""

from __future__ import annotations

import asyncio
import itertools

import httptools
import orjson
import uvloop


class Connection(asyncio.Protocol):
    numbers = itertools.count()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)
        self.url, self.chunks = b"", []

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)

    def on_message_complete(self) -> None:
        body, self.chunks = b"".join(self.chunks), []
        if self.url == b"/v1/chat/completions":
            words = orjson.loads(body)["messages"][-1]["content"].split()[40:46]
            content = orjson.dumps({"query": f"why did {' '.join(words)} matter in case {next(self.numbers)}"}).decode()
            choice = {"message": {"content": content}, "finish_reason": "stop"}
            reply = {"choices": [choice], "usage": {"prompt_tokens": 500, "completion_tokens": 20}}
        elif self.url == b"/v1/models":
            reply = {"data": [{"id": "instant", "max_model_len": 8192}]}
        else:
            self.transport.write(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
            return
        payload = orjson.dumps(reply)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(payload) + payload)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


uvloop.run(main())
