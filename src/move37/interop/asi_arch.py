"""Read what ASI-Arch published: `tree.json` (every record) and `106.json` (its gallery).

Total: any JSON gives records and a list of what was odd, or one clear refusal. Facts about the real
files: numbers come as text, NaN occurs, names repeat, numbers of records are missing, and so may a
parent be.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from move37.core.candidate import check_source
from move37.core.errors import ConfigError, SourceError
from move37.interop import cells
from move37.interop.drawings import sanitised

TREE_FILES = ("tree.json", "asi-arch-tree.json")
GALLERY_FILES = ("106.json",)
MAX_BYTES = 512 * 2**20
MAX_RECORDS = 20_000  # measured: the 1,772 real ones take 14 s to write on a busy core
MAX_WORDS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """One record of the ancestor's data base, as far as it is published."""

    number: int
    name: str
    display_name: str = ""
    parent: int | None = None
    """None for a root, and where the parent is not among the records: see `oddities`."""
    score: float | None = None
    program: str = ""
    motivation: str = ""
    summary: str = ""
    n_parameters: int = 0
    curve: tuple[tuple[int, float], ...] = ()
    results: Mapping[str, float] | None = None
    picture: str = ""
    """The drawing, reduced to shapes and words; see `drawings`."""
    oddities: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Everything that was read from a folder, by rising number."""

    records: tuple[Published, ...]
    files: tuple[str, ...]
    remarks: tuple[str, ...]
    """What was odd about the whole."""


def read_folder(folder: Path) -> Reading:
    """Read tree.json and 106.json from a folder, whichever are there; or one such file.

    Raises:
        ConfigError: neither is there, or a file is not what it should be.
    """
    tree_file, gallery_file = _find(folder)
    raw_tree = _list_of(_load(tree_file), tree_file) if tree_file else []
    raw_gallery = _list_of(_load(gallery_file), gallery_file) if gallery_file else []
    remarks: list[str] = []
    tree, unnumbered = _by_number(map(read_record, raw_tree), remarks)
    gallery, more = _by_number(map(read_record, raw_gallery), remarks)
    for record in gallery.values():
        tree[record.number] = _joined(tree.get(record.number), record)
    for number, record in enumerate([*unnumbered, *more], start=max(tree, default=0) + 1):
        oddities = (*record.oddities, "no number of its own")
        tree[number] = replace(record, number=number, oddities=oddities)
    if not tree:
        raise ConfigError(f"{folder} holds no records: is this the data of ASI-Arch?")
    records = tuple(_with_parent(tree[n], tree) for n in sorted(tree))
    return Reading(
        records=records,
        files=tuple(f.name for f in (tree_file, gallery_file) if f),
        remarks=(*remarks, *_remarks(records)),
    )


def read_record(raw: Any) -> Published | None:
    """Read one record of either file; None for what is no record. Never raises."""
    if not isinstance(raw, dict):
        return None
    number = cells.whole(raw.get("index"))
    oddities = []
    name = cells.text(raw.get("name"), 200).strip()
    program, problem = _program(raw.get("program"))
    if problem:
        oddities.append(problem)
    result = raw.get("result")
    result = result if isinstance(result, dict) else {}
    accuracies, unread = cells.results(result.get("test"))
    if unread:
        oddities.append(f"no number for {', '.join(unread[:12])}")
    loss_curve = cells.curve(result.get("train"))
    score = cells.number(raw.get("score"))
    if score is None:
        oddities.append("no score")
    parent = cells.whole(raw.get("parent"))
    if parent is None and raw.get("parent") not in (None, ""):
        oddities.append("the parent is no number")
    if not name:
        oddities.append("no name")
    picture = sanitised(raw.get("svg_picture"))
    if raw.get("svg_picture") and not picture:
        oddities.append("its picture is no SVG that can be kept")
    return Published(
        number=-1 if number is None else number,
        name=name or (f"record {number}" if number is not None else "unnamed"),
        display_name=cells.text(raw.get("name_new"), 200).strip(),
        parent=parent,
        score=score,
        program=program,
        motivation=cells.text(raw.get("motivation"), MAX_WORDS),
        summary=cells.text(raw.get("summary"), MAX_WORDS),
        n_parameters=cells.size(raw.get("parameters")),
        curve=loss_curve,
        results=accuracies,
        picture=picture,
        oddities=tuple(oddities),
    )


def _find(folder: Path) -> tuple[Path | None, Path | None]:
    if folder.is_file():
        is_gallery = folder.name in GALLERY_FILES
        return (None, folder) if is_gallery else (folder, None)
    if not folder.is_dir():
        raise ConfigError(f"no folder {folder}; give the one that holds tree.json and 106.json")
    places = (folder, folder / "data")

    def first(names: Iterable[str]) -> Path | None:
        paths = (place / name for place in places for name in names)
        return next((p for p in paths if p.is_file()), None)

    tree, gallery = first(TREE_FILES), first(GALLERY_FILES)
    if tree is None and gallery is None:
        raise ConfigError(
            f"{folder} holds neither tree.json nor 106.json; both are in the folder data of the "
            "public repository GAIR-NLP/ASI-Arch"
        )
    return tree, gallery


def _load(file: Path) -> Any:
    try:
        n_bytes = file.stat().st_size
        if n_bytes > MAX_BYTES:
            raise ConfigError(
                f"{file} has {n_bytes:,} bytes; files of up to {MAX_BYTES:,} are read, and the "
                "real ones have a few million"
            )
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{file} cannot be read as JSON: {str(error)[:200]}") from error


def _list_of(data: Any, file: Path) -> list[Any]:
    if isinstance(data, dict):
        data = data.get("results")
    if not isinstance(data, list):
        raise ConfigError(
            f"{file} must be a list of records, or an object whose 'results' is one; "
            "is this the data of ASI-Arch?"
        )
    if len(data) > MAX_RECORDS:
        raise ConfigError(
            f"{file} holds {len(data):,} records; at most {MAX_RECORDS:,} are imported: keep the "
            "part you want to look at"
        )
    return data


def _by_number(
    records: Iterable[Published | None], remarks: list[str]
) -> tuple[dict[int, Published], list[Published]]:
    """Return records by number, and those without one."""
    found: dict[int, Published] = {}
    unnumbered = []
    n_no_records = n_repeated = 0
    for record in records:
        if record is None:
            n_no_records += 1
        elif record.number < 0:
            unnumbered.append(record)
        elif record.number in found:
            n_repeated += 1
        else:
            found[record.number] = record
    if n_no_records:
        remarks.append(f"{n_no_records} entries are no records and were left out")
    if n_repeated:
        remarks.append(f"{n_repeated} records repeat a number; the first of each was kept")
    return found, unnumbered


def _joined(known: Published | None, more: Published) -> Published:
    """Put what 106.json says into the record of tree.json; the tree decides names and parents."""
    if known is None:
        return more
    same = known.score is None or more.score is None or abs(known.score - more.score) < 1e-6
    oddities = [o for o in more.oddities if o != "no score"]
    if known.name != more.name:
        oddities.append(f"the other file calls it {more.name}")
    if not same:
        oddities.append(f"the other file gives the score {more.score}")
    return replace(
        more,
        name=known.name,
        display_name=known.display_name or more.display_name,
        parent=known.parent,
        score=known.score if known.score is not None else more.score,
        oddities=(*known.oddities, *oddities),
    )


def _with_parent(record: Published, known: Mapping[int, Published]) -> Published:
    parent = record.parent
    if parent is None or (parent in known and parent != record.number):
        return record
    why = "is itself" if parent == record.number else "is not among the records"
    return replace(record, parent=None, oddities=(*record.oddities, f"its parent {parent} {why}"))


def _program(value: Any) -> tuple[str, str]:
    if not isinstance(value, str) or not value.strip():
        return "", ""
    try:
        check_source(value)
    except SourceError as error:
        return "", f"program left out: {error}"
    return value, ""


def _remarks(records: tuple[Published, ...]) -> list[str]:
    names = Counter(r.display_name or r.name for r in records)
    n_repeated = sum(n for n in names.values() if n > 1)
    span = records[-1].number - records[0].number + 1
    facts = (
        (n_repeated, "records share a display name with another (numbers tell them apart)"),
        (span - len(records), "numbers between the first and the last have no record"),
        (sum(not r.display_name for r in records), "records have no display name"),
        (sum(not r.program for r in records), "records come without a program"),
        (sum(bool(r.oddities) for r in records), "records have something odd: move37 show says it"),
    )
    return [f"{n} {words}" for n, words in facts if n]
