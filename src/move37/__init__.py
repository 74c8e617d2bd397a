"""move37: an autonomous laboratory that invents sequence-mixing layers that hold up."""

__version__ = "0.1.0"
