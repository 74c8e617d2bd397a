"""Pure arithmetic on results: effects, e-values, online false-discovery control, racing, fitness.

Numbers in, numbers out; no I/O. Positive is better, everywhere.
"""
