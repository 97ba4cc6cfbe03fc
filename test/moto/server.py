"""server.py PORT: moto's services on a port of loopback."""

import sys

from moto.server import main

main(["-H", "127.0.0.1", "-p", sys.argv[1]])
