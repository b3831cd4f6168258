# %% [facets]
answer = (
    3 / 4
)  # decision, owner and open question are there; the date is the one before the correction

check("facets", answer)


# %% [agreement]
def kappa(ours, theirs):
    n = len(ours)
    observed = sum(a == b for a, b in zip(ours, theirs, strict=True)) / n
    expected = sum(
        (ours.count(score) / n) * (theirs.count(score) / n) for score in set(ours)
    )
    return (observed - expected) / (1 - expected)


check("agreement", kappa)
