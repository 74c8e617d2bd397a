"""Memory: the ledger and its projections, state, selection, novelty, lineage, artefacts."""
