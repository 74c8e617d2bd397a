"""Why something gave nothing, in few words: so that reasons can be counted."""

from __future__ import annotations

import re

QUOTED = re.compile(r"""(?<!\w)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!\w)""")
NUMBER = re.compile(r"\d+")
LAST = "; last: "
"""Before what was wrong with the last reply of a conversation that was given up."""
LONGEST = 60


def in_short(reason: str) -> str:
    """Return a reason without what differs from one reply to the next: quotations and numbers.

    Of a conversation that was given up, what was wrong with its last reply.

    >>> in_short("no usable reply: 2 retries; last: the code does not parse: line 7: 'x y'")
    'the code does not parse: line N'
    """
    line = " ".join(reason.rpartition(LAST)[2].split())
    line = NUMBER.sub("N", QUOTED.sub("", line))
    return line[:LONGEST].rstrip(" :;,.([") or "no reason given"
