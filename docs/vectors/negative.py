"""Vectors that a reader must refuse, and the word for each."""

import negative_chunked
import negative_crypto
import negative_format
import negative_headers
import negative_recipients
from case import Case


def negatives() -> list[Case]:
    parts = (negative_format, negative_headers, negative_recipients, negative_chunked, negative_crypto)
    return [case for part in parts for case in part.cases()]
