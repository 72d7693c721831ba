#!/usr/bin/env python3
"""A small object store that speaks as much of S3 as pgBackRest asks for, in memory, by TLS.

s3_server.py PORT_FILE CERT KEY BUCKET ACCESS_KEY SECRET_KEY: writes the port that it listens on (on
127.0.0.1) to PORT_FILE, and serves until it is killed. Every request must be signed (AWS signature
version 4) and its body be what was signed, else it is refused: 403 as S3 does.
"""
import hashlib
import hmac
import sys
import urllib.parse
from email.utils import formatdate
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from object_store import Store, listed, objects, serve

PORT_FILE, CERT, KEY, BUCKET, ACCESS, SECRET = sys.argv[1:7]
uploads = {}


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class S3(Store):
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

    def is_allowed(self, path, query, words):
        if not self.is_signed(path, query):
            self.refuse(403, "SignatureDoesNotMatch", "the request is not signed as it should be")
        elif urllib.parse.unquote(path).split("/")[1] != BUCKET:
            self.refuse(404, "NoSuchBucket", "there is no such bucket")
        else:
            return True
        return False

    @staticmethod
    def name_of(path):
        return urllib.parse.unquote(path).lstrip("/").partition("/")[2]

    def on_get(self, path, words):
        name = self.name_of(path)
        if not name:
            return self.list(words)
        if name not in objects:
            return self.refuse(404, "NoSuchKey", "there is no such object")
        body, stamp = objects[name]
        return self.answer_content(body, [("last-modified", stamp), ("etag", f'"{hashlib.md5(body).hexdigest()}"')])

    on_head = on_get

    def list(self, words):
        start = int(words.get("continuation-token", 0))
        rows, more = listed(words.get("prefix", ""), words.get("delimiter", ""), start)
        text = "".join(
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" if is_folder else
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-11-23T00:00:00.000Z</LastModified>"
            f"<Size>{len(objects[name][0])}</Size></Contents>" for name, is_folder in rows)
        next_page = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
        self.answer(200, f"<?xml version='1.0'?><ListBucketResult><IsTruncated>{str(bool(more)).lower()}</IsTruncated>"
                         f"{text}{next_page}</ListBucketResult>")

    def on_put(self, path, words):
        tag = f'"{hashlib.md5(self.body).hexdigest()}"'
        if "uploadId" in words:
            uploads[words["uploadId"]][int(words["partNumber"])] = self.body
        else:
            objects[self.name_of(path)] = (self.body, formatdate(usegmt=True))
        self.answer(200, headers=[("etag", tag)])

    def on_post(self, path, words):
        name = self.name_of(path)
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

    def on_delete(self, path, words):
        objects.pop(self.name_of(path), None)
        self.answer(204)


serve(S3, PORT_FILE, CERT, KEY)
