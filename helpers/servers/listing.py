"""Read the model list of a server, in the shapes in which servers send it, and the names in it."""

import re

from ..common.foreign import mask, visible
from ..models import lineup

# The endings of an id: provider and device (`-generic-cpu`), then the version (`:4`).
_PROVIDER = "generic|cuda|trtrtx|tensorrt(-rtx)?|openvino|qnn|vitis(ai)?|webgpu|migraphx|dml"
ID_ENDING = rf"(-({_PROVIDER})?-?(cpu|gpu|npu))?(:\d+)?$"
# What Foundry Local's aliases leave out of a name, and how they write a version.
SHORTER = {
    r"^(\w*ai|meta|microsoft|google|nvidia|ibm)-": "",
    r"-distill-(qwen|llama)": "",
    r"v(\d+)-(\d+)": r"v\1.\2",
    r"-(instruct|chat|it)(?=-|$)": "",
}


def ids_in(listed: object) -> list[str] | None:
    """Return the ids of a model list that can be shown as they are; None for what is no list."""
    if isinstance(listed, dict):
        if not listed.keys() & {"data", "models"}:
            return None
        listed = listed.get("data", listed.get("models"))
    if listed is None:
        return []
    if not isinstance(listed, list):
        return None
    ids = (entry.get("id") if isinstance(entry, dict) else entry for entry in listed)
    usable = (i for i in ids if isinstance(i, str) and i.strip() and visible(mask(i)) == i)
    return list(dict.fromkeys(usable))


def aliases_of(model_id: str, models: lineup.Lineup) -> list[str]:
    """Return the aliases that an id may have, the most likely first.

    It is without version, device and folder, and as the line-up calls it:
    `qwen2.5-0.5b-instruct-generic-cpu:4` is `qwen2.5-0.5b`. An id without such endings is an alias.
    """
    whole = lineup.last_part(model_id)
    name = re.sub(ID_ENDING, "", whole)
    plain = re.sub(r"-(instruct|chat|it)$", "", name, flags=re.IGNORECASE)
    names = [name, plain, plain.lower()]
    known = [alias for alias in names if alias in models]
    shorter = [name.lower()]
    for pattern, new in SHORTER.items():
        shorter.insert(0, re.sub(pattern, new, shorter[0]))
    first = known or ([name] if name == whole else shorter[:1])
    return list(dict.fromkeys([*first, *shorter, plain, name]))
