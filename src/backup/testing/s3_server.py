#!/usr/bin/env python3
"""A small object store that speaks as much of S3 as pgBackRest asks for, in memory, by TLS.

s3_server.py PORT_FILE CERT KEY BUCKET ACCESS_KEY SECRET_KEY: writes the port that it listens on (on
127.0.0.1) to PORT_FILE, and serves until it is killed. Every request must be signed (AWS signature
version 4) and its body be what was signed, else it is refused: 403 as S3 does.
"""
import hashlib
import hmac
import os
import ssl
import sys
import threading
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree
from xml.sax.saxutils import escape

PORT_FILE, CERT, KEY, BUCKET, ACCESS, SECRET = sys.argv[1:7]
PAGE = 20  # names in one answer: a list of a real repository has to be continued
objects = {}
uploads = {}
lock = threading.Lock()


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: else each answer waits for a delayed acknowledgement
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, code, body=b"", headers=(), length=None):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, code, word, text):
        self.answer(code, f"<?xml version='1.0'?><Error><Code>{word}</Code><Message>{text}</Message></Error>")

    def is_signed(self, path, query):
        """The signature of what arrived, computed anew."""
        given = dict(part.strip().split("=", 1)
                     for part in self.headers.get("authorization", "").partition(" ")[2].split(",") if "=" in part)
        scope = given.get("Credential", "").split("/")
        if len(scope) != 5 or scope[0] != ACCESS:
            return False
        body_hash = hashlib.sha256(self.body).hexdigest()
        names = given.get("SignedHeaders", "")
        headers = "".join(f"{name}:{self.headers.get(name, '').strip()}\n" for name in names.split(";"))
        canonical = "\n".join([self.command, path, "&".join(sorted(query.split("&"))), headers, names, body_hash])
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers.get("x-amz-date", ""), "/".join(scope[1:]),
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + SECRET).encode()
        for part in scope[1:]:
            key = sign(key, part)
        return hmac.compare_digest(sign(key, text).hex(), given.get("Signature", ""))

    def serve(self):
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        if not self.is_signed(path, query):
            return self.refuse(403, "SignatureDoesNotMatch", "the request is not signed as it should be")
        bucket, _, name = urllib.parse.unquote(path).lstrip("/").partition("/")
        if bucket != BUCKET:
            return self.refuse(404, "NoSuchBucket", "there is no such bucket")
        words = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        with lock:
            return getattr(self, "on_" + self.command.lower())(name, words)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

    def on_get(self, name, words):
        if not name:
            return self.list(words)
        if name not in objects:
            return self.refuse(404, "NoSuchKey", "there is no such object")
        body, stamp = objects[name]
        headers = [("last-modified", stamp), ("etag", f'"{hashlib.md5(body).hexdigest()}"')]
        if self.headers.get("range"):
            first, _, last = self.headers["range"].partition("=")[2].partition("-")
            part = body[int(first):int(last) + 1 if last else None]
            return self.answer(206, part, headers)
        return self.answer(200, body, headers)

    on_head = on_get

    def list(self, words):
        prefix, delimiter = words.get("prefix", ""), words.get("delimiter", "")
        found, folders = [], set()
        for key in sorted(objects):
            rest = key[len(prefix):]
            if not key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                found.append(key)
        rows = [f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-23T00:00:00.000Z</LastModified>"
                f"<Size>{len(objects[key][0])}</Size></Contents>" for key in found]
        rows += [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders)]
        start = int(words.get("continuation-token", 0))
        more = start + PAGE < len(rows)
        next_page = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        self.answer(200, f"<?xml version='1.0'?><ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>"
                         f"{''.join(rows[start:start + PAGE])}{next_page}</ListBucketResult>")

    def on_put(self, name, words):
        tag = f'"{hashlib.md5(self.body).hexdigest()}"'
        if "uploadId" in words:
            uploads[words["uploadId"]][int(words["partNumber"])] = self.body
        else:
            objects[name] = (self.body, formatdate(usegmt=True))
        self.answer(200, headers=[("etag", tag)])

    def on_post(self, name, words):
        if "delete" in words:
            for element in ElementTree.fromstring(self.body).iter():
                if element.tag.endswith("Key"):
                    objects.pop(element.text, None)
            return self.answer(200, "<?xml version='1.0'?><DeleteResult></DeleteResult>")
        if "uploads" in words:
            number = str(len(uploads) + 1)
            uploads[number] = {}
            return self.answer(200, f"<?xml version='1.0'?><InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket>"
                                    f"<Key>{escape(name)}</Key><UploadId>{number}</UploadId></InitiateMultipartUploadResult>")
        parts = uploads[words["uploadId"]]
        objects[name] = (b"".join(parts[i] for i in sorted(parts)), formatdate(usegmt=True))
        return self.answer(200, f"<?xml version='1.0'?><CompleteMultipartUploadResult><Bucket>{BUCKET}</Bucket>"
                                f"<Key>{escape(name)}</Key><ETag>\"x\"</ETag></CompleteMultipartUploadResult>")

    def on_delete(self, name, words):
        objects.pop(name, None)
        self.answer(204)


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
server.daemon_threads = True
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(CERT, KEY)
server.socket = tls.wrap_socket(server.socket, server_side=True)
with open(PORT_FILE + ".new", "w", encoding="ascii") as file:
    file.write(str(server.server_address[1]))
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
