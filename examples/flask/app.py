"""A lookup service that is slow to start: it builds a table of a million entries before it listens.

GET /?key=N     {"value": N}; 404 for a key that is not there, 400 for a missing or malformed one
GET /health     {"status": "ok"}
"""

import logging
import os

from flask import Flask, jsonify, request
from werkzeug.serving import make_server

ENTRIES = 1_000_000

app = Flask(__name__)
table = {str(number): number for number in range(ENTRIES)}


def problem(status: int, message: str):
    """An error answer in the same form as a good one."""
    return jsonify(error=message), status


@app.get("/")
def look_up():
    key = request.args.get("key", "")
    if not (key.isascii() and key.isdigit()):
        return problem(400, f"expected ?key=N with a whole number from 0 to {ENTRIES - 1}")
    value = table.get(key)
    if value is None:
        return problem(404, f"no key {key}: expected 0 to {ENTRIES - 1}")
    return jsonify(value=value)


@app.get("/health")
def health():
    return jsonify(status="ok")


@app.errorhandler(404)
def no_such_page(_error):
    return problem(404, "no such page: expected / or /health")


@app.errorhandler(405)
def wrong_method(_error):
    return problem(405, f"expected GET, got {request.method}")


def main() -> None:
    # One line a request is noise here; warnings still come through.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    port = int(os.environ.get("PORT", "8000"))
    server = make_server("0.0.0.0", port, app, threaded=True)
    print(f"ready: {len(table)} entries, port {port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
