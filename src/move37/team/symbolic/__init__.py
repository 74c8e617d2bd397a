"""The team without a model: evolves typed descriptions of mixers and renders them as PyTorch."""
