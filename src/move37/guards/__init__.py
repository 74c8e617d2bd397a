"""Guards: is more thinking worse, who descends from whom, and what may flow between them.

Nothing here asks a model or touches a ledger: `campaign` hands facts in and writes decisions down.
"""
