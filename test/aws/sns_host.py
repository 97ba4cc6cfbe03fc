"""The hosts of SNS that certificates are fetched from, behind a proxy.

    sns_host.py PORT_FILE CERTIFICATE KEY FOLDER

is a proxy on a free port of loopback, written to a file, whose every CONNECT
leads to itself: it goes on by TLS, with the certificate given, and answers a
GET with the file of that name in the folder, or 404.  Each request is a line
in FOLDER/requests: the host that was asked for, and the path.
"""

import os
import socket
import ssl
import sys
import threading


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        got = connection.recv(4096)
        if not got:
            raise OSError("closed")
        head += got
    return head.decode("latin-1").split("\r\n")[0].split()


def answer(connection, path, folder):
    name = os.path.join(folder, os.path.basename(path))
    status, body = "404 Not Found", b""
    if os.path.isfile(name):
        with open(name, "rb") as file:
            status, body = "200 OK", file.read()
    head = (f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n")
    connection.sendall(head.encode() + body)


def serve(connection, context, folder):
    try:
        _, host, _ = read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as tls:
            _, path, _ = read_head(tls)
            with open(os.path.join(folder, "requests"), "a") as log:
                log.write(f"{host} {path}\n")
            answer(tls, path, folder)
    except (OSError, ValueError):
        pass
    finally:
        connection.close()


def main(port_file, certificate, key, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    with open(port_file + ".new", "w") as file:
        file.write(str(listener.getsockname()[1]))
    os.rename(port_file + ".new", port_file)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, context, folder),
                         daemon=True).start()


main(*sys.argv[1:])
