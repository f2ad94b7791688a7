"""Reads and writes messages as lines of JSON: docs/envelope.md, section 9, ndjson."""

import base64
import datetime
import json
import re

from envelope import Refused, must

FIELDS = "key", "value", "subject"
NAMES = {"headers", "time", *FIELDS, *(n + "64" for n in FIELDS)}
TIME = r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"


def parse_line(line):
    try:
        fields = json.loads(line.decode(), object_pairs_hook=unique)
        must({*fields} <= NAMES and ("value" in fields or "value64" in fields))
        must(not any(n in fields and n + "64" in fields for n in FIELDS))
        pairs = [] if fields.get("headers") is None else fields["headers"]
        must(isinstance(pairs, list) and all(isinstance(p, list) for p in pairs))
        headers = [(text(n), text(v)) for n, v in pairs]
        must(all(n is not None for n, _ in headers))
        key, value, subject = (
            from_base64(fields[n + "64"]) if n + "64" in fields else text(fields.get(n), False) for n in FIELDS
        )
        return key, headers, parse_time(fields.get("time")), subject, value
    except (ValueError, TypeError, AttributeError, KeyError):
        raise Refused("malformed") from None


def unique(pairs):
    must(len(dict(pairs)) == len(pairs))
    return dict(pairs)


def parse_time(when):
    if when is None:
        return None
    must(re.fullmatch(TIME, when))
    moment, epoch = datetime.datetime.fromisoformat(when), datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (moment - epoch) // datetime.timedelta(milliseconds=1)


def from_base64(value):
    data = base64.b64decode(value, validate=True)
    must(base64.b64encode(data).decode() == value)
    return data


def text(value, may_be_object=True):
    if isinstance(value, dict) and may_be_object:
        must(len(value) == 1)
        return from_base64(value["b64"])
    return None if value is None else value.encode()


def format_line(key, headers, when, subject, value):
    def put(name, data):
        shown = show(data)
        return {name + "64": shown["b64"]} if isinstance(shown, dict) else {name: shown}

    fields = (put("key", key) if key is not None else {}) | put("value", value)
    fields |= {"headers": [[show(n), show(v)] for n, v in headers]} if headers else {}
    if when is not None:
        try:
            moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=when)
        except OverflowError:
            raise Refused("malformed") from None
        fields["time"] = moment.isoformat(timespec="milliseconds" if when % 1000 else "seconds") + "Z"
    fields |= put("subject", subject) if subject is not None else {}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def show(data):
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(data).decode()}
