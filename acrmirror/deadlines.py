"""How long an answer is waited for, whoever is asked: what is cut short sooner is cut by `cancel`."""

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection is made."""
READ_TIMEOUT = 20.0
"""Seconds without a byte, or with fewer than `LEAST_PROGRESS` of them."""
LEAST_PROGRESS = 64 * 1024
"""Bytes of an answer that have to arrive within `READ_TIMEOUT`, again and again until it is whole."""
ANSWER_SECONDS = 120.0
"""Within which an answer that is not a blob has to be whole, however steadily it comes."""
