"""The JSON lines of README, read and written.

README says no more of header names and values that are not UTF-8, of base64, and of a time that is not
known than what stands here was guessed from: {"b64": ".."}, the padded standard alphabet, and no field.
"""

import base64
import datetime
import json

from decode import Fault

NO_TIME = -62135596800000  # 0001-01-01T00:00:00Z in unix milliseconds: how a sequence says that there is none


def parse(line: bytes) -> tuple[bytes | None, list, str | None, bytes | None, bytes | None]:
    """Key, headers, time, subject and value of a line."""
    try:
        fields = json.loads(line)
        headers = [[binary(name), binary(value)] for name, value in fields.get("headers") or []]
        key, subject, value = (member(fields, name) for name in ("key", "subject", "value"))
        return key, headers, fields.get("time"), subject, value
    except (ValueError, TypeError, AttributeError, KeyError):
        raise Fault("malformed") from None


def member(fields: dict, name: str) -> bytes | None:
    if name + "64" in fields:
        return base64.b64decode(fields[name + "64"], validate=True)
    return binary(fields["value"] if name == "value" else fields.get(name))


def binary(value) -> bytes | None:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    return None if value is None else value.encode()


def dump(key: bytes | None, headers: list, time: str | int | None, subject: bytes | None, value: bytes | None) -> bytes:
    """The line of a message."""
    fields = {} if key is None else named("key", key)
    fields |= named("value", value)
    if headers:
        fields["headers"] = [[text(part) for part in header] for header in headers]
    if isinstance(time, int):
        time = rfc3339(time)
    if time is not None:
        fields["time"] = time
    if subject is not None:
        fields |= named("subject", subject)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def named(name: str, data: bytes | None) -> dict:
    encoded = text(data)
    return {name + "64": encoded["b64"]} if isinstance(encoded, dict) else {name: encoded}


def text(data: bytes | None) -> str | dict | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(data).decode()}


def rfc3339(ms: int) -> str | None:
    if ms == NO_TIME:
        return None
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    except OverflowError:
        raise Fault("malformed") from None
    whole, _, fraction = moment.isoformat(timespec="milliseconds").partition(".")
    fraction = fraction.rstrip("0")
    return whole + (f".{fraction}Z" if fraction else "Z")
