"""What may be used, and what was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one sandboxed child may use. Reaching a limit is an Outcome, not an error."""

    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int
    """Beyond what the warm server already holds."""
    n_processes: int = 16
    file_bytes: int = 64 * 2**20
    scratch_bytes: int = 64 * 2**20
    n_files: int = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Spend:
    """What was used so far; summed by folding events."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    n_candidates: int = 0
    n_trials: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0

    def __add__(self, other: Spend) -> Spend:
        """Add field by field."""
        return Spend(
            wall_seconds=self.wall_seconds + other.wall_seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            n_candidates=self.n_candidates + other.n_candidates,
            n_trials=self.n_trials + other.n_trials,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            dollars=self.dollars + other.dollars,
        )
