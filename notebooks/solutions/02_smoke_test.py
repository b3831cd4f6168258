# %% [ttft]
def ttft(chunks):
    return next(seconds for seconds, text in chunks if text)


check("ttft", ttft)


# %% [rate]
def rate(chunks, tokens):
    times = [seconds for seconds, text in chunks if text]
    return (tokens - 1) / (times[-1] - times[0])


check("rate", rate)
