"""What the small object stores for the tests share: HTTP by TLS on 127.0.0.1, objects in memory, names in pages."""
import os
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = 20  # names in one answer: a list of a real repository has to be continued
objects = {}  # name -> (content, when it was written)
lock = threading.Lock()


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: else each answer waits for a delayed acknowledgement
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, code, body=b"", headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_content(self, body, headers):
        """The part that was asked for, or all of it."""
        asked = self.headers.get("x-ms-range") or self.headers.get("range")
        if not asked:
            return self.answer(200, body, headers)
        first, _, last = asked.partition("=")[2].partition("-")
        return self.answer(206, body[int(first):int(last) + 1 if last else None], headers)

    def serve(self):
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        words = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        with lock:
            if self.is_allowed(path, query, words):
                getattr(self, "on_" + self.command.lower())(path, words)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve


def listed(prefix, delimiter, start):
    """A page of names and folders, sorted, and where the next one begins (None: it was the last)."""
    found, folders = [], set()
    for key in sorted(objects):
        rest = key[len(prefix):]
        if not key.startswith(prefix):
            continue
        if delimiter and delimiter in rest:
            folders.add(prefix + rest.split(delimiter)[0] + delimiter)
        else:
            found.append(key)
    rows = [(key, False) for key in found] + [(folder, True) for folder in sorted(folders)]
    more = start + PAGE < len(rows)
    return rows[start:start + PAGE], start + PAGE if more else None


def serve(handler, port_file, cert, key):
    """Writes the port to port_file and serves until it is killed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    with open(port_file + ".new", "w", encoding="ascii") as file:
        file.write(str(server.server_address[1]))
    os.rename(port_file + ".new", port_file)
    server.serve_forever()
