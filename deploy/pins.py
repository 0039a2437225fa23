#!/usr/bin/env python3
"""Copy what uv.lock resolved into the pins of pyproject.toml; `--clear` empties them first."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"


def resolved() -> list[str]:
    """Every package that uv chose, as pins."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    # The project itself is the one package that is not pinned: it comes from this folder.
    return [f"{p['name']}=={p['version']}" for p in packages if "editable" not in p["source"]]


def build_tools() -> list[str]:
    """What builds the wheel, as pins."""
    lock = (ROOT / "deploy" / "build.lock").read_text()
    return re.findall(r"^[^\s;#]+==[^\s;]+", lock, flags=re.MULTILINE)


def write(key: str, pins: list[str]) -> None:
    """Put the pins in place of the list of that name."""
    block = "".join(f'    "{pin}",\n' for pin in sorted(pins))
    text = PROJECT.read_text()
    text, found = re.subn(
        rf"^{key} = \[\n.*?^\]", f"{key} = [\n{block}]", text, flags=re.MULTILINE | re.DOTALL
    )
    if found != 1:
        raise SystemExit(f"pyproject.toml has {found} lists named {key}; it needs one")
    PROJECT.write_text(text)


def main() -> None:
    """Write both lists."""
    clear = "--clear" in sys.argv[1:]
    write("constraint-dependencies", [] if clear else resolved())
    write("build-constraint-dependencies", [] if clear else build_tools())


if __name__ == "__main__":
    main()
