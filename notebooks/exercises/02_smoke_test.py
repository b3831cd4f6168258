"""Exercises of notebook 02: two figures of a recorded stream, by hand."""

from helpers.course.exercises import Exercise

# (seconds since just before the request was written, text) of two recorded streams. The first
# chunk of each is empty: it only says who speaks.
STREAM = (
    (0.0021, ""),
    (0.0413, "Local"),
    (0.0463, " models"),
    (0.0463, " work"),
    (0.0563, " offline."),
    (0.1571, ""),
)
SLOW_STREAM = (
    (0.0030, ""),
    (0.0031, ""),
    (1.2080, "It"),
    (1.2480, " depends"),
    (1.2880, "."),
)


def text_times(chunks):
    """Return when each chunk with text arrived, in seconds."""
    return [seconds for seconds, text in chunks if text]


ttft = Exercise(
    name="ttft",
    title="TTFT of a recorded stream",
    hints=(
        "The first chunk may be empty: it only says who speaks. Look for the first that shows something.",
        "Go through the chunks with `for seconds, text in chunks:` and stop at the first text that is not empty.",
        "Inside the loop: `if text:` and then `return` the seconds of that chunk.",
    ),
    why="TTFT is what a person feels as 'it reacts'; counting the empty chunk makes every server look faster than it is.",
    cases=[((STREAM,), 0.0413), ((SLOW_STREAM,), 1.208)],
    slips=[
        (
            lambda chunks: chunks[0][0],
            "that is the first chunk, and it is empty: it only says who speaks. Nobody sees "
            "anything yet.",
        ),
        (
            lambda chunks: chunks[1][0],
            "the second chunk is not always the first with text.",
        ),
        (lambda chunks: chunks[-1][0], "that is the end of the stream."),
    ],
    solution="""\
def ttft(chunks):
    return next(seconds for seconds, text in chunks if text)


check("ttft", ttft)
""",
)

rate = Exercise(
    name="rate",
    title="Output tokens/s of a recorded stream",
    hints=(
        "Take the speed between the first text and the last: n tokens have n - 1 gaps.",
        "Collect the times of the chunks that have text: the first and the last of those are all that you need.",
        "Divide (tokens - 1) by the last of these times minus the first.",
    ),
    why="This speed depends only on how fast the model writes, so it can be compared between long and short prompts.",
    cases=[((STREAM, 4), 200.0), ((SLOW_STREAM, 3), 25.0)],
    slips=[
        (
            lambda chunks, tokens: tokens / chunks[-1][0],
            "that divides by the whole time, which includes the wait for the first token and a "
            "late empty chunk.",
        ),
        (
            lambda chunks, tokens: tokens / text_times(chunks)[-1],
            "that divides by the latency. It is request tokens/s, which includes the wait for the "
            "first token.",
        ),
        (
            lambda chunks, tokens: (
                tokens / (text_times(chunks)[-1] - text_times(chunks)[0])
            ),
            "between n tokens there are n - 1 gaps.",
        ),
        (
            lambda chunks, tokens: (tokens - 1) / (chunks[-1][0] - chunks[0][0]),
            "empty chunks carry no token: measure from the first text to the last.",
        ),
    ],
    solution="""\
def rate(chunks, tokens):
    times = [seconds for seconds, text in chunks if text]
    return (tokens - 1) / (times[-1] - times[0])


check("rate", rate)
""",
)
