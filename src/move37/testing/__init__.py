"""Conformance suites: subclass one, say how to make your thing, and inherit its tests.

Each suite is a module of its own, so that importing this package needs nothing installed.
"""
