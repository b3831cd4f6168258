"""How an answer is judged, and what to say about mistakes that any exercise may get.

After the exercise's own slips: is it the right kind of thing, the right figure in another unit, or
code that stopped? Sentences name no exercise, and never show a solution.
"""

import difflib
import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real

from helpers.course.exercises import Todo, is_blank, same


class Mistake(Exception):
    """Say what is wrong with a result, whatever the exercise asks for."""


NOTHING = (
    "your function returns nothing (None). `print` shows a value, but only `return` hands it "
    "back; and what changes a list in place, such as sort() or shuffle(), returns nothing."
)
EMPTY = "that is an empty text."
NO_VALUE = (
    "that is None, so there is nothing to check. `print` shows a value, but hands none "
    "back; a method that changes a list, such as sort(), returns none either."
)
NOT_CALLED = (
    "that is a function, not its result. Call it: write parentheses behind its name, with what it "
    "needs between them."
)
CALLED = (
    "the check wants the function itself, to try it on recorded cases. Write its name without "
    "parentheses."
)
LETTERS = (
    "those are single letters. Text behaves like a list of its letters: `+=`, list(...) and "
    "`yield from` take it apart; use append(...), [text] or `yield` to keep it whole."
)
FACTORS = {  # given / expected, and what may have happened
    1000: "1,000 times too large (milliseconds for seconds, or MB for GB?)",
    1 / 1000: "1,000 times too small (seconds for milliseconds, or GB for MB?)",
    100: "100 times too large (a percentage where a share from 0 to 1 is meant?)",
    1 / 100: "100 times too small (a share where a percentage is meant?)",
    60: "60 times too large (seconds for minutes?)",
    1 / 60: "60 times too small (minutes for seconds?)",
    3600: "3,600 times too large (seconds for hours?)",
    1 / 3600: "3,600 times too small (hours for seconds?)",
    1_000_000: "1,000,000 times too large (two steps of 1,000?)",
    1 / 1_000_000: "1,000,000 times too small (two steps of 1,000?)",
    1024: "1,024 times too large (this kit counts in steps of 1,000)",
    1 / 1024: "1,024 times too small (this kit counts in steps of 1,000)",
    -1: "but with the wrong sign (the difference was taken the other way round?)",
}
ERRORS = {  # a part of "Type: message", and advice; the first that fits
    r"NoneType": "One of the values is None, which means unknown, and None cannot be compared, "
    "counted or calculated with. Ask for it first: `if value is None:`",
    r"JSON object must be str": "json.loads takes a text: read the file first, with "
    "path.read_text(encoding='utf-8').",
    r"fields not in fieldnames": "Name every column in fieldnames: they are the keys of a row.",
    r"sequence item": "join(...) takes texts only: write str(...) around each item.",
    r"string indices must be": "It is a text and not a row: a loop over a dictionary gives its keys, "
    "and .items() gives keys with values.",
    r"ellipsis": "The dots are still there: replace each `...`.",
    r"NameError|UnboundLocalError": "Is it a typing mistake, or was the cell that defines it not "
    "run?",
    r"positional argument|keyword argument": "Keep the first line of the function as it was: the "
    "check calls it with the arguments that the question names.",
    r"generator|_iterator'|'(map|filter|zip)'": "It makes its values one at a time, when it is asked. "
    "Wrap it in list(...) first.",
    r"between instances of|unsupported operand|bad operand|must be real number|must be str|"
    r"can only concatenate": "Two kinds of things meet that do not fit: look at what each of them is "
    "with type(...). A pair or a row must be taken apart before you calculate.",
    r"not subscriptable|indices must be": "Square brackets take a piece out of a list, a pair or a "
    "row; here something else stands before them, or a row is asked by position.",
    r"not callable": "Parentheses call a function, and what stands before them is none. Has its name "
    "been given to something else?",
    r"object is not iterable": "A loop needs a list or a text, and got one single value.",
    r"has no attribute": "What stands before the dot is not what you think: look at type(...).",
    r"IndexError|StopIteration|empty": "The list is shorter than you think, perhaps empty in one case.",
    r"KeyError": "There is no such name in the row: compare the spelling with the question.",
    r"ZeroDivisionError": "What stands below the line is 0 in this case.",
    r"could not convert|invalid literal": "That text is no number.",
    r"FileNotFoundError|PermissionError": "Use the path that the function is given.",
    r"RecursionError": "The function calls itself without an end.",
    r"SystemExit": "Leave out exit(): `return` ends a function.",
}


def judge(exercise, answer):
    """Return None for a right answer, else what is wrong. Raises only Todo, for a placeholder."""
    try:
        return find_mistake(exercise, answer)
    except Todo:
        raise
    except Mistake as mistake:
        return str(mistake)
    except (Exception, SystemExit) as error:  # whatever a learner's code may do
        return stopped(error)


def find_mistake(exercise, answer):
    """Return None for a right answer, else what is wrong."""
    if is_blank(answer):
        raise Todo
    wants_function = bool(exercise.find_mistake or exercise.cases[0][0])
    if wrong := wrong_kind(answer, wants_function):
        return wrong
    if exercise.find_mistake is not None:
        return exercise.find_mistake(functools.partial(call, answer, exercise.example))
    results = results_of(answer, exercise.cases)
    if all(map(is_blank, results)):
        raise Todo
    pairs = [*zip(results, (expected for _, expected in exercise.cases), strict=True)]
    wrong = [place for place, pair in enumerate(pairs) if not same(*pair)]
    if not wrong:
        return None
    if all(result is None for result in results):
        return NOTHING
    for slip, words in exercise.slips:
        if all(map(same, results, results_of(slip, exercise.cases))):
            return words
    if unit := other_unit(pairs):
        return unit
    # Code that stopped comes first: the other results may have the same reason.
    errors = [place for place in wrong if isinstance(results[place], BaseException)]
    place = (errors or wrong)[0]
    return explain(*exercise.cases[place], results[place])


def results_of(answer, cases):
    """Return the result of each case, or the error that stopped it."""
    results = []
    for arguments, _ in cases:
        try:
            results.append(plain(answer(*arguments) if callable(answer) else answer))
        except (Exception, SystemExit) as error:  # whatever a learner's code may do
            results.append(error)
    return results


def plain(result):
    """Return a scalar of numpy as Python's own number."""
    return result.item() if getattr(result, "shape", None) == () else result


def call(function, example, *arguments):
    """Return what a function returns. Raises Todo for `...`, and Mistake for a wrong kind."""
    result = plain(function(*arguments))
    if result is ...:
        raise Todo
    if result is None:
        raise Mistake(NOTHING)
    if example is not None and (odd := oddity(result, example)):
        raise Mistake(odd)
    return result


def wrong_kind(answer, wants_function):
    """Return what is wrong with an answer before any case is tried, or None."""
    if answer is None:
        return NO_VALUE
    if wants_function and not callable(answer):
        return f"{short(answer)} is a value. {CALLED[0].upper()}{CALLED[1:]}"
    if callable(answer) and not wants_function:
        return NOT_CALLED
    return None


def stopped(error):
    """Return what to say about code that stopped."""
    words = f"{type(error).__name__}: {error}"
    advice = next((text for part, text in ERRORS.items() if re.search(part, words)), "")
    return f"your code stopped with {words.rstrip('.')}. {advice}".strip()


def other_unit(pairs):
    """Return what to say when all (given, expected) are off by one known factor, or None."""
    counted = [pair for pair in pairs if is_number(pair[1]) and pair[1]]
    given = [as_number(result) for result, _ in counted]
    if not counted or None in given:
        return None
    ratios = [
        number / expected for number, (_, expected) in zip(given, counted, strict=True)
    ]
    texts = [result for result, _ in counted if isinstance(result, str)]
    if texts and all(close(ratio, 1) for ratio in ratios):
        return "the figure is right, but it is a text. Write a number: no quotes and no unit."
    inverse = [
        number * expected for number, (_, expected) in zip(given, counted, strict=True)
    ]
    if len(counted) > 1 and all(close(product, 1) for product in inverse):
        return "it is upside down: divide the other way round."
    for factor, words in FACTORS.items():
        if all(close(ratio, factor) for ratio in ratios):
            return f"right, in other units: it is {words}."
    return None


def explain(arguments, expected, given):
    """Return what is wrong with one result: expected against given, and why it may be so."""
    case = ", ".join(short(argument) for argument in arguments)
    if isinstance(given, BaseException):
        return f"for {case}, {stopped(given)}"
    reason = oddity(given, expected) or nearness(given, expected)
    words = f"for {case}, expected {short(expected)}, given {short(given)}."
    if not arguments:  # an exercise whose answer is a value must not give it away
        words = f"{short(given)} is not the answer."
        if not reason and is_number(given):
            reason = "it is too low." if given < expected else "it is too high."
    return f"{words} {reason[:1].upper()}{reason[1:]}".strip()


def oddity(given, expected):
    """Return why a result is not even of the kind that is expected, or an empty text."""
    if given is ...:
        return "the dots are still there for this case."
    if given is None:
        return (
            "None comes back here: does every branch of the function end in a `return`?"
        )
    if callable(given):
        return NOT_CALLED
    if isinstance(expected, bool):
        return yes_or_no(given)
    if is_number(expected):
        return for_number(given, expected)
    if isinstance(expected, str):
        return for_text(given)
    if isinstance(expected, list):
        return for_list(given, expected)
    if expected is None:
        return "where there is no honest answer, return None."
    return ""


def nearness(given, expected):
    """Return how a result of the right kind misses what is expected, or an empty text."""
    if is_number(expected) and expected and close(given, expected, 0.03):
        return "it is close, but not right: do not round, and look for a piece too many or too few."
    if not isinstance(expected, str):
        return ""
    if not given.strip():
        return EMPTY
    bare = [re.sub(r"[\W_]+", "", text).casefold() for text in (given, expected)]
    if bare[0] == bare[1]:
        return "right, but for its spaces, dashes or quotes."
    if bare[1] in bare[0]:
        return "the answer is in it, with more around it: leave out the rest."
    if difflib.SequenceMatcher(None, *bare).ratio() > 0.85:
        return "it is close: compare it letter by letter."
    return ""


def yes_or_no(given):
    """Return what is odd about a result where True or False is meant."""
    if isinstance(given, str):
        return "a text is meant to be True or False here: write them without quotes."
    if isinstance(given, bool):
        return ""
    return "True or False is meant: return the comparison itself."


def for_number(given, expected):
    """Return what is odd about a result where a number is meant."""
    if isinstance(given, bool):
        return "True or False is not a number: count, or divide."
    if isinstance(given, str):
        return "that is a text, and a number is meant: no quotes and no unit."
    if isinstance(given, Iterator):
        return "that makes its values only when it is asked: put sum(...), max(...) or next(...) around it."
    if isinstance(given, Iterable):
        items = [*(given.values() if isinstance(given, Mapping) else given)]
        kind = type(given).__name__
        if any(is_number(item) and item and close(item, expected) for item in items):
            return f"that is of type {kind}, and one number is meant. The right one is in it: take that piece."
        return f"that is of type {kind}, and one number is meant."
    if not is_number(given):
        return f"that is of type {type(given).__name__}, and a number is meant."
    if math.isnan(given) or math.isinf(given):
        return "that is not a number that can be measured."
    return ""


def for_text(given):
    """Return what is odd about a result where a text is meant."""
    if isinstance(given, (list, tuple, set, Mapping, Iterator)) and not hasattr(
        given, "read"
    ):
        return (
            f"that is of type {type(given).__name__}, and one text is meant: take the piece out, or join them "
            "with '\\n'.join(...)."
        )
    if not isinstance(given, str):
        return f"that is of type {type(given).__name__}, and a text is meant."
    return ""


def for_list(given, expected):
    """Return what is odd about a result where a list is meant."""
    if isinstance(given, str):
        return "that is one text, and a list of texts is meant: put it into a list, or split it."
    if not isinstance(given, Iterable):
        return f"that is of type {type(given).__name__}, and a list is meant."
    if isinstance(given, Mapping) or not isinstance(given, (list, tuple)):
        return ""
    if any(isinstance(item, (list, tuple)) for item in given):
        return "there are lists inside the list: `+=` adds the items of a list, append(...) the list itself."
    single = given and all(isinstance(item, str) and len(item) == 1 for item in given)
    return LETTERS if single and any(len(item) > 1 for item in expected) else ""


def is_number(value):
    """Return True for a number that is not True or False."""
    return isinstance(value, Real) and not isinstance(value, bool)


def as_number(value):
    """Return a number, also the one at the start of a text such as "22.6 GB", or None."""
    if is_number(value):
        return None if math.isnan(value) else float(value)
    found = (
        re.match(r"\s*([-+]?[\d,]*\.?\d+)", value) if isinstance(value, str) else None
    )
    return float(found[1].replace(",", "")) if found else None


def close(given, expected, tolerance=1e-3):
    """Return True for numbers that are alike to one part in a thousand, or to `tolerance`."""
    return math.isclose(given, expected, rel_tol=tolerance, abs_tol=1e-9)


def short(value):
    """Return a value as Python writes it, cut where it is long."""
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 70 else f"{text[:67]}..."
