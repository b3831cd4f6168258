# %% [generation]
def generation(prompt_tokens, completion_tokens, ttft_s, latency_s):
    return (completion_tokens - 1) / (latency_s - ttft_s)


check("generation", generation)


# %% [p95]
def p95(values):
    return float(np.percentile(values, 95)) if len(values) >= 20 else None


check("p95", p95)


# %% [order]
def order(models, rounds):
    chance = random.Random(0)
    return [
        model for _ in range(rounds) for model in chance.sample(models, len(models))
    ]


check("order", order)


# %% [failures]
def failures(rows):
    measured = [row for row in rows if row["phase"] == "measure"]
    return sum(row["status"] != "ok" for row in measured) / len(measured)


check("failures", failures)
