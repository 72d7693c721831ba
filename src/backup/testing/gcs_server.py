#!/usr/bin/env python3
"""A small object store that speaks as much of Google Cloud Storage's JSON as pgBackRest asks for, in memory, by TLS.

gcs_server.py PORT_FILE CERT KEY BUCKET TOKEN: writes the port that it listens on (on 127.0.0.1) to PORT_FILE, and
serves until it is killed. Every request must bear the token, or be a part of an upload that did; else it is refused:
401 as the true one does. Only one object is removed at a time: pgBackRest 2.45 does no more.
"""
import base64
import hashlib
import json
import re
import sys
import urllib.parse
from datetime import datetime, timezone

from object_store import Store, listed, objects, serve

PORT_FILE, CERT, KEY, BUCKET, TOKEN = sys.argv[1:6]
uploads = {}  # id -> [name, content]


class Gcs(Store):
    def refuse(self, code, text):
        self.answer(code, json.dumps({"error": {"code": code, "message": text}}))

    def is_allowed(self, path, query, words):
        if self.headers.get("authorization") != f"Bearer {TOKEN}" and words.get("upload_id") not in uploads:
            self.refuse(401, "the token is not known here")
        elif not re.match(rf"(/upload)?/storage/v1/b/{re.escape(BUCKET)}/o(/|$)", path):
            self.refuse(404, "there is no such bucket")
        else:
            return True
        return False

    @staticmethod
    def name_of(path):
        return urllib.parse.unquote(path.partition("/o/")[2])

    @staticmethod
    def facts_of(name):
        body, stamp = objects[name]
        return {"name": name, "size": str(len(body)), "updated": stamp,
                "md5Hash": base64.b64encode(hashlib.md5(body).digest()).decode()}

    def store(self, name, body):
        objects[name] = (body, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        self.answer(200, json.dumps(self.facts_of(name)))

    def on_get(self, path, words):
        name = self.name_of(path)
        if not name:
            return self.list(words)
        if name not in objects:
            return self.refuse(404, "there is no such object")
        if words.get("alt") == "media":
            return self.answer_content(objects[name][0], [])
        return self.answer(200, json.dumps(self.facts_of(name)))

    on_head = on_get

    def list(self, words):
        rows, more = listed(words.get("prefix", ""), words.get("delimiter", ""), int(words.get("pageToken") or 0))
        answer = {"items": [self.facts_of(name) for name, is_folder in rows if not is_folder],
                  "prefixes": [name for name, is_folder in rows if is_folder]}
        if more:
            answer["nextPageToken"] = str(more)
        self.answer(200, json.dumps(answer))

    def on_post(self, path, words):
        if words.get("uploadType") == "media":
            return self.store(words["name"], self.body)
        number = str(len(uploads) + 1)
        uploads[number] = [words["name"], b""]
        return self.answer(200, headers=[("x-guploader-uploadid", number)])

    def on_put(self, path, words):
        """A part of a large one: "bytes 0-9/*" while more follow, "bytes 10-14/15" with the last."""
        upload = uploads[words["upload_id"]]
        upload[1] += self.body
        if self.headers.get("content-range", "").endswith("/*"):
            return self.answer(308, headers=[("range", f"bytes=0-{len(upload[1]) - 1}")])
        return self.store(*upload)

    def on_delete(self, path, words):
        found = objects.pop(self.name_of(path), None)
        return self.answer(204) if found else self.refuse(404, "there is no such object")


serve(Gcs, PORT_FILE, CERT, KEY)
