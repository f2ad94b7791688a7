"""Vectors that a reader must refuse, and the word for each."""

import negative_bound
import negative_chunked
import negative_coded
import negative_crypto
import negative_encoding
import negative_format
import negative_headers
import negative_kinds
import negative_recipients
import negative_records
import negative_signed
from case import Case

PARTS = (
    negative_format,
    negative_encoding,
    negative_headers,
    negative_kinds,
    negative_recipients,
    negative_chunked,
    negative_crypto,
    negative_records,
    negative_bound,
    negative_signed,
    negative_coded,
)


def cases() -> list[Case]:
    return [case for part in PARTS for case in part.cases()]
