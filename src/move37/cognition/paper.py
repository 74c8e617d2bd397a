"""The text of a paper, from a PDF or a text file, bounded. It is data: nothing here reads it."""

from __future__ import annotations

from pathlib import Path

from move37.core.errors import ConfigError

MAX_BYTES = 60_000_000
MAX_PAGES = 80
MAX_CHARACTERS = 200_000


def read_paper(file: Path) -> str:
    """Return a paper's text, at most its first 80 pages and 200,000 characters.

    Raises:
        ConfigError: no such file, too large, not a PDF or text, or without text (scanned pages);
            or it is a PDF and pypdf is not installed.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file.name}: larger than {MAX_BYTES // 1_000_000} MB")
        with file.open("rb") as content:
            is_pdf = content.read(5) == b"%PDF-"
        text = _pdf_text(file) if is_pdf else file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file.name}: neither a PDF nor UTF-8 text") from error
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    if not text.strip():
        raise ConfigError(f"{file.name}: no text in it; scanned pages need text recognition first")
    return text[:MAX_CHARACTERS]


def _pdf_text(file: Path) -> str:
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise ConfigError("reading a PDF needs pypdf: pip install 'move37[papers]'") from error
    try:
        pages = PdfReader(file).pages[:MAX_PAGES]
        return "\n\n".join(page.extract_text() for page in pages)
    except (PyPdfError, ValueError, KeyError, RecursionError) as error:
        raise ConfigError(f"{file.name}: not a readable PDF: {error}") from error
