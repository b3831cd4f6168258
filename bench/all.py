"""Run the scripts of this folder one after another, and put their tables into docs/accuracy.md.

    python bench/all.py [NAME [OPTIONS]]

Without a name all of them run, which takes about half an hour. With a name only that script runs,
with the options given.
"""

import datetime
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence

import shared

DOCUMENT = shared.PROJECT / "docs" / "accuracy.md"
# Name to file and options. The section of the document with that name takes the table; a script
# without a section is only shown.
SCRIPTS = {
    "clients": ("clients.py",),
    "peers": ("peers.py",),
    "dialects": ("peers.py", "--dialects"),
    "connections": ("connections.py",),
    "sittings": ("sittings.py",),
    "scale": ("scale.py",),
    "kills": ("kills.py",),
    "sampler": ("sampler.py",),
    "mirror": ("mirror.py",),
}


def run(name: str, options: Sequence[str] = ()) -> bool:
    """Run one script, keep what it prints, and return whether it ended well."""
    file, *fixed = SCRIPTS[name]
    path = shared.PROJECT / "bench" / file
    if not path.exists():
        shared.note(f"{name}: skipped, there is no bench/{file} here")
        return True
    shared.note(f"{name}: python bench/{file} {' '.join([*fixed, *options])}")
    done = subprocess.run(
        [sys.executable, str(path), *fixed, *options],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    print(done.stdout)
    if done.returncode == 0:
        put(
            name,
            f"{done.stdout.strip()}\n\n`python bench/{' '.join([file, *fixed])}`, {datetime.date.today():%d %B %Y}, {machine()}.",
        )
    return done.returncode == 0


def put(name: str, text: str) -> None:
    """Replace a section of the document: what stands between its two markers."""
    before = DOCUMENT.read_text(encoding="utf-8")
    section = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    DOCUMENT.write_text(
        section.sub(lambda found: f"{found[1]}{text}\n{found[2]}", before),
        encoding="utf-8",
        newline="\n",
    )


def machine() -> str:
    """Describe the machine."""
    from helpers.common import machine

    about = machine.environment()["machine"]
    return f"{os.cpu_count()} cores ({about['cpu']}), {about['memory_mb'] / 1024:.0f} GB, {platform.system()}, Python {platform.python_version()}"


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 1 when a script failed, 2 for a name that is none."""
    if arguments and arguments[0] not in SCRIPTS:
        print(
            f"error: there is no '{arguments[0]}'; there are {', '.join(SCRIPTS)}.", file=sys.stderr
        )
        return 2
    results = [run(arguments[0], arguments[1:])] if arguments else [run(name) for name in SCRIPTS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
