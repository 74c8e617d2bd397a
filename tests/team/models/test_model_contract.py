"""Every source of models passes the same suite: scripted ones, and a provider over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from fault_server import FAULTS, FaultServer, completion, says

from move37.core.team import ModelConfig
from move37.team.models.calls import MakeModel
from move37.team.models.scripted import scripted
from move37.testing.model_contract import MODEL, ModelContract


class TestScripted(ModelContract):
    def make(self, replies: Sequence[str]) -> MakeModel | None:
        return scripted({"researcher": list(replies)})


class TestOpenAICompatibleServer(ModelContract):
    """A provider of the desk, and a server on loopback."""

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        self.server: FaultServer | None = None
        yield
        if self.server:
            self.server.__exit__()

    def make(self, replies: Sequence[str]) -> MakeModel | None:
        """The desk's own providers, and a server that gives the replies."""
        names = []
        for number, text in enumerate(replies):
            FAULTS[f"reply {number}"] = says(completion(text))
            names.append(f"reply {number}")
        assert self.server is not None
        self.server.faults = names
        return None

    def model(self) -> ModelConfig:
        if self.server is None:
            self.server = FaultServer(["good"]).__enter__()
        return ModelConfig(provider=MODEL.provider, model=MODEL.model, base_url=self.server.url)
