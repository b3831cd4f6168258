"""Make the Persian notebooks and pages from the blocks in this folder, and say what is wrong.

    python notebooks/fa/build.py [--accept PAGE [ID ...]]

Without options, every page is written anew. `--accept` notes that the blocks of a page, or those
with these ids, have been brought up to date with the English text.
"""

import argparse
import sys

import edition


def accept(name: str, wanted: list[str]) -> list[str]:
    """Give blocks the hash of today's English text, and return the ids that changed."""
    path = edition.source_of(name)
    text, theirs, changed = path.read_text(encoding="utf-8"), edition.english(name), []
    for id, block in edition.persian(name).items():
        if id not in theirs or (wanted and id not in wanted):
            continue
        if block.of != (now := edition.sha256(theirs[id])):
            text = text.replace(f"<!-- {id} {block.of} -->", f"<!-- {id} {now} -->")
            changed.append(id)
    path.write_text(text, encoding="utf-8", newline="\n")
    return changed


def main() -> str | None:
    """Write all pages; return what is wrong with them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--accept", nargs="+", metavar="PAGE", help="a page, then ids of blocks"
    )
    options = parser.parse_args()
    if options.accept:
        name, *ids = options.accept
        if name not in edition.PAGES:
            return f"error: no page is called {name!r}; there are {', '.join(edition.PAGES)}."
        print("up to date:", ", ".join(accept(name, ids)) or "nothing had changed")
    for name, page in edition.PAGES.items():
        path = edition.PROJECT / page.built
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(edition.built(name), encoding="utf-8", newline="\n")
    wrong = [words for name in edition.PAGES for words in edition.problems(name)]
    return "\n".join(wrong) or None


if __name__ == "__main__":
    sys.exit(main())
