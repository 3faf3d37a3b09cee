"""The table server with numpy: the table is an array, and /check also multiplies a matrix that was made at the start.

GET /check has one more field, "product": the sum of all elements of M @ M, where M[i, j] = (31 i + 17 j) mod 10 and
i, j < 300; all numbers in between are whole and exact in 64-bit floats.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

ENTRIES = 100_000
SIZE = 300

table = np.arange(ENTRIES, dtype=np.uint32) * np.uint32(2654435761)
weights = np.arange(ENTRIES, dtype=np.uint32) % 7 + 1
rows, columns = np.indices((SIZE, SIZE))
matrix = ((31 * rows + 17 * columns) % 10).astype(np.float64)
requests = 0


def answer(path: str) -> tuple[int, dict]:
    global requests
    url = urlsplit(path)
    requests += 1
    common = {"program": "numpy", "requests": requests}
    if url.path == "/check":
        checksum = int((table.astype(np.uint64) * weights).sum() % (1 << 32))
        return 200, common | {"checksum": checksum, "product": int((matrix @ matrix).sum())}
    n = parse_qs(url.query).get("n", [""])[0]
    if url.path == "/value" and n.isascii() and n.isdigit() and int(n) < ENTRIES:
        return 200, common | {"n": int(n), "value": int(table[int(n)])}
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
