"""The team as language models: prompts out of records, and checked records out of replies."""
