"""Time a few models the way most people do first; notebook 03 finds out what is wrong with it.

python notebooks/first_benchmark.py http://localhost:5273/v1 MODEL_ID...
"""

import json
import statistics
import sys
import time

from openai import OpenAI

PROMPT = "Explain the principle of retrieval augmented generation in 2 sentences."
ROUNDS = 3


def ask(client, model):
    """Send one request; return its seconds and its tokens per second."""
    start = time.time()
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": PROMPT}],
        max_tokens=150,
        temperature=0.2,
    )
    seconds = time.time() - start
    return seconds, answer.usage.total_tokens / seconds


def benchmark(client, model):
    """Return the figures of one model."""
    latencies, rates = zip(*[ask(client, model) for _ in range(ROUNDS)], strict=True)
    return {
        "model": model,
        "latency_avg": statistics.mean(latencies),
        "latency_p95": statistics.quantiles(latencies, n=20)[-1],
        "latency_max": max(latencies),
        "tokens_per_sec": statistics.mean(rates),
        "latencies": [round(seconds, 4) for seconds in latencies],
    }


def main(base_url, models):
    """Return a row for each model, one model after the other."""
    client = OpenAI(base_url=base_url, api_key="not-needed")
    return [benchmark(client, model) for model in models]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:]), indent=2))
