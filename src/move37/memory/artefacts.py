"""Large files by digest: weights, logits, replies. The ledger holds only the digests.

`runs/NAME/artefacts/ab/cdef…` is the file whose SHA-256 is `abcdef…`. A file appears whole or not
at all, and is checked each time it is read.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path

from move37.core.errors import LedgerError

DIGEST = re.compile(r"[0-9a-f]{64}")


class Artefacts:
    """The files of one run. Safe for several threads and processes."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def put(self, content: bytes) -> str:
        """Keep some bytes; return their digest. On return they survive a power cut.

        Raises:
            LedgerError: they cannot be written (disk full, read-only, no permission).
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        if not self._is_whole(path, digest):
            self._write(path, content)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes with this digest.

        Raises:
            LedgerError: not there, unreadable, or damaged.
        """
        path = self.path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise LedgerError(f"artefact {digest} is missing: there is no {path}") from error
        except OSError as error:
            raise LedgerError(f"artefact {digest} cannot be read: {error}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            raise LedgerError(
                f"artefact {digest} is damaged: {path} ({len(content)} bytes) has digest {found}; "
                "restore it from a copy"
            )
        return content

    def has(self, digest: str) -> bool:
        """Say whether there is a file for this digest; `get` checks its content."""
        return self.path(digest).is_file()

    def discard(self, digest: str) -> None:
        """Delete a file that nobody goes on from; its digest stays in the ledger."""
        self.path(digest).unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Return where the file with this digest is or would be.

        Raises:
            LedgerError: not a digest.
        """
        if not DIGEST.fullmatch(digest):
            raise LedgerError(f"an artefact is named by 64 hex digits, got {digest[:80]!r}")
        return self.folder / digest[:2] / digest[2:]

    def _is_whole(self, path: Path, digest: str) -> bool:
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest() == digest
        except OSError:  # not there or not readable: writing it anew is the cure, or says why not
            return False

    def _write(self, path: Path, content: bytes) -> None:
        draft = path.with_name(f".{path.name[:16]}.{uuid.uuid4().hex}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with draft.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
            sync_folder(path.parent)
            sync_folder(self.folder)
        except OSError as error:
            raise LedgerError(
                f"artefact of {len(content)} bytes cannot be written to {self.folder}: {error}; "
                "free some space or make the folder writable, and run again"
            ) from error


def sync_folder(folder: Path) -> None:
    """Make a folder's new names survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
