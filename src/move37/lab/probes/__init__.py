"""Admission probes: executed yes/no questions to a candidate, judged on the host.

`probe` is the whole interface. The child only computes (`move37.arena.probing`); inputs, weights
and verdicts are made here, in numpy.
"""

from move37.lab.probes.run import probe

__all__ = ["probe"]
