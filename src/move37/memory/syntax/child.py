"""The child process: sources in as JSON, normal forms out as JSON. Limits itself before it reads.

Parsing hostile text can exhaust the interpreter: nesting overflows its stack, and a dotted import
of 100,000 names takes half a minute and gigabytes (measured, Python 3.11). Here that ends this
child and nothing else.
"""

from __future__ import annotations

import json
import resource
import sys

from move37.memory.syntax.canonical import normal_form

MEMORY_BYTES = 2**29
CPU_SECONDS = 5  # assumed: several hundred times the longest honest layer
DEPTH = 3000
"""Python frames: an expression nested deeper than a few hundred is refused."""


def main() -> None:
    """Answer one request, a list of sources, with a list of forms or reasons."""
    sources = json.load(sys.stdin)
    seconds = CPU_SECONDS + len(sources)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(DEPTH)
    json.dump([_answer(source) for source in sources], sys.stdout)


def _answer(source: str) -> dict[str, object]:
    try:
        form = normal_form(source)
    except (SyntaxError, ValueError) as error:
        return {"problem": f"does not parse: {error}"[:300]}
    except (RecursionError, MemoryError):
        return {"problem": "is nested too deep or is too large to parse"}
    return {"digest": form.digest, "sketch": form.sketch}


if __name__ == "__main__":
    main()
