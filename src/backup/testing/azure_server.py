#!/usr/bin/env python3
"""A small object store that speaks as much of Azure's blob service as pgBackRest asks for, in memory, by TLS.

azure_server.py PORT_FILE CERT KEY CONTAINER ACCOUNT ACCOUNT_KEY: writes the port that it listens on (on 127.0.0.1) to
PORT_FILE, and serves until it is killed. Paths are /ACCOUNT/CONTAINER/NAME. Every request must be signed with the
account's key ("Shared Key"), else it is refused: 403 as Azure does.
"""
import base64
import hashlib
import hmac
import sys
import urllib.parse
from email.utils import formatdate
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from object_store import Store, listed, objects, serve

PORT_FILE, CERT, KEY, CONTAINER, ACCOUNT, SECRET = sys.argv[1:7]
SIGNED = ["content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
          "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"]
blocks = {}


class Azure(Store):
    def refuse(self, code, word):
        self.answer(code, f"<?xml version='1.0'?><Error><Code>{word}</Code><Message>{word}</Message></Error>")

    def signature(self, path, words):
        """Of what arrived, computed anew (Azure's manual, "Authorize with Shared Key")."""
        values = [self.headers.get(name, "").strip() for name in SIGNED]
        if values[2] == "0":
            values[2] = ""  # an empty body has no length there
        ours = sorted((name.lower(), value.strip()) for name, value in self.headers.items()
                      if name.lower().startswith("x-ms-"))
        resource = f"/{ACCOUNT}{path}" + "".join(f"\n{name}:{words[name]}" for name in sorted(words))
        text = "\n".join([self.command, *values, *(f"{name}:{value}" for name, value in ours), resource])
        return base64.b64encode(hmac.new(base64.b64decode(SECRET), text.encode(), hashlib.sha256).digest()).decode()

    def is_allowed(self, path, query, words):
        if self.headers.get("authorization") != f"SharedKey {ACCOUNT}:{self.signature(path, words)}":
            self.refuse(403, "AuthenticationFailed")
        elif urllib.parse.unquote(path).split("/")[1:3] != [ACCOUNT, CONTAINER]:
            self.refuse(404, "ContainerNotFound")
        else:
            return True
        return False

    @staticmethod
    def name_of(path):
        return urllib.parse.unquote(path).lstrip("/").partition("/")[2].partition("/")[2]

    def on_get(self, path, words):
        if words.get("comp") == "list":
            return self.list(words)
        name = self.name_of(path)
        if name not in objects:
            return self.refuse(404, "BlobNotFound")
        body, stamp = objects[name]
        tag = hashlib.md5(body).hexdigest()
        return self.answer_content(body, [("last-modified", stamp), ("etag", tag)])

    on_head = on_get

    def list(self, words):
        rows, more = listed(words.get("prefix", ""), words.get("delimiter", ""), int(words.get("marker") or 0))
        text = "".join(
            f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" if is_folder else
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{objects[name][1]}</Last-Modified>"
            f"<Content-Length>{len(objects[name][0])}</Content-Length></Properties></Blob>"
            for name, is_folder in rows)
        self.answer(200, f"<?xml version='1.0'?><EnumerationResults><Blobs>{text}</Blobs>"
                         f"<NextMarker>{more or ''}</NextMarker></EnumerationResults>")

    def on_put(self, path, words):
        name = self.name_of(path)
        if words.get("comp") == "block":
            blocks[name, words["blockid"]] = self.body
        elif words.get("comp") == "blocklist":
            ids = [element.text for element in ElementTree.fromstring(self.body) if element.text]
            objects[name] = (b"".join(blocks.pop((name, one)) for one in ids), formatdate(usegmt=True))
        elif self.headers.get("x-ms-blob-type") == "BlockBlob":
            objects[name] = (self.body, formatdate(usegmt=True))
        else:
            return self.refuse(400, "InvalidHeaderValue")
        return self.answer(201, headers=[("etag", "x")])

    def on_delete(self, path, words):
        found = objects.pop(self.name_of(path), None)
        return self.answer(202) if found else self.refuse(404, "BlobNotFound")


serve(Azure, PORT_FILE, CERT, KEY)
