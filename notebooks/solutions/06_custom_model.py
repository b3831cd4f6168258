# %% [generate]
def generate(prompt, **params):
    notes = prompt.split(": ", 1)[1]
    sentences = re.split(r"(?<=[.!?])\s+", notes)
    return "\n".join(f"- {s}" for s in sentences if "decided" in s or " will " in s)


check("generate", generate)


# %% [stream]
def stream(text):
    yield from re.findall(r"\S+\s*", text)


check("stream", stream)
