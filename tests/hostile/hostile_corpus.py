"""The hostile corpus as data: one candidate a file, its first line says how it may end.

`# ends: ` is followed by alternatives, separated by commas:

    refused                 `check_source` refuses the text
    probe_failed a, b       the report fails, and fails at least in all of these probes
    crashed, diverged, out_of_time, out_of_memory, forged      that Outcome, probing or in a trial
    completed honest        completes, with exactly the scores of its honest twin
    completed no better     completes, with scores no better than its honest twin's
    completed costly        completes, at more processor time than its honest twin
    any                     whatever happens to it, nothing happens to anyone else

A file without a class of its own gets the honest layer of `honest.py.txt` appended.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
HONEST = (FOLDER / "honest.py.txt").read_text(encoding="utf-8")
ENDINGS = (
    "refused",
    "crashed",
    "diverged",
    "out_of_time",
    "out_of_memory",
    "forged",
    "completed honest",
    "completed no better",
    "completed costly",
    "any",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """One hostile candidate and how it may end."""

    name: str
    source: str
    endings: frozenset[str]
    """Members of ENDINGS; `probe_failed` when `probes` is not empty."""
    probes: frozenset[str] = frozenset()
    """Probes that must be among the failed ones where it ends `probe_failed`."""


def read_attacks() -> list[Attack]:
    """Return the corpus in the order of its names."""
    return [_read(path) for path in sorted(FOLDER.rglob("*.py.txt"))]


def _read(path: Path) -> Attack:
    text = path.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    if not first.startswith("# ends: "):
        raise ValueError(f"{path.name}: the first line must be '# ends: ...', got {first!r}")
    endings, probes = set(), set()
    for word in first.removeprefix("# ends: ").split(", "):
        if word.startswith("probe_failed "):
            endings.add("probe_failed")
            probes.add(word.removeprefix("probe_failed "))
        elif word in ENDINGS:
            endings.add(word)
        elif "probe_failed" in endings:
            probes.add(word)
        else:
            raise ValueError(f"{path.name}: {word!r} is none of {', '.join(ENDINGS)}")
    return Attack(
        name=str(path.relative_to(FOLDER)).removesuffix(".py.txt"),
        source=text if "Mixer" in text else text + "\n" + HONEST,
        endings=frozenset(endings),
        probes=frozenset(probes),
    )


def generated_attacks() -> list[Attack]:
    """Return the texts that no repository should hold."""
    texts = {
        "null_byte": (HONEST + "\0", "refused"),
        "hundred_megabyte_line": ("x = '" + "y" * 100_000_000 + "'\n" + HONEST, "refused"),
        "lone_surrogate": (HONEST + "# \udcff\n", "refused"),
        "million_nested_brackets": ("x = " + "[" * 1_000_000 + "]" * 1_000_000, "refused"),
        "nested_brackets": (HONEST + "x = " + "[" * 150_000 + "]" * 150_000, "contract"),
        "nested_minus_signs": (HONEST + "x = " + "-" * 350_000 + "1", "contract"),
        "nested_parentheses_of_calls": (HONEST + "x = " + "f(" * 90 + ")" * 90, "contract"),
        "nested_blocks": (
            "".join(" " * i + "if 1:\n" for i in range(600)) + " " * 600 + "pass\n" + HONEST,
            "contract",
        ),
        "long_chain_of_sums": (HONEST + "x = " + "1+" * 190_000 + "1", "contract"),
    }
    return [
        Attack(
            name=f"generated/{name}",
            source=source,
            endings=frozenset({"refused"} if end == "refused" else {"probe_failed", "crashed"}),
            probes=frozenset() if end == "refused" else frozenset({end}),
        )
        for name, (source, end) in texts.items()
    ]
