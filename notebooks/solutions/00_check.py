# %% [alias]
answer = "pocket-mini-int4"

check("alias", answer)

# %% [renamed]
answer = load_models().current("gemma-2-2b")

check("renamed", answer)
