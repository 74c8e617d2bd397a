"""The knowledge base: cited cards from papers, and finding those that fit a weakness. Offline."""
