"""The far side of the process boundary: torch, and candidate code. Everything here runs sandboxed.

The host imports nothing from here; it sends messages (`lab/wire.py`) to children that do. What a
child says is never believed: metrics are computed on the host, from logits.
"""
