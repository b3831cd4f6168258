"""Draw due dates. Calendars are closed lists, so all splits share them."""

from random import Random

from .settings import load_toml

WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday".split()
SHORT_DAYS = "Mon Tue Wed Thu Fri Sat".split()
MONTHS = (
    "January February March April May June July August September October November December".split()
)
ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
TIMES_OF_DAY = ["evening", "morning", "afternoon", "noon"]
HALVES = ["am", "pm", " pm"]
OCCASIONS: list[str] = load_toml("words.toml")["occasions"]


def date(rng: Random) -> str:
    """Return a due date that reads well after "by".

    Calendars are closed lists, so all splits share them.
    """
    day, month, number = rng.choice(WEEKDAYS), rng.choice(MONTHS), rng.randint(1, 28)
    short = rng.choice(SHORT_DAYS)
    ordinal = f"{number}{ORDINALS.get(number, 'th')}"
    return rng.choice(
        [
            *[day] * 6,
            *[f"next {day}"] * 2,
            short,
            short,
            *[f"{number} {month}"] * 3,
            *[f"{month} {number}"] * 3,
            f"{day}, {number} {month}",
            f"{month} {ordinal}",
            f"{number} {month[:3]}",
            f"the {ordinal}",
            f"the {ordinal} of {month}",
            f"{number:02}.{MONTHS.index(month) + 1:02}.",
            f"{number}/{MONTHS.index(month) + 1}",
            f"the end of {month}",
            f"{rng.choice(['mid', 'early', 'late'])} {month}",
            f"mid-{month}",
            "tomorrow",
            "tonight",
            "next week",
            "next month",
            "the end of the week",
            "the end of the month",
            f"{rng.choice(['the end of ', ''])}Q{rng.randint(1, 4)}",
            f"EOD {rng.choice([day, short])}",
            f"{rng.choice(['noon', 'lunchtime', 'midday'])} on {day}",
            f"{rng.choice([day, 'tomorrow'])} {rng.choice(TIMES_OF_DAY)}",
            f"{rng.randint(1, 11)}{rng.choice(['am', 'pm'])} {rng.choice(['on ', ''])}{day}",
            f"{day} at {rng.randint(1, 11)}{rng.choice(['', ':30'])}{rng.choice(HALVES)}",
            f"week {rng.randint(2, 51)}",
            rng.choice(OCCASIONS),
            rng.choice(OCCASIONS),
        ]
    )
