"""Vocabularies, and how they are shared out between training, validation and test.

Every list is cut by position, and made-up words by a checksum, so that a name or template of one split is not used
in another. A model can then only name the right person by copying the name from the notes.

Known gap: `topic` cuts `MODIFIERS` and `NOUNS + MODIFIERS` apart, so a word held out of one may be in training in the other.
Topics of the test set are new combinations, but 50 of their 65 list words also occur in training.
"""

import random
import zlib

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


def share(items, split, every=10):
    """The part of a list that one split may use: of each `every` items the last two are held out."""
    if split == VALIDATION:
        return items[every - 2 :: every]
    if split == TEST:
        return items[every - 1 :: every]
    return [item for index, item in enumerate(items) if index % every < every - 2]


def _split_of(word):
    """The split that owns a made-up word: eight in ten for training, one each for the others."""
    return ((TRAIN,) * 8 + (VALIDATION, TEST))[zlib.crc32(word.encode("utf-8")) % 10]


NAMES = """Aaron Abena Abigail Adam Adele Aditi Adrian Agnes Ahmed Aiko Aisha Akira Alan Alba Alexei Alice Alma Amara
Amelia Amir Ana Anders Andrea Anika Anna Anton Anya Ariel Arjun Arne Asha Astrid Aurora Ayesha Bashir Beatrice Ben
Bianca Birgit Bjorn Boris Brenda Brian Bruno Camila Carla Carlos Carmen Cecilia Celine Chang Charles Chen Chidi
Chiara Chloe Clara Colin Conor Cora Daan Dalia Damian Dana Daniel Dara David Deepa Denis Diana Diego Dina Dmitri
Dora Edith Edwin Eileen Elena Eli Elif Elio Elsa Emeka Emil Emma Enrico Erik Esther Eva Ewa Fabian Farah Fatima Felix
Femi Fiona Florian Frank Frida Gabriel Gemma George Gita Giulia Goran Grace Greta Gustav Hana Hannah Hans Harpreet
Hassan Heidi Helen Henrik Hiroshi Hugo Ian Ibrahim Ida Igor Ilse Imani Ines Ingrid Irene Isaac Isabel Ivan Ivy Jack
Jacob Jamal James Jan Jana Jasmin Javier Jens Joan Joao Joel Johanna John Jonas Jorge Josef Joy Judith Julia June
Kaito Karen Karim Karin Kateryna Kavya Keiko Ken Khalid Kira Klaus Kofi Kwame Lars Laura Layla Lea Leila Lena Leo
Leticia Li Liam Lina Linda Lisa Liu Lorenzo Louis Lucia Lukas Luis Luna Mads Magda Mai Malik Manuel Marco Margit
Maria Mariam Marie Mark Marta Martin Mateo Maya Mei Mehmet Mia Michael Miguel Mila Milan Mina Mira Mohamed Monika
Nadia Naomi Nasrin Natalia Neha Nia Nico Nils Nina Noah Noor Nora Oleg Olga Oliver Omar Oscar Pablo Paula Pavel Pedro
Per Petra Phoebe Pia Piotr Priya Quentin Quinn Rachel Rafael Rania Rashid Ravi Rebecca Rina Robert Rosa Ruben Ruth
Sabine Said Sally Salma Sami Samuel Sandra Sanjay Sara Sasha Selma Sergio Shira Silvia Simon Sofia Stefan Stella Sunil
Susan Sven Takumi Tamar Tara Tariq Teresa Theo Thomas Tim Tina Tom Tomas Uma Ursula Valentina Vera Victor Viktor Vikram
Wanda Wei Willem Xenia Yael Yan Yara Yasmin Yusuf Yuki Yuri Zainab Zara Zoe Zofia""".split()

MODIFIERS = """access account acoustic admin alarm annual archive audio audit backup badge battery billing booking brake
bridge budget build cable cache calendar camera campus canteen cargo catalog charging checkout clinic cloud coffee
community company complaint contract cooling courier crash customer dashboard data delivery demo deployment design desk
device diesel display dock donor door driver edge elevator email emergency energy event export factory fan feedback
field filter fire fleet floor freight fuel garden gateway glass grant guest harbor heating help holiday hotel image
import incident index insurance intake invoice kitchen label lab launch laundry leak learning legal library license
lighting loading local login mail map marketing menu meter migration mobile model museum network night noise office
offline onboarding order outdoor packing paint parking partner password patient payment payroll permit phone photo
pilot pipeline plant policy power press price printer privacy product profile pump purchase quality queue radio rail
recovery recycling regional release remote repair report rescue retail return roof room route router safety sales
sample scanner school search security sensor server service shelf shift shipping signal site sleep smoke solar sound
spare speech staff stage station steel storage store street student summer supplier support survey switch sync tablet
tax team test theme ticket timber tool tour tower tracking trade traffic training transport travel trial tunnel update
upload vaccine valve van vendor video visitor voice volunteer wall warehouse warranty waste water weather web wiki
window winter wireless workshop yard""".split()

NOUNS = """adapter agenda alert analysis app archive assistant audit banner batch benchmark booth box brief brochure
budget bug calculator campaign cart catalog chart checklist cleanup client clip comparison config connector console
contract copy course cover curve dashboard database deck demo design desk diagram dialog draft drill driver editor engine
estimate exercise experiment export fee feed filter fix flag folder form forecast format gate guide handbook handover
header hook icon import index inspection installer interview inventory job journal key kit label layout leaflet ledger
letter library limit link list lock log loop machine manual map meeting menu message migration mockup module monitor
newsletter notebook notice offer outline page panel parser patch phase plan playbook plugin policy poster printer
process profile program prompt prototype queue quote rack rate refresh register release reminder repair replica report
request review rollout route rule sample scan schedule schema screen script section sensor server setup shelf shutdown
sign sketch slide snapshot spec stand statement step sticker study summary survey switch system table tag template
test timeline timer token toolkit tour tracker trial tutorial unit update upgrade vault version video viewer visit
vote wizard workflow worksheet""".split()

# (to do it, done)
VERBS = [
    tuple(pair.split("/"))
    for pair in """fix/fixed ship/shipped test/tested rewrite/rewritten review/reviewed measure/measured delay/delayed
drop/dropped update/updated replace/replaced move/moved order/ordered print/printed translate/translated
document/documented cancel/cancelled rename/renamed split/split merge/merged publish/published check/checked
rebuild/rebuilt clean/cleaned install/installed remove/removed extend/extended shorten/shortened approve/approved
archive/archived simplify/simplified redesign/redesigned freeze/frozen launch/launched pause/paused restart/restarted
compare/compared record/recorded repair/repaired buy/bought sell/sold upgrade/upgraded share/shared keep/kept
change/changed finish/finished prepare/prepared send/sent sort/sorted copy/copied close/closed
build/built write/written draft/drafted book/booked automate/automated encrypt/encrypted migrate/migrated
benchmark/benchmarked audit/audited outsource/outsourced retire/retired inspect/inspected paint/painted label/labelled
schedule/scheduled announce/announced renew/renewed refund/refunded trim/trimmed scan/scanned""".split()
]

TEAMS = """sales support design legal finance platform research mobile quality field hardware training security
operations marketing procurement data edge""".split()

ONSETS = [*"b br c ch d dr f g gr h j k kr l m n p pr r s sh st t tr v w y z".split(), ""]
VOWELS = "a e i o u ai ee ia io oo".split()
CODAS = ["", "", "", "l", "n", "r", "s", "m", "th", "x", "nd", "rk"]


def made_up(rng, split, syllables=(2, 3)):
    """A pronounceable word that belongs to `split` and to no other."""
    while True:
        count = rng.randint(*syllables)
        word = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(count)) + rng.choice(CODAS)
        if 4 <= len(word) <= 9 and _split_of(word) == split:
            return word


def person(rng, split):
    """A first name: a real one in two of five cases, else a made-up one, because names are an open list."""
    if rng.random() < 0.4:
        return rng.choice(share(NAMES, split))
    return made_up(rng, split).capitalize()


def topic(rng, split):
    """A thing that people discuss, such as "the billing export"."""
    first = rng.choice(share(MODIFIERS, split)) if rng.random() < 0.7 else made_up(rng, split)
    second = rng.choice(share(NOUNS + MODIFIERS, split)) if rng.random() < 0.85 else made_up(rng, split)
    article = rng.choices(["the", "the new", "the old", "the second"], [20, 2, 1, 1])[0]
    return f"{article} {second}" if rng.random() < 0.08 else f"{article} {first} {second}"


WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday".split()
MONTHS = "January February March April May June July August September October November December".split()


def date(rng):
    """A due date that reads well after "by". Calendars are closed lists, so all splits share them."""
    day, month, number = rng.choice(WEEKDAYS), rng.choice(MONTHS), rng.randint(1, 28)
    return rng.choice(
        [
            day,
            day,
            day,
            f"next {day}",
            f"{number} {month}",
            f"{month} {number}",
            f"{day}, {number} {month}",
            f"the end of {month}",
            "tomorrow",
            "the end of the week",
            f"noon on {day}",
            f"{day} evening",
        ]
    )


def distinct(make, count):
    """`count` different results of `make`."""
    found = []
    while len(found) < count:
        candidate = make()
        if candidate not in found:
            found.append(candidate)
    return found


def generator(seed, split):
    """The random numbers of one split; a text seed makes each split its own stream."""
    return random.Random(f"{seed}/{split}")
