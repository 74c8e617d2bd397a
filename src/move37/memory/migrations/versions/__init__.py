"""One file a migration, numbered. Never edit one that was released."""
