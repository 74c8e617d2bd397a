"""What tests, studies and other people's implementations share.

Conformance suites (`*_contract`): subclass one, say how to make your thing, inherit its tests.
Simulations (`races`, `null_campaigns`): what the statistics do where the truth is known.

Each is a module of its own, so that importing this package needs nothing installed.
"""
