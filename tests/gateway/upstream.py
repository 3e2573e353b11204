"""The services that the meters of the tests sell: endless bytes, by HTTP and by TCP, and counters of who asked."""

import asyncio

from aiohttp import web

PIECE = b"x" * 1000
PIECE_S = 0.02


class Upstream:
    """``http_url``: /hello, /echo (POST), /stream (endless). ``tcp_url``: echoes, then sends bytes for ever."""

    def __init__(self):
        self.requests = []

    async def start(self):
        app = web.Application()
        app.router.add_get("/hello", self._hello)
        app.router.add_post("/echo", self._echo)
        app.router.add_get("/stream", self._stream)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.http_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._server = await asyncio.start_server(self._tcp, "127.0.0.1", 0)
        self.tcp_url = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self):
        self._server.close()
        await self._runner.cleanup()

    async def _hello(self, request):
        self.requests.append(dict(request.headers))
        return web.Response(text="hello " + request.raw_path, headers={"X-Service": "yes"})

    async def _echo(self, request):
        return web.Response(body=await request.read())

    async def _stream(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(PIECE)
            await asyncio.sleep(PIECE_S)

    async def _tcp(self, reader, writer):
        try:
            writer.write(b"you said " + await reader.readline())
            while True:
                writer.write(PIECE)
                await writer.drain()
                await asyncio.sleep(PIECE_S)
        except OSError:
            writer.close()
