"""Adds pauses to a recording (asciicast v2), so that people can read it.

The recording is that of a run as fast as it is. A chapter of the demo begins
with an empty line: there the recording stops a while, and at its end.
"""

import json
import sys

PAUSE = 1.6  # seconds

header, *events = sys.stdin.read().splitlines()
print(header)
added = 0.0
for event in events:
    time, kind, text = json.loads(event)
    for i, part in enumerate(text.split("\r\n\r\n")):
        if i > 0:
            added += PAUSE
            part = "\r\n\r\n" + part
        print(json.dumps([time + added, kind, part]))
print(json.dumps([time + added + 2 * PAUSE, "o", ""]))
