"""Effects kept from step to step.

R1  They are those of the past that is asked about, whatever was asked before; roots are left out.
R2  Each is computed once.
"""

from __future__ import annotations

from move37.campaign.reached import Reached
from move37.core.candidate import Candidate, Idea
from move37.memory.state import Entry

IDEA = Idea(name="n", motivation="m", mechanism="S = gS")


def entries(indices: range) -> dict[str, Entry]:
    made = [(k, Candidate.of(f"class Mixer: n = {k}", IDEA)) for k in indices]
    return {c.id: Entry(index=k, candidate=c, events=()) for k, c in made}


def test_effects_are_those_of_the_past_that_is_asked_about():
    """R1, R2: steps side by side ask about shorter and longer ones; another arm's are others."""
    everyone = [*entries(range(-1, 60)).items()]
    asked: list[str] = []

    def effect(id_: str) -> float | None:
        asked.append(id_)
        return None if id_[0] in "0123" else int(id_, 16) / 16**12

    reached = Reached()
    for known in (
        *(everyone[:n] for n in (10, 40, 38, 61, 0, 12)),
        [everyone[0], *everyone[2::2]],
        everyone[:50],
    ):
        found = reached.at(1, dict(known), effect)
        ids = [id_ for id_, entry in known if entry.index >= 0 and id_[0] not in "0123"]
        assert list(found) == ids
        assert found == {id_: int(id_, 16) / 16**12 for id_ in ids}
    assert len(asked) == len(set(asked)) == 60
    assert reached.at(0, dict(everyone[:2]), lambda _: 2.0) == {everyone[1][0]: 2.0}
