"""Files by digest.

Invariants: A1 get(put(x)) == x; A2 damage is noticed and can be mended; A3 a file is whole or
absent.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from move37.core.errors import LedgerError
from move37.memory.artefacts import Artefacts


@pytest.mark.parametrize("content", [b"", b"weights", os.urandom(300_000)])
def test_what_was_put_is_got_by_its_digest(tmp_path, content):
    """A1."""
    store = Artefacts(tmp_path / "artefacts")
    digest = store.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert store.put(content) == digest
    assert store.has(digest)
    assert Artefacts(tmp_path / "artefacts").get(digest) == content
    files = [p for p in (tmp_path / "artefacts").rglob("*") if p.is_file()]
    assert files == [tmp_path / "artefacts" / digest[:2] / digest[2:]]


def test_damage_is_named_and_mended_by_putting_again(tmp_path):
    """A2."""
    store = Artefacts(tmp_path)
    digest = store.put(b"weights")
    for wrong in (b"weighty", b"", b"weights and more"):
        store.path(digest).write_bytes(wrong)
        with pytest.raises(LedgerError, match=f"artefact {digest} is damaged"):
            store.get(digest)
        store.put(b"weights")
        assert store.get(digest) == b"weights"


def test_a_missing_artefact_is_named(tmp_path):
    digest = "0" * 64
    assert not Artefacts(tmp_path).has(digest)
    with pytest.raises(LedgerError, match=f"artefact {digest} is missing"):
        Artefacts(tmp_path).get(digest)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n"])
def test_what_is_not_a_digest_reaches_no_file(tmp_path, name):
    with pytest.raises(LedgerError, match="named by 64 hex digits"):
        Artefacts(tmp_path).get(name)


def test_many_threads_may_put_the_same_file(tmp_path):
    """A3."""
    content = os.urandom(100_000)
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: Artefacts(tmp_path).put(content), range(24)))
    assert len(digests) == 1
    assert Artefacts(tmp_path).get(digests.pop()) == content
    assert sum(p.is_file() for p in tmp_path.rglob("*")) == 1


PUT_LIMITED = """
import resource, sys
from move37.core.errors import LedgerError
from move37.memory.artefacts import Artefacts
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Artefacts(sys.argv[1]).put(bytes(5000))
except LedgerError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_leaves_nothing_half_written(tmp_path):
    """A3."""
    done = subprocess.run(
        [sys.executable, "-c", PUT_LIMITED, tmp_path], capture_output=True, text=True, check=False
    )
    assert "artefact of 5000 bytes cannot be written" in done.stdout, done
    assert not any(p.is_file() for p in tmp_path.rglob("*"))


def test_a_path_that_is_not_a_folder_is_an_error(tmp_path):
    (tmp_path / "artefacts").write_bytes(b"")
    with pytest.raises(LedgerError, match="cannot be written"):
        Artefacts(tmp_path / "artefacts").put(b"weights")
