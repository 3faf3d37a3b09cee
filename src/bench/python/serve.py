"""A small HTTP server, Python's own, with a table in memory.

serve.py [MEGABYTES]   listens on port 8000; GET / is answered with a number that counts the requests
"""

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8000
PAGE = 4096


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # One segment for head and body.
    count = 0

    def do_GET(self):
        Handler.count += 1
        body = f"{Handler.count}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # One line a request is noise here.


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def server_bind(self):
        # The usual one asks for the host's full name, which a container without a network waits for.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", PORT


def main():
    table = bytearray(int(sys.argv[1]) << 20 if len(sys.argv) > 1 else 0)
    table[::PAGE] = b"\x01" * (len(table) // PAGE)
    Server(("0.0.0.0", PORT), Handler).serve_forever()


main()
