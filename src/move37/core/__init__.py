"""The nouns every department speaks: frozen records, the config tree, errors. No torch, no I/O."""
