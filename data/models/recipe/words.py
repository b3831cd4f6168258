"""Vocabularies, and how they are shared out between training, validation and test.

Every word belongs to one split, by a checksum of the word, whatever list it comes from: a name, topic word or verb of one
split never occurs in the names, topics or actions of another. A model can then only name the right person by copying it.
Closed lists (weekdays, months, teams, numbers) and fixed wording are shared by all splits.
"""

import functools
import random
import zlib

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
SHARES = (TRAIN,) * 8 + (VALIDATION, TEST)


def share(items, split, every=10):
    """The part of a list that one split may use: of each `every` items the last two are held out."""
    if split == VALIDATION:
        return items[every - 2 :: every]
    if split == TEST:
        return items[every - 1 :: every]
    return [item for index, item in enumerate(items) if index % every < every - 2]


def split_of(word):
    """The split that owns a word: about eight in ten for training, one each for the others. A plural goes with its singular."""
    return SHARES[zlib.crc32(word.lower().removesuffix("s").encode("utf-8")) % 10]


@functools.cache
def _cut():
    """All word lists by split and name. Verbs of several words ("set up") go with their first word."""
    lists = {
        "names": NAMES,
        "surnames": SURNAMES,
        "nouns": NOUNS,
        "modifiers": MODIFIERS,
        "adjectives": ADJECTIVES,
        "rooms": ROOMS,
    }
    cut = {
        (split, key): [word for word in words if split_of(word) == split]
        for key, words in lists.items()
        for split in SPLITS
    }
    for split in SPLITS:
        cut[split, "verbs"] = [pair for pair in VERBS if split_of(pair[0].split()[0]) == split]
        cut[split, "alone"] = [pair for pair in cut[split, "verbs"] if pair[0] not in NOT_ALONE]
        own = {verb for verb, _ in cut[split, "verbs"]}
        cut[split, "frames"] = [
            (verb, *frame) for verbs, *frame in FRAMES for verb in verbs.split() if verb in own
        ]
    return cut


NAMES = """Aaron Abdul Abena Abigail Adam Adebayo Adele Aditi Adjoa Adrian Agnes Agnieszka Ahmed Aiko Ailsa Aino Aisha Akira Akosua Alan Alba Alejandro
Aleksander Alexei Alice Aliya Alma Amara Amelia Amina Amir Ana Anders Andrea Anika Anil Anna Anneli Antoine Anton Anya Apinya Arash Ariel
Arjun Arne Aroha Arturo Asha Asif Aslan Astrid Aurora Ayesha Ayodele Azra Balint Bashir Basil Batya Beatrice Bela Ben Benedikt Bianca Bilal
Birgit Bjorn Bogdan Bongani Boris Brenda Brian Brigid Bruno Bukola Camila Carla Carlos Carmen Caspar Catalina Cecilia Celine Chandra Chang
Charles Chen Chiara Chidi Chinedu Chloe Ciara Clara Clement Colin Concha Conor Cora Cyril Daan Dagmar Dalia Damian Dana Daniel Danilo Dara
Darius David Debora Deepa Delphine Denis Denise Diana Diego Dilip Dimitra Dina Dmitri Dong Dora Dorota Eamon Ebba Edgar Edith Edwin Efua
Eileen Einar Ekaterina Elena Eli Elias Elif Elio Eloise Elsa Emeka Emil Emma Emre Enrico Enzo Erik Ernesto Esther Eszter Eun Eva Ewa Ezra
Fabian Fadi Faisal Farah Fatima Felix Femi Fergus Filip Fiona Flavia Florian Frank Freya Frida Gabriel Gareth Gaspard Gemma George Georgi
Gerda Ghassan Giorgos Gita Giulia Gloria Goran Grace Greta Gunnar Gustav Gwen Habiba Hana Hannah Hans Harpreet Haruka Hassan Hector Hedda
Heidi Helen Henrik Hilda Hina Hiroshi Huda Hugo Hyun Ian Ibrahim Ida Igor Ilse Iman Imani Imre Ines Inga Ingrid Ioana Iqbal Irene Irina
Isaac Isabel Isla Ismail Itzel Ivan Ivy Jack Jacob Jadwiga Jaime Jamal James Jan Jana Jarek Jasmin Jasper Javier Jens Jiho Jin Joan Joao
Joaquin Joel Johanna John Jonas Jorge Josef Jovan Joy Juan Judith Julia Juma June Kaito Kamala Kaori Karen Karim Karin Kasper Kateryna
Katrin Kavya Keiko Kemal Ken Kerstin Khalid Kira Kiran Klaus Kofi Kojo Krzysztof Kwame Lakshmi Lamine Lars Laura Layla Lea Leandro Leila
Lena Leo Leonie Lerato Leticia Li Liam Lina Linda Ling Lisa Liu Ljubica Lorenzo Lorna Louis Lucia Ludmila Luis Lukas Luna Lwazi Mads Maeve
Magda Mahmoud Mai Malik Malin Manu Manuel Marco Marek Margit Maria Mariam Marie Marisol Mark Marta Martin Mateo Mats Matthias Maya Mbali
Meera Mehmet Mei Mercy Mia Michael Miguel Mihai Mila Milan Mina Minh Mira Mirjam Moana Mohamed Monika Moses Nabil Nadia Nadir Nandini Naomi
Nasrin Natalia Naveen Neha Ngozi Nia Niamh Nico Nikhil Nils Nilufar Nina Njeri Noah Noor Nora Obinna Odile Oleg Olena Olga Oliver Olivia
Omar Orla Oscar Osman Otto Pablo Paloma Parvin Pascal Patience Paula Pavel Pedro Per Percy Petra Petros Phoebe Pia Pilar Piotr Pooja Priya
Quentin Quinn Rachel Rafael Rafiq Ragnar Raisa Ramon Rania Rashid Ravi Rebecca Reza Rhys Rina Ritu Robert Roberto Roman Rosa Roxana Ruben
Rukhsana Ruth Ryo Sabine Sabrina Said Sakura Sally Salma Sami Samuel Sandra Sanjay Sanna Santiago Saoirse Sara Sasha Selim Selma Sergei
Sergio Shanti Shira Shirin Siddharth Sigrid Silvia Simon Simone Sina Siobhan Sizwe Sofia Solveig Soren Stanislav Stefan Stella Sunil Suresh
Susan Sven Svetlana Tadeusz Taiwo Takumi Tamar Tamsin Tanvi Tara Tariq Tatiana Temitope Teresa Thandi Thea Theo Thi Thomas Tiago Tim Tina
Tom Tomas Tove Tuan Ulrich Uma Umar Ursula Usha Valentina Vanessa Vasco Vera Vesna Victor Vikram Viktor Vinh Vlad Wafa Wanda Wangari Wei
Wiebke Willem Wilma Wojtek Xavier Xenia Xiao Yael Yan Yara Yasmin Yaw Yetunde Ying Yolanda Youssef Yuki Yuri Yusuf Zainab Zara Zeynep Zlata
Zoe Zofia Zoltan Zuri""".split()

SURNAMES = """Keller Osei Tan Okafor Novak Lindgren Moreau Haddad Petrov Silva Tanaka Nguyen Kowalski Rossi Ferreira Mensah Kaplan Yilmaz Singh Sharma
Iyer Farouk Castillo Vargas Jansen Visser Dubois Laurent Schmidt Weber Hoffmann Larsen Nilsen Virtanen Horvath Popescu Ivanova Kovacs
Ramirez Mendoza Ortega Fischer Baker Cooper Walsh Murphy Campbell Stewart Hughes Okoye Banda Dlamini Mwangi Otieno Abebe Tesfaye Rahman
Chowdhury Malik Qureshi Hosseini Karimi Nakamura Suzuki Watanabe Park Choi Wong Lim Chua Santos Reyes Cruz Aquino Bianchi Conti Papadakis
Georgiou Dimitrov Stoica Juric Babic Zeman Dvorak Lehtonen Eriksen Hansen Berg Holm Vos Mulder Peeters Lemaire Garnier Brandt Krause Vogel
Maurer Huber Steiner Bauer Winkler Adeyemi Eze Nkosi Sow Diallo Toure Cisse Levy Cohen Aydin Demir Sato Kimura Hayashi Bose Patel Reddy Das
Gupta Perera Fonseca Tuilagi Parata Whitaker Ellison Marsh Doyle Byrne Quigley Fraser""".split()

# Things: they can be counted and can also describe another thing ("the oven", "the oven doors").
NOUNS = """adapter address agenda agreement aisle alarm album alert aquarium archive armchair article audit award awning backpack badge bag bakery
balcony ball banner barrel barrier basket bathroom battery bed bell bench benchmark bicycle bill bin blackboard blanket blind blog board
boat boiler bonus book booth bottle bouquet bowl box bracelet bracket brake branch brief brochure broom bucket budget buffet bug bulb bunk
bus button cabin cabinet cable cage cake calculator calendar camera camp candle canopy car card carpet carriage cart cartridge case cashbox
catalog ceiling cellar certificate chair chapter charger chart checklist chimney choir cistern classroom client clinic clip clock cloth
coach coat coffin collar collection column comment committee compass competition complaint compressor concert conference console contact
container contest contract conveyor cookbook cooker copier costume counter course courier cover crane crate crib cupboard cup curtain
cushion customer cutter dashboard database deadline deck defect delivery deposit desk diagram diary dish dishwasher display ditch dock
document donation door doorbell dough draft drain drawer dress drill driver drone drum dryer easel editor elevator email engine envelope
error essay estimate event exam excavator excursion exercise exhibit exhibition exit experiment export extension extractor facade fair fan
farm faucet feature fee feeder fence ferry festival field file filter fireplace flag flask flier floor flower folder footpath forecast
forklift form fountain frame freezer fridge funnel fuse gallery game garage garden gate gateway generator gift glove goat grader grant graph
greenhouse grill guide guideline gutter hallway hammer handbook handle handover handrail hangar harness harvester headline headset heater
hedge helmet hen hive hook hose hotel hut hymn icon import incubator index inspection instrument insurer interface interview inventory
invitation invoice island jacket jar job journal kayak kettle key keyboard kiln kiosk kit kitchen label ladder lamp landing laptop laser
lathe lawn lawnmower layout leaflet lease lecture ledger lens lesson letter lever library licence lift light limit list loan lobby lock
locker log logo loom lorry machine magazine magnet mailbox manual map march marker market mask mat mattress meal medal meeting melody
membership memo menu message meter microphone microscope microwave migration mill mirror mixer mobile model module monitor monument mop
motor mould mug mural museum nest net newsletter newspaper notebook notice nozzle nursery offer office oven orchard orchestra order outfit
outlet package paddle painting pallet pamphlet pan panel parade parcel park partner parser partition password patch path patient pavilion
payment peg pen permit phone photo piano picnic picture pillow pipe pipette pitch planter plate platform playground playlist plot plug
plugin podcast podium policy poll pond pool portal portrait poster pot pram prescription price printer prize probe process profile program
project projector prompt proposal prototype pump puppet puzzle quarry query questionnaire queue quilt quiz quota quote rack radiator radio
raffle railing ramp reactor receipt recipe recorder recording refund register rehearsal release reminder rental repair replica report
request reservation resort result review rink road robot roof room rooster rope roster rota route router rucksack rug rule saddle safe sail
sample sandbox saw scaffold scale scan scanner scarf schedule school scooter score screen screw script sculpture seat seedling seminar
sensor serum server session shaft shed sheet shelf shelter shift ship shirt shop shower shredder shrub shutter sidewalk sign signal silo
sink site sketch slide slot sluice snack socket sofa song spade speaker sponsor spool spreadsheet sprinkler stable stage stair stall stamp
stand station statue statute sticker stool stove strap stretcher studio subscription suitcase survey sweater swing switch syllabus syringe
table tablet tank tap tapestry tarp task teapot telescope tender tent terminal terrace territory test textbook thermometer thermostat ticket
tile timer timetable token toolbox torch tour towel tower toy tractor trailer train trampoline translation trap tray tree trench trial
tripod trolley trophy truck trumpet tube tunnel turbine tutorial umbrella uniform upgrade urn vacuum valve van vase vault vehicle vendor
vest video viewer violin visit visitor volunteer voucher wagon waistcoat wall wardrobe warehouse warranty washer watch website wheel
wheelchair whistle whiteboard wig window wing wire workbench workflow workshop wreath wristband yard zone""".split()

# Words that only describe another thing ("the tenor parts").
MODIFIERS = """access accounting acoustic admin advertising aid air annual art assembly attendance audio autumn backup ballet bass bathing beach bike
billing biology blood boarding booking bread breakfast brass bronze butter camping canteen cardboard cargo cash cattle charity cheese
chemistry chess child cleaning climate cloud clothing coal coffee community company compost concrete cooling copper cotton craft crash crew
culture dairy dance data demo dental deployment design diesel digital dinner drainage drama dust ear easter edge education egg electricity
emergency energy entrance equipment evening eye family fashion feedback film finance fire fish fitness flight flour food football forest
freight fruit fuel fundraising furniture gas geography glass gold grain granite grape grass ground guest gym hair harvest hay health heating
heritage history holiday home honey hospital housing hygiene ice income indoor information insulation insurance intake iron ivory jazz juice
laboratory land language laundry lavender learning leather legal lemon lighting linen loading login logistics luggage lunch lumber mail
maintenance marble marketing maths meat media medicine metal milk mineral morning mountain music night noise nurse nutrition oak oil olive
onboarding online opera orange outdoor oxygen packing paint paper parent parking pastry payroll pension pepper pest petrol physics pine
plastic plumbing poetry pollen postal potato pottery poultry power privacy production property puff purchase quality radiation rail rain
recovery recruitment recycling regional rescue research retail rice river roadside rubber rye safety salad salt sand sales salmon satellite
savings science seafood search security seed sewage sheep shipping sick silk silver ski sleep smoke snow soap soil solar soprano sound soup
spice sport spring staff steam steel stone storage straw street student sugar summer sun supper supplier support surgery swimming tax tea
teacher tech tenor textile theatre timber tomato tourist town trade traffic training transport travel tuition university vaccine vanilla
vegetable village vinegar vision voice waste water weather web wedding welcome wheat wild wind wine winter wireless wood wool yeast youth""".split()

ADJECTIVES = """new old second broken shared spare big small weekly monthly yearly blue green red yellow white black grey empty heavy long short final first
third local mobile online outdoor printed public quiet rusty sealed signed silent simple single slow smart soft spotless square steep sticky
strong temporary thick thin tiny tall unused upper lower urgent wide wooden wet dry round rotten remote regular quick private portable plain
permanent outdated noisy narrow missing metal main large loose leaky late joint internal external hidden hourly frozen free foreign flat
faulty electric double daily cracked common cheap central bright basic automatic annual ancient antique blunt bumpy clumsy coarse colourful compact complete
cosy crooked damp dark deep digital dusty early elegant empty expensive faded fancy fragile fresh full general gentle giant glossy golden
handmade hollow huge humid ideal illegal indoor interim itchy lengthy light loud low lucky mini minor modern modest muddy neat official
organic oval pale patchy plastic playful popular proper purple random rapid rare raw royal rural salty secret seasonal sharp shiny
silver sloping smooth solid special stale stolen striped stylish sweet tasty tidy tough transparent ugly uneven unsafe useful
vintage vital weak weird yellowish""".split()

# Where things are: "the attic".
ROOMS = """attic basement archive cellar courtyard lobby hallway canteen reception warehouse garage annex library storeroom gym kitchen lounge hangar
yard depot chapel corridor laboratory stable barn greenhouse foyer cloakroom studio auditorium staircase vestry pantry mezzanine terrace
rooftop playroom sacristy saleroom cafeteria infirmary armoury toolshed nursery conservatory stairwell vault refectory cloister outbuilding
gallery concourse balcony bakehouse brewery darkroom hayloft shopfloor pub schoolhouse farmhouse cowshed hallstand ballroom crypt
museum boathouse cottage crypt loft bunker pavilion stockroom porch backroom veranda guardroom gatehouse dormitory wardroom showroom
boardroom sickbay workshop forecourt aviary orangery dairy tower tearoom""".split()

# (to do it, done)
VERBS = [
    tuple(pair.split("/"))
    for pair in """fix/fixed ship/shipped test/tested rewrite/rewritten review/reviewed measure/measured delay/delayed drop/dropped update/updated
replace/replaced move/moved order/ordered print/printed translate/translated document/documented cancel/cancelled rename/renamed split/split
merge/merged publish/published check/checked rebuild/rebuilt clean/cleaned install/installed remove/removed extend/extended
shorten/shortened approve/approved archive/archived simplify/simplified redesign/redesigned freeze/frozen launch/launched pause/paused
restart/restarted compare/compared record/recorded repair/repaired buy/bought sell/sold upgrade/upgraded share/shared keep/kept
change/changed finish/finished prepare/prepared send/sent sort/sorted copy/copied close/closed build/built write/written draft/drafted
book/booked automate/automated encrypt/encrypted migrate/migrated benchmark/benchmarked audit/audited outsource/outsourced retire/retired
inspect/inspected paint/painted label/labelled schedule/scheduled announce/announced renew/renewed refund/refunded trim/trimmed scan/scanned
bring/brought carry/carried take/taken transfer/transferred relocate/relocated deliver/delivered return/returned forward/forwarded
hand/handed postpone/postponed shift/shifted push/pushed reschedule/rescheduled rent/rented reserve/reserved borrow/borrowed
request/requested collect/collected switch/switched convert/converted ask/asked remind/reminded tell/told consult/consulted email/emailed
call/called brief/briefed inform/informed warn/warned use/used try/tried choose/chosen leave/left swap/swapped exchange/exchanged add/added
attach/attached append/appended include/included insert/inserted upload/uploaded show/shown present/presented demonstrate/demonstrated
explain/explained offer/offered divide/divided cut/cut store/stored hang/hung put/put place/placed park/parked mount/mounted
display/displayed raise/raised lower/lowered limit/limited increase/increased reduce/reduced cap/capped set/set stop/stopped start/started
begin/begun resume/resumed weigh/weighed wash/washed iron/ironed sew/sewn polish/polished sharpen/sharpened oil/oiled water/watered
fence/fenced lock/locked unlock/unlocked open/opened seal/sealed wrap/wrapped pack/packed unpack/unpacked load/loaded unload/unloaded
count/counted recount/recounted catalogue/catalogued digitise/digitised photograph/photographed film/filmed edit/edited proofread/proofread
rehearse/rehearsed advertise/advertised promote/promoted sponsor/sponsored fund/funded finance/financed insure/insured lease/leased
license/licensed register/registered certify/certified calibrate/calibrated tune/tuned sterilise/sterilised disinfect/disinfected
ventilate/ventilated insulate/insulated heat/heated cool/cooled dry/dried bake/baked taste/tasted decorate/decorated furnish/furnished
assemble/assembled dismantle/dismantled demolish/demolished renovate/renovated restore/restored recycle/recycled discard/discarded
donate/donated raffle/raffled auction/auctioned import/imported export/exported deploy/deployed debug/debugged refactor/refactored
patch/patched monitor/monitored log/logged tag/tagged index/indexed number/numbered colour/coloured laminate/laminated frame/framed
distribute/distributed circulate/circulated summarise/summarised shred/shredded sign/signed cosign/cosigned revise/revised amend/amended
reject/rejected abandon/abandoned evaluate/evaluated survey/surveyed map/mapped sketch/sketched model/modelled prototype/prototyped
plan/planned organise/organised host/hosted coordinate/coordinated supervise/supervised lend/lent dig/dug plant/planted harvest/harvested
prune/pruned feed/fed vaccinate/vaccinated quarantine/quarantined recruit/recruited streamline/streamlined standardise/standardised
centralise/centralised tidy/tidied rearrange/rearranged widen/widened""".split()
]
VERBS += [
    tuple(pair.split("/"))
    for pair in """set up/set up; take down/taken down; hand out/handed out; throw away/thrown away; pick up/picked up; look into/looked into; phase out/phased
out; roll out/rolled out; clear out/cleared out; sort out/sorted out; fill in/filled in; give back/given back; pay for/paid for; put up/put
up; write down/written down; tidy up/tidied up; lock up/locked up; turn off/turned off; turn on/turned on; switch off/switched off; wrap
up/wrapped up; draw up/drawn up; get rid of/got rid of; hold back/held back; bring back/brought back; try out/tried out; cut back/cut back;
work on/worked on; deal with/dealt with; count up/counted up; print out/printed out; ask for/asked for; call off/called off; swap
out/swapped out; look for/looked for; apply for/applied for; plan for/planned for; search for/searched for; search through/searched through;
agree on/agreed on; go through/gone through; break up/broken up; shut down/shut down; open up/opened up; close down/closed down; hang
up/hung up; pack away/packed away; heat up/heated up; dry out/dried out; measure up/measured up; order in/ordered in""".replace(
        "\n", " "
    ).split("; ")
]
# These need a person or a place with them, so they occur in frames only.
NOT_ALONE = "ask tell remind inform warn brief put hand email call consult push leave".split()
DONE = dict(VERBS)

# verbs, what is done, how it was done (None: no short passive). {t}, {u}, {ts}: topics, the last one a bare plural.
FRAMES = [
    (
        "move bring carry take send transfer relocate ship deliver return forward hand push",
        "{v} {t} to {place}",
        "{d} to {place}",
    ),
    ("move postpone shift push reschedule delay", "{v} {t} to {day}", "{d} to {day}"),
    (
        "order buy print rent reserve borrow request collect prepare sell donate plant pack label import",
        "{v} {n} {ts}",
        "{d}",
    ),
    ("switch change migrate convert move shift", "{v} from {t} to {u}", None),
    ("ask remind tell consult email call brief inform warn update", "{v} {name} about {t}", None),
    (
        "use try choose install buy take rent test deploy show order print",
        "{v} {t} instead of {u}",
        "{d}",
    ),
    ("keep leave", "{v} {t} closed on {weekday}", "kept closed"),
    ("keep leave", "{v} {t} open until {day}", "kept open"),
    (
        "keep store hang put place park mount display install pack load lock plant",
        "{v} {t} in {place}",
        "{d}",
    ),
    ("replace swap exchange compare merge", "{v} {t} with {u}", "{d}"),
    ("add attach append upload copy export return", "{v} {t} to {u}", "{d}"),
    ("insert include announce advertise record publish", "{v} {t} in {u}", "{d}"),
    (
        "show present demonstrate explain send offer lend return forward sell email",
        "{v} {t} to {name}",
        "{d}",
    ),
    ("split divide cut", "{v} {t} into {n} parts", "{d}"),
    (
        "test check review inspect clean repair count scan sign wash measure tune calibrate",
        "{v} {t} before {day}",
        "{d}",
    ),
    ("raise lower limit increase reduce cap set cut", "{v} {t} to {n} percent", "{d}"),
    ("stop start pause begin resume open close", "{v} {t} on {weekday}", "{d}"),
    ("clean check count test open inspect water measure update", "{v} {t} every {weekday}", "{d}"),
    (
        "write print draft publish record film plan sketch rehearse translate edit photograph",
        "{v} {t} for {u}",
        "{d}",
    ),
    ("test move postpone borrow share compare fund host", "{v} {t} and {u}", None),
    ("ask email call recruit tell consult", "{v} {name} to look at {t}", None),
]

TEAMS = """sales support design legal finance platform research mobile quality field hardware training security
operations marketing procurement data edge""".split()

ONSETS = [*"b br c ch d dr f g gr h j k kr l m n p pr r s sh st t tr v w y z".split(), ""]
VOWELS = "a e i o u ai ee ia io oo".split()
CODAS = ["", "", "", "l", "n", "r", "s", "m", "th", "x", "nd", "rk"]
BLENDS = 0.5
# Parts of the words of one kind that are made up in training: nothing may depend on knowing a word.
MADE_UP = {"verbs": 0.35, "nouns": 0.3, "modifiers": 0.4, "adjectives": 0.25}
LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXZ"
NUMBERED = "Room Hall Building Bay Line Class Ward Unit Gate Floor Lab".split()


def made_up(rng, split, syllables=(2, 3)):
    """A pronounceable word that belongs to `split` and to no other; in training also the head of one word with the tail of another.

    Such blends are spelled as English is. A model must not think that it knows how a word goes on.
    """
    while True:
        if split == TRAIN and rng.random() < BLENDS:
            head, tail = rng.choice(_cut()[split, "nouns"]), rng.choice(_cut()[split, "modifiers"])
            word = head[: rng.randint(2, 5)] + tail[-rng.randint(2, 4) :]
        else:
            count = rng.randint(*syllables)
            word = "".join(
                rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(count)
            ) + rng.choice(CODAS)
        if 3 <= len(word) <= 10 and split_of(word) == split:
            return word


def _acronym(rng, split):
    while True:
        word = "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 4)))
        if split_of(word) == split:
            return word


def person(rng, split):
    """A name as people write it: mostly a first name, made up in three of five cases, because names are an open list."""
    real = rng.random() < 0.4
    first = rng.choice(_cut()[split, "names"]) if real else made_up(rng, split).capitalize()
    if rng.random() < 0.88:
        return first
    last = (
        rng.choice(_cut()[split, "surnames"])
        if rng.random() < 0.6
        else made_up(rng, split).capitalize()
    )
    return rng.choice(
        [f"{first} {last}", f"{first} {last}", f"Dr. {last}", f"Mr. {last}", f"Ms. {last}"]
    )


class Topic(str):
    """Something that people discuss. `plural` chooses the verb form that follows it."""

    plural = False


def _topic(text, plural=False):
    made = Topic(text)
    made.plural = plural
    return made


def plural_of(noun):
    """The regular plural; `NOUNS` has hardly any others."""
    if noun in ("shelf", "leaf", "scarf"):
        return noun[:-1] + "ves"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh", "z")) else "s")


class _Words:
    """Draws the words of one split for one topic."""

    def __init__(self, rng, split):
        self.rng, self.split = rng, split

    def noun(self):
        share = MADE_UP["nouns"] if self.split == TRAIN else 0.1
        return (
            made_up(self.rng, self.split)
            if self.rng.random() < share
            else self.rng.choice(_cut()[self.split, "nouns"])
        )

    def nouns(self):
        return plural_of(self.noun())

    def modifier(self):
        if self.rng.random() < (MADE_UP["modifiers"] if self.split == TRAIN else 0.25):
            return made_up(self.rng, self.split)
        chance = self.rng.random()
        return self.rng.choice(_cut()[self.split, "modifiers" if chance < 0.5 else "nouns"])

    def adjective(self):
        if self.split == TRAIN and self.rng.random() < MADE_UP["adjectives"]:
            return made_up(self.rng, self.split)
        return self.rng.choice(_cut()[self.split, "adjectives"])

    def product(self):
        return made_up(self.rng, self.split).capitalize()

    def acronym(self):
        return _acronym(self.rng, self.split)

    def place(self):
        return f"{self.rng.choice(NUMBERED)} {self.rng.randint(1, 40)}"


# how often, the shape, is it plural
SHAPES = [
    (26, lambda w: f"the {w.modifier()} {w.noun()}", False),
    (13, lambda w: f"the {w.modifier()} {w.nouns()}", True),
    (8, lambda w: f"{w.modifier()} {w.nouns()}", True),
    (8, lambda w: f"the {w.adjective()} {w.noun()}", False),
    (3, lambda w: f"the {w.adjective()} {w.nouns()}", True),
    (5, lambda w: f"the {w.adjective()} {w.modifier()} {w.noun()}", False),
    (6, lambda w: f"the {w.noun()}", False),
    (3, lambda w: f"the {w.nouns()}", True),
    (2, lambda w: w.nouns(), True),
    (4, lambda w: f"the {w.modifier()} {w.noun()} {w.noun()}", False),
    (4, lambda w: f"{w.nouns()} for the {w.modifier()} {w.noun()}", True),
    (3, lambda w: f"the {w.nouns()} in the {w.noun()}", True),
    (2, lambda w: f"the {w.noun()} for {w.nouns()}", False),
    (3, lambda w: f"our {w.modifier()} {w.noun()}", False),
    (2, lambda w: f"our {w.nouns()}", True),
    (5, lambda w: f"the {w.product()} {w.noun()}", False),
    (4, lambda w: f"the {w.acronym()} {w.noun()}", False),
    (2, lambda w: f"the {w.place()} {w.noun()}", False),
    (1, lambda w: f"the {w.noun()} in {w.place()}", False),
    (2, lambda w: w.product(), False),
    (1, lambda w: f"version {w.rng.randint(1, 9)}.{w.rng.randint(0, 9)} of the {w.noun()}", False),
    (1, lambda w: f"version {w.rng.randint(1, 9)}.{w.rng.randint(0, 9)}", False),
    (1, lambda w: f"{w.product()} {w.rng.randint(2, 9)}", False),
    (2, lambda w: f"the {w.modifier()} list of {w.nouns()}", False),
]
_WEIGHTS = [weight for weight, _, _ in SHAPES]


def topic(rng, split):
    """A thing that people discuss, such as "the billing export" or "posters for the spring fair"."""
    _, shape, plural = rng.choices(SHAPES, _WEIGHTS)[0]
    return _topic(shape(_Words(rng, split)), plural)


def plain_verbs(split):
    """(to do it, done) of the verbs that make sense with a thing alone."""
    return _cut()[split, "alone"]


def _verb(rng, split, verb, done):
    """A verb and its participle; in training often one that does not exist."""
    if split != TRAIN or rng.random() >= MADE_UP["verbs"]:
        return verb, done
    new = made_up(rng, split, (1, 2))
    return new, new.removesuffix("e") + "ed"


def action(rng, split, about, other_topic):
    """(what is to be done, how it was done or None, the topic of it); `other_topic` makes a further topic when one is needed."""
    cut = _cut()
    if rng.random() < 0.58:
        verb, done = _verb(rng, split, *rng.choice(plain_verbs(split)))
        return f"{verb} {about}", done, about
    verb, pattern, done = rng.choice(cut[split, "frames"])
    verb, participle = _verb(rng, split, verb, DONE[verb])
    number = rng.randint(2, 60)
    if "{ts}" in pattern:
        words = _Words(rng, split)
        plural = rng.choice(
            [
                f"{words.modifier()} {words.nouns()}",
                words.nouns(),
                f"{words.adjective()} {words.nouns()}",
            ]
        )
        return f"{verb} {number} {plural}", participle, _topic(f"the {plural}", True)
    fields = {
        "v": verb,
        "d": participle,
        "t": about,
        "n": number,
        "u": other_topic() if "{u}" in pattern else "",
        "name": person(rng, split) if "{name}" in pattern else "",
        "place": _place(rng, split),
        "day": rng.choice(
            [
                rng.choice(WEEKDAYS),
                f"next {rng.choice(WEEKDAYS)}",
                rng.choice(MONTHS),
                f"{rng.randint(1, 28)} {rng.choice(MONTHS)}",
            ]
        ),
        "weekday": rng.choice(WEEKDAYS),
    }
    return pattern.format(**fields), done and done.format(**fields), about


def _place(rng, split):
    if rng.random() < 0.3:
        return f"{rng.choice(NUMBERED)} {rng.randint(1, 40)}"
    return f"the {rng.choice(_cut()[split, 'rooms'])}"


WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday".split()
SHORT_DAYS = "Mon Tue Wed Thu Fri Sat".split()
MONTHS = (
    "January February March April May June July August September October November December".split()
)
ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
OCCASIONS = """the holidays;the summer break;the spring break;the next meeting;the next release;the end of the year;the end of the day;
the start of next month;the end of next month;the weekend;the audit;the opening day;the next board meeting;two weeks from now;
a week from today;the middle of the month;the end of the quarter;the last day of the month;the open day;the end of term""".replace(
    "\n", ""
).split(";")


def date(rng):
    """A due date that reads well after "by". Calendars are closed lists, so all splits share them."""
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
            f"{rng.choice([day, 'tomorrow'])} {rng.choice(['evening', 'morning', 'afternoon', 'noon'])}",
            f"{rng.randint(1, 11)}{rng.choice(['am', 'pm'])} {rng.choice(['on ', ''])}{day}",
            f"{day} at {rng.randint(1, 11)}{rng.choice(['', ':30'])}{rng.choice(['am', 'pm', ' pm'])}",
            f"week {rng.randint(2, 51)}",
            rng.choice(OCCASIONS),
            rng.choice(OCCASIONS),
        ]
    )


# Wording of frames, dates and topics for `phrases.fixed_text`.
WORDING = " ".join(
    [
        "from to instead of closed on open until in with into parts before percent on every for and about look at list version more our the",
        "Dr. Mr. Ms. EOD mid early late noon lunchtime midday evening morning afternoon tomorrow tonight next week month am pm st nd rd th of",
        *WEEKDAYS,
        *SHORT_DAYS,
        *MONTHS,
        *[month[:3] for month in MONTHS],
        *OCCASIONS,
        *NUMBERED,
        "Q1 Q2 Q3 Q4 up down out away into for back off through",
    ]
)


def content_words(text):
    """The words of a name or topic, apart from short ones and titles."""
    return {word for word in text.lower().split() if word not in COMMON}


def distinct(make, count):
    """`count` results of `make` that have no word in common, apart from short ones and titles."""
    found, seen = [], set()
    while len(found) < count:
        candidate = make()
        own = content_words(candidate)
        if not own & seen:
            found.append(candidate)
            seen |= own
    return found


COMMON = {
    "the",
    "our",
    "for",
    "in",
    "of",
    "list",
    "version",
    "dr.",
    "mr.",
    "ms.",
    *(word.lower() for word in NUMBERED),
}


def generator(seed, split):
    """The random numbers of one split; a text seed makes each split its own stream."""
    return random.Random(f"{seed}/{split}")
