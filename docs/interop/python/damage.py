"""Changes files for against_command.py."""

from decrypt import MAGIC, crc32c


def flipped(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def sequence(parts):
    framed = [bytes([kind]) + body for kind, body in parts]
    return MAGIC + b"".join(len(f).to_bytes(4, "big") + crc32c(f).to_bytes(4, "big") + f for f in framed)


def split_records(data):
    at, found = len(MAGIC), []
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 8], data[at + 9 : end]))
        at = end
    return found


def change_line(line):
    """A line with the key k, changed in each way that section 9 has a rule for; some changes are allowed."""
    value = line[line.index(b'"value') : -1]
    return {
        "mark and blank lines": b"\xef\xbb\xbf\n" + line + b"\n \t\r\n",
        "unknown field": line[:-1] + b',"more":1}',
        "field twice": line[:-1] + b',"key":"k"}',
        "two spellings": line[:-1] + b',"key64":"aw=="}',
        "two objects": line + line,
        "an array": b"[" + line + b"]",
        "no value": b'{"key":"k"}',
        "capital field": line.replace(b"key", b"Key"),
        "another base64": b'{"key64":"ax==",' + value + b"}",
        "line in base64": b'{"key64":"aw\\n==",' + value + b"}",
        "key as an object": b'{"key":{"b64":"aw=="},' + value + b"}",
        "half a pair": b'{"key":"\\ud800",' + value + b"}",
        "not UTF-8": b'{"key":"\xff",' + value + b"}",
        "headers": line[:-1] + b',"headers":[["a","b"],["c",null],[{"b64":"/w=="},{"b64":"/w=="}]]}',
        "header of three": line[:-1] + b',"headers":[["a","b","c"]]}',
        "header without name": line[:-1] + b',"headers":[[null,"b"]]}',
        "header named in two ways": line[:-1] + b',"headers":[[{"b64":"/w==","b64":"/w=="},"b"]]}',
        "headers as an object": line[:-1] + b',"headers":{}}',
        "null headers": line[:-1] + b',"headers":null}',
        **{
            "time " + t: line[:-1] + b',"time":"' + t.encode() + b'"}'
            for t in (
                "2024-02-29T00:00:00.9999+01:30 2024-02-30T00:00:00Z 2024-01-01t00:00:00z 2024-01-01T24:00:00Z"
                " 2024-01-01T00:00:60Z 2024-1-01T00:00:00Z 2024-01-01T00:00:00 1969-12-31T23:59:59.9999Z"
            ).split()
        },
        "empty time": line[:-1] + b',"time":""}',
    }
