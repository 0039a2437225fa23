"""What a worker exposes to Prometheus, as a test reads it."""

import re
from dataclasses import dataclass

from tests.probes import ask

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Scraped:
    text: str

    @property
    def samples(self) -> list[Sample]:
        return [
            Sample(name, dict(_LABEL.findall(labels)), float(value))
            for name, labels, value in _SAMPLE.findall(self.text)
        ]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


async def scrape(address: str) -> Scraped:
    """What is exposed there now."""
    status, text = await ask(address, b"GET /metrics HTTP/1.0\r\n\r\n")
    assert status == 200
    return Scraped(text)
