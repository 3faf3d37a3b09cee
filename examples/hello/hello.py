"""Says where it runs: the smallest program worth a container."""

import os
import socket
import sys

print(f"hello from {socket.gethostname()} pid {os.getpid()}")
print("arguments:", *sys.argv[1:])
