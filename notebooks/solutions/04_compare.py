# %% [verdict]
def verdict(ratio, low, high):
    if low <= 1 <= high:
        return "cannot tell"
    return "faster" if ratio < 1 else "slower"


check("verdict", verdict)


# %% [default]
def default(rows, least_quality, most_memory_mb):
    fit = [
        r
        for r in rows
        if r["quality"] is not None
        and r["quality"] >= least_quality
        and r["memory_mb"] <= most_memory_mb
    ]
    return min(fit, key=lambda row: row["latency_s"])["model"]


check("default", default)


# %% [cost]
def cost(joules, price_per_kwh):
    return joules * 1000 / 3_600_000 * price_per_kwh


check("cost", cost)
