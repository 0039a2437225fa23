#!/usr/bin/env python3
"""Ask a vulnerability service about each locked package that this system would install.

It exits 0 where nothing is known, 1 where something is, and 2 where it could not ask about all.
Arguments go to pip-audit.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"


def ask(arguments: list[str]) -> list[dict[str, Any]]:
    """What is known of each package; of none where the service does not answer."""
    program = str(Path(sys.executable).with_name("pip-audit"))
    lock = ["--disable-pip", "--require-hashes", f"--requirement={LOCK}"]
    command = [program, "--format=json", *lock, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.stdout:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        return packages
    sys.stderr.write(done.stderr[-500:])
    return []


def judge(packages: list[dict[str, Any]]) -> int:
    """Print each finding, or the verdict as a sentence; the exit code."""
    findings = [
        f"{package['name']} {package['version']}: {hole['id']}, "
        f"fixed in {', '.join(hole['fix_versions']) or 'no version yet'}\n"
        for package in packages
        for hole in package.get("vulns", [])
    ]
    sys.stdout.writelines(findings)
    unasked = [package["name"] for package in packages if "skip_reason" in package]
    if unasked or not packages:
        named = ", ".join(unasked) or "any package"
        sys.stderr.write(f"Unknown: the service could not be asked about {named}.\n")
        return 1 if findings else 2
    if not findings:
        sys.stdout.write(f"No vulnerability is known in {len(packages)} packages.\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(judge(ask(sys.argv[1:])))
