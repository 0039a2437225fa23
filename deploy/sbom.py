#!/usr/bin/env python3
"""Write the bill of materials of requirements.lock, with licences; `--licences` lists them instead.

Either way it fails where a package has a licence that is not allowed. It needs no network: the tool
reads the lock, and licences come from what is installed.
"""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
SBOM = ROOT / "deploy" / "sbom.cdx.json"

#: Whoever ships Casekeeper keeps the notices, and owes nothing else.
ALLOWED = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "MIT", "MIT-0"),
    *("MPL-2.0", "PSF-2.0"),
}
#: What older packages call them, in the field or at the end of a classifier.
_ALSO_CALLED = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
}
#: In the lock for other systems and other versions of Python: read from their metadata by hand.
_ELSEWHERE = {
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
}


def licence_of(name: str) -> str:
    """The licence of a package as an SPDX expression, or what it says itself."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return _ELSEWHERE.get(name, "unknown")
    field = (said.get("License-Expression") or said.get("License") or "").strip()
    named = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier", [])]
    first = next(iter(field.splitlines()), "")
    for candidate in (first, *named):
        known = _ALSO_CALLED.get(candidate, candidate)
        if is_allowed(known):
            return known
    return first or "unknown"


def is_allowed(expression: str) -> bool:
    """Is each licence of the expression allowed, whichever one chooses?"""
    terms = set(re.findall(r"[^\s()]+", expression)) - {"AND", "OR"}
    return bool(terms) and terms <= ALLOWED


def bill_of_materials(lock: Path) -> dict[str, Any]:
    """The lock in CycloneDX, the same for the same lock."""
    program = Path(sys.executable).with_name("cyclonedx-py")
    command = [program, "requirements", lock, "--pyproject", ROOT / "pyproject.toml"]
    made = subprocess.run(
        [*command, "--output-reproducible"], capture_output=True, text=True, check=True
    )
    bill: dict[str, Any] = json.loads(made.stdout)
    bill["components"] = sorted(map(_plain, bill["components"]), key=lambda part: part["purl"])
    for tool in bill["metadata"]["tools"]["components"]:
        del tool["externalReferences"]
    # The lock is flat: who needs whom, it does not say.
    del bill["dependencies"]
    return bill


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    """Without the index that the tool supposes, and with the licence that it cannot know."""
    kept = {key: part[key] for key in ("type", "name", "version", "purl")}
    return {**kept, "bom-ref": part["purl"], "licenses": [{"expression": licence_of(part["name"])}]}


def main() -> int:
    """Write the file, or list the licences; 1 if one is not allowed."""
    bill = bill_of_materials(LOCK)
    licences = {p["name"]: p["licenses"][0]["expression"] for p in bill["components"]}
    if "--licences" in sys.argv[1:]:
        sys.stdout.writelines(f"{name:40} {licence}\n" for name, licence in licences.items())
    else:
        SBOM.write_text(json.dumps(bill, indent=2) + "\n")
    wrong = [name for name, licence in licences.items() if not is_allowed(licence)]
    if wrong:
        sys.stderr.write(f"Not allowed: {', '.join(wrong)}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
