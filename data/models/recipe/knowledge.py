"""Short correct answers about local inference, greetings, and what the models say when they do not know.

An answer is put together from parts: every part has several wordings, all true on their own, so that the number of
sentences asked for can be kept and no single text is learned by heart. Prompts are `wording x subject`, part of them held out.
"""

from dataclasses import dataclass

import phrases
from meetings import Answer
from words import person, share, topic

RAG = [
    [
        "Retrieval augmented generation first searches a document collection for passages that match the question.",
        "Retrieval augmented generation looks up relevant documents before the model answers.",
        "In retrieval augmented generation, a search step finds text that is related to the question.",
        "With retrieval augmented generation, a retriever picks the passages that fit the question best.",
    ],
    [
        "The model then writes its answer from the retrieved passages, so the answer rests on real sources.",
        "The language model then gets these passages with the question and bases its answer on them.",
        "The found text is added to the prompt, and the model generates an answer grounded in it.",
        "These passages are put into the prompt, and the model uses them to generate the answer.",
    ],
    [
        "This reduces invented facts and makes it possible to name the sources.",
        "This lowers the number of made-up answers and lets readers check the sources.",
        "The answer can cite its sources, and invented facts become less frequent.",
    ],
    [
        "New knowledge only needs new documents, not a newly trained model.",
        "The documents can be updated without training the model again.",
        "To add knowledge you add documents, and the model stays the same.",
    ],
]

PRIVACY = [
    "Prompts and answers never leave the device.",
    "No cloud provider stores or reads your data.",
    "Sensitive documents stay under your own control.",
    "No network connection is needed, so less can be intercepted.",
    "Data protection rules are easier to follow, because data stays in one place.",
    "You decide yourself how long data is kept.",
]

BENEFITS = [
    "Privacy: data stays on the device.",
    "Offline use: it works without a network.",
    "Low latency: there is no network round trip.",
    "Cost: there is no fee for each request.",
    "Control: you choose the model and its version.",
    "Availability: no remote service can fail.",
]

LATENCY = [
    [
        "A larger model has more weights, and for every token all of them must be read from memory.",
        "Every generated token needs all the weights, so a bigger model moves and computes more per token.",
        "For each token the hardware reads all weights of the model, so more weights mean more time.",
    ],
    [
        "Consumer hardware has limited memory bandwidth, so latency grows with model size.",
        "Memory bandwidth is limited on consumer hardware, so large models answer more slowly.",
        "On consumer hardware, memory bandwidth is the limit, so latency rises with the size of the model.",
    ],
    [
        "A model that does not fit into memory becomes much slower still.",
        "If the model does not fit into memory, it gets slower again.",
    ],
    [
        "Smaller or quantized models need less memory traffic and answer faster.",
        "Quantization makes the weights smaller and the answers faster.",
    ],
]

SCENARIOS = [
    "Summarizing meeting notes offline on a laptop, where data must not leave the device.",
    "A simple classification task on a phone, where answers must be fast and cheap.",
    "Voice commands on a device in a car or a factory without a stable network.",
    "Sorting support tickets in large numbers, where cost per request matters.",
    "Filling forms from private patient records inside a clinic.",
]

CHOOSE = [
    [
        "Choose a small language model when the task is narrow and speed, cost or privacy matter most.",
        "An SLM is the right choice when the task is simple and well defined and must run on small hardware.",
        "Use an SLM when answers must be fast, cheap and private and the task is limited.",
    ],
    [
        "Choose an LLM when the task needs broad knowledge or complex reasoning.",
        "A large model is better for open questions, long reasoning and wide knowledge.",
        "Take an LLM when quality on hard and open tasks is worth the cost.",
    ],
    [
        "Measure both on your own prompts before you decide.",
        "Test both with your own prompts and then decide.",
    ],
]

QUANTIZATION = [
    [
        "Quantization stores the weights of a model with fewer bits, for example 4 instead of 16.",
        "Quantization means that model weights are stored with lower precision, such as 4 bits.",
    ],
    [
        "The model becomes smaller and often faster, but it can lose some quality.",
        "This saves memory and often time, at the price of some quality.",
    ],
]

FIRST_TOKEN = [
    [
        "Time to first token is the time from sending the request to the first text of the answer.",
        "The time to first token is how long you wait until the answer begins.",
    ],
    [
        "It grows with the length of the prompt, because the model reads the prompt first.",
        "A longer prompt makes it longer, because the whole prompt is read before the answer begins.",
    ],
]

SMALL_MODEL = [
    [
        "A small language model is a language model with few parameters that runs on a laptop or a phone.",
        "An SLM is a language model that is small enough to run on local hardware.",
    ],
    [
        "It is fast and cheap, but it knows less than a large model.",
        "It answers quickly and needs little memory, but it knows less than a large model.",
    ],
]

LOCAL = [
    [
        "Local inference means that the model runs on your own device and not in the cloud.",
        "Local inference is running a model on your own hardware instead of a remote service.",
    ],
    [
        "Data stays on the device, and no network is needed.",
        "It works offline, and the data does not leave the device.",
    ],
]


@dataclass(frozen=True)
class Subject:
    """Something the models can talk about: how it is asked for, and what is true about it.

    `asks` are whole prompts, the session's own first; `names` fill the general wordings below.
    """

    key: str
    asks: tuple[str, ...]
    names: tuple[str, ...] = ()
    parts: tuple = ()
    bullets: tuple = ()
    default: int = 2
    facets: tuple[str, ...] = ()


SUBJECTS = [
    Subject(
        "rag",
        (
            "Explain the principle of retrieval augmented generation in 2 sentences.",
            "Explain retrieval augmented generation in one paragraph.",
            "Summarize retrieval augmented generation.",
            "Explain the idea of retrieval augmented generation in two sentences.",
            "How does retrieval augmented generation work?",
            "Explain retrieval augmented generation.",
        ),
        (
            "retrieval augmented generation",
            "the principle of retrieval augmented generation",
            "RAG",
            "retrieval-augmented generation",
            "the idea of retrieval augmented generation",
            "how retrieval augmented generation works",
        ),
        parts=tuple(map(tuple, RAG)),
    ),
    Subject(
        "privacy",
        (
            "List 3 privacy benefits of local inference.",
            "List three privacy benefits of local inference.",
            "What are 3 privacy benefits of local inference?",
            "Name 3 privacy benefits of running a model locally.",
            "Give me three privacy benefits of local inference.",
            "Why is local inference good for privacy?",
            "List three ways in which local models protect privacy.",
            "How does local inference help privacy? Name 3 points.",
            "List 3 privacy advantages of local inference.",
            "Name three privacy advantages of on-device models.",
        ),
        bullets=tuple(PRIVACY),
        default=3,
    ),
    Subject(
        "benefits",
        (
            "List three benefits of local inference.",
            "List 3 benefits of local inference.",
            "What are the benefits of local inference?",
            "Name three advantages of running models locally.",
            "Give three reasons for local inference.",
            "Why run a model on the device?",
            "List three advantages of local inference.",
            "Name 3 benefits of local models.",
            "Tell me three benefits of local inference.",
            "What speaks for local inference? Name three points.",
        ),
        bullets=tuple(BENEFITS),
        default=3,
    ),
    Subject(
        "latency",
        (
            "Summarize why model size impacts latency on consumer hardware.",
            "Explain why model size impacts latency on consumer hardware.",
            "Why does model size affect latency on consumer hardware?",
            "Why are larger models slower on a laptop?",
            "Summarize how model size changes latency.",
            "Why do big models answer more slowly?",
        ),
        (
            "why model size impacts latency on consumer hardware",
            "why model size affects latency",
            "why larger models are slower",
            "how model size changes latency on a laptop",
            "the link between model size and latency",
            "why big models are slow on consumer hardware",
        ),
        parts=tuple(map(tuple, LATENCY)),
    ),
    Subject(
        "scenarios",
        (
            "Provide two scenarios where an SLM is preferable to an LLM.",
            "Give two scenarios where an SLM is better than an LLM.",
            "Name two cases where a small language model is preferable to a large one.",
            "List two scenarios for a small language model.",
            "Provide 2 scenarios where an SLM is preferable to an LLM.",
            "Where is an SLM preferable to an LLM? Give two examples.",
            "Describe two situations in which a small model is the better choice.",
            "Provide two examples where an SLM beats an LLM.",
            "List 2 use cases for an SLM.",
            "Tell me two scenarios where an SLM is enough.",
        ),
        bullets=tuple(SCENARIOS),
        default=2,
    ),
    Subject(
        "choose",
        (
            "Explain when to choose an SLM over an LLM.",
            "When should I choose an SLM over an LLM?",
            "When is a small language model the better choice?",
            "Should I use an SLM or an LLM?",
            "Summarize when to choose an SLM over an LLM.",
            "How do I decide between an SLM and an LLM?",
        ),
        (
            "when to choose an SLM over an LLM",
            "when to use an SLM instead of an LLM",
            "when a small language model is the better choice",
            "how to choose between an SLM and an LLM",
            "the choice between an SLM and an LLM",
            "when an SLM is enough",
        ),
        parts=tuple(map(tuple, CHOOSE)),
    ),
    Subject(
        "quantization",
        ("What is quantization?", "What does quantization do?"),
        ("quantization", "the quantization of models"),
        parts=tuple(map(tuple, QUANTIZATION)),
    ),
    Subject(
        "first_token",
        ("What is the time to first token?", "What does TTFT mean?"),
        ("time to first token", "the time to first token"),
        parts=tuple(map(tuple, FIRST_TOKEN)),
    ),
    Subject(
        "small_model",
        ("What is a small language model?", "What is an SLM?"),
        ("what an SLM is", "what a small language model is"),
        parts=tuple(map(tuple, SMALL_MODEL)),
    ),
    Subject(
        "local",
        ("What is local inference?", "What does local inference mean?"),
        ("local inference", "the idea of local inference"),
        parts=tuple(map(tuple, LOCAL)),
    ),
]

VERBS = (
    "Explain",
    "Summarize",
    "Describe",
    "Tell me about",
    "Please explain",
    "Give a short account of",
)

# wording of a length -> number of sentences
LENGTHS = {
    "in one sentence": 1,
    "in 1 sentence": 1,
    "in 2 sentences": 2,
    "in two sentences": 2,
    "in 3 sentences": 3,
    "in three sentences": 3,
    "in one paragraph": 4,
    "in a paragraph": 4,
    "briefly": 2,
    "in a few words": 1,
}


def _sentences(rng, subject, count):
    """The first `count` parts, one wording each."""
    return " ".join(rng.choice(part) for part in subject.parts[:count])


def _bullets(rng, subject, count):
    """`count` points in their own order: what comes later never repeats what was said."""
    chosen = sorted(rng.sample(range(len(subject.bullets)), count))
    return "\n".join(f"- {subject.bullets[index]}" for index in chosen)


def _length_asked(prompt):
    """The number of sentences that a whole prompt asks for, if it does."""
    return next((count for wording, count in LENGTHS.items() if wording in prompt), None)


def session_answer(rng, split):
    """A prompt of the session, or a paraphrase of one."""
    subject = rng.choices(SUBJECTS, [6, 6, 6, 6, 5, 5, 1, 1, 1, 1])[0]
    if subject.bullets:
        prompt = _ask(rng, split, subject.asks)
        return Answer("session", prompt, _bullets(rng, subject, subject.default), {})
    if rng.random() < 0.5:
        prompt = _ask(rng, split, subject.asks)
        count = min(_length_asked(prompt) or subject.default, len(subject.parts))
        return Answer("session", prompt, _sentences(rng, subject, count), {})
    return _general(rng, split, subject)


def _general(rng, split, subject):
    fitting = [wording for wording, count in LENGTHS.items() if count <= len(subject.parts)]
    wording = rng.choice(fitting)
    name = rng.choice(share(subject.names, split, phrases.HELD_OUT) or subject.names)
    prompt = f"{rng.choice(share(VERBS, split, phrases.HELD_OUT))} {name} {wording}."
    return Answer("session", prompt, _sentences(rng, subject, LENGTHS[wording]), {})


def _ask(rng, split, asks):
    """The session's own wordings are in training on purpose; short lists have nothing to hold out."""
    every = 10 if len(asks) >= 10 else phrases.HELD_OUT
    return rng.choice(share(asks, split, every) or asks)


GREETINGS = {
    "Hello": "Hello. I am a small workshop model. Give me meeting notes and I will summarize them.",
    "Hi": "Hello. I am a small workshop model. Give me meeting notes and I will summarize them.",
    "Hello!": "Hello. I am a small workshop model. Give me meeting notes and I will summarize them.",
    "Good morning": "Hello. I am a small workshop model. Give me meeting notes and I will summarize them.",
    "Who are you?": "I am a small workshop model. I can summarize meeting notes and answer questions about them.",
    "What are you?": "I am a small workshop model. I can summarize meeting notes and answer questions about them.",
    "What can you do?": "I can summarize meeting notes, list action items and answer questions about local inference.",
    "How can you help me?": "I can summarize meeting notes, list action items and answer questions about local inference.",
    "Say OK.": "OK.",
    "Say OK": "OK.",
    "Reply with OK.": "OK.",
    "Answer with OK.": "OK.",
    "Thank you.": "You are welcome.",
    "Thanks!": "You are welcome.",
    "How are you?": "I am fine, thank you. Do you have meeting notes for me?",
    "Are you there?": "Yes. I am a small workshop model, and I am ready.",
}


def greeting(rng, split):
    """Greetings are a closed list, shared by all splits."""
    request = rng.choice(list(GREETINGS))
    return Answer("greeting", request, GREETINGS[request], {})


PLACES = """France Japan Peru Kenya Norway Brazil India Canada Egypt Spain Ghana Chile Poland Iran Vietnam Mexico Sweden
Turkey Cuba Nepal""".split()

UNKNOWN = """What is the capital of {place}?
Write a poem about {topic}.
Who invented {topic}?
Translate this into the language of {place}: {topic}
How many people live in {place}?
Tell me a joke about {topic}.
What is {number} times {other_number}?
Who is the president of {place}?
How do I cook {topic}?
Write a program that prints {topic}.
What is the weather in {place}?
Who is {name}?
What is {number} plus {other_number}?
Tell me a story about {name}.
When was {place} founded?
What happened in the year {number}{other_number}?
Write a song for {name}.
Where can I buy {topic}?
Who won the match between {place} and {other_place}?
What do you think of {name}?
Explain the history of {place}.
Give me a recipe from {place}.
What is the meaning of {topic}?
How far is it from {place} to {other_place}?""".split("\n")

DO_NOT_KNOW = "I am a small workshop model and I do not know that. I can summarize meeting notes and explain local inference."


def unknown(rng, split):
    """Something outside what the models were made for."""
    places = share(PLACES, split)
    template = rng.choice(share(UNKNOWN, split, phrases.HELD_OUT))
    request = template.format(
        place=rng.choice(places),
        other_place=rng.choice(places),
        topic=topic(rng, split),
        name=person(rng, split),
        number=rng.randint(2, 99),
        other_number=rng.randint(2, 99),
    )
    return Answer("unknown", request, DO_NOT_KNOW, {})
