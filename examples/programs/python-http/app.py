"""The table server with nothing but the standard library: http.server, a thread a connection."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MODULUS = 1 << 32
ENTRIES = 100_000

table = [i * 2654435761 % MODULUS for i in range(ENTRIES)]
requests = 0


def answer(path: str) -> tuple[int, dict]:
    global requests
    url = urlsplit(path)
    requests += 1
    common = {"program": "python-http", "requests": requests}
    if url.path == "/check":
        return 200, common | {"checksum": sum(value * (i % 7 + 1) for i, value in enumerate(table)) % MODULUS}
    n = parse_qs(url.query).get("n", [""])[0]
    if url.path == "/value" and n.isascii() and n.isdigit() and int(n) < ENTRIES:
        return 200, common | {"n": int(n), "value": table[int(n)]}
    return 404, {"error": f"expected /check or /value?n=N with N from 0 to {ENTRIES - 1}"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, content = answer(self.path)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
