"""Sentence templates and requests put together from parts, for training only.

A fixed list of templates is soon known by heart. An opening, a core and an end, each drawn from a list, give thousands, and a
model that has met all of them relies less on any. Fields are those of phrases.py. Validation and test have templates of
their own, none of which can come out here (`meetings` checks).
"""

import functools

# Cores by voice and kind; openings and ends fit any core of the kind.
OPENINGS = {
    "spoken": """|||||OK, |Right, |So, |Well, |Fine, |Good, |Hmm, |Then |And |Look, |Listen, |Honestly, |All right, |To be clear, |As I said, |For the record, |Just so you know, |One thing, |Next one, |By the way, |Before I go, |From my side, |Oh, and |Um, |Yeah, |Quick one, |Anyway, |Moving on, |Let me add, |Also, |While I think of it, |And another thing, |Yes so |Ah yes, |Now, """,
    "reported": """||||||Then |Next, |After a short break, |Later, |At the end, |In short: |Note: |For the minutes: |After a long talk, |First, |Finally, |As expected, |Besides, |Towards the end, |This time |Also |On this, |In addition, |Point two: |Second point: |Then, after a pause, |Afterwards |Meanwhile, |All in all, |Short version: |Item 4: |1) |2) |3. |NB """,
    "short": "||||||* |- |-- |> |>> |1) |2. |3) |/ |+ |note: |nb: |ok, |so: |and: ",
}
ENDS = {
    "spoken": """||||||, OK?|, right?|, I think|, please note that|. Good.|. Fine.|. Next point.|. Thanks.|, as far as I know|, you know|. Anyway.|. That's it.|. Moving on.|, if that helps|. Please write that down.|, just saying|!|, I'd say|. Nothing more to say.""",
    "reported": """|||||| (see above)|, as planned|. No comments.|. Noted.|, it was said|, more or less|. Next point.|. Done.|; nothing further|, after some talk|. All clear.|, as before| (short discussion)|. Nothing to add.""",
    "short": """|||||| !| (!)| ok|.| (noted)|, fyi| - noted|; next| // ok""",
}
CORES = {
    "spoken": {
        "decide": """we {what}
we will {what}
we'll {what}
we're going to {what}
we are gonna {what}
let's just {what}
let us go ahead and {what}
I say we {what}
I'd say we {what}
the plan is that we {what}
the decision is that we {what}
everyone wants to {what}
it's best if we {what}
we should really {what}
we need to {what}
we've got to {what}
we have decided to {what}
we settled on this: {what}
the vote is in, we {what}
we want to {what} and that is final
we go with the plan to {what}
I propose to {what}, no objections, so that's what we do
we all said yes, we {what}
we chose to {what}
we're all for it, so {what} it is
the answer is yes, we {what}
it's a yes: we {what}
we're agreed, {what}
we will have to {what}, all agree
since {why}, we {what}
because {why}, we are going to {what}
we do it: {what}
our decision today is to {what}
it's settled, we will {what}
happy to {what}? Yes? Then we do
the team wants to {what}
I take it we {what} then
we might as well {what}, everybody is for it
the thing we do is {what}
what we agreed is to {what}
let's be brave and {what}
we finally {what}
nobody objects, we {what}
no objection, so we {what}
all in favour, we {what}
majority says {what}
that's a yes to {what}
then {what} is what we do
it comes down to this, we {what}
in the end we {what}
the choice is made, we {what}
I hear no one against it, so let's {what}
so be it, we {what}
we shook hands on it, we {what}
it's official, we {what}
I'd like to close this: we {what}
we finally said we would {what}
the group has spoken, we {what}
I would rather {what}, and nobody is against it
most of you want to {what}, so we do
what we do is {what}
what we'll do: {what}
I'd like to {what} and I hear only yes
it is decided then to {what}
to {what} is the plan, all agreed
let it be known that we {what}
my vote goes to {what}. Yours too? Good
rather than wait we {what}
{other} is right, we {what}
as {other} says, we {what}, agreed""",
        "own_self": """I'll do it by {due}
I will do it by {due}
I can do it by {due}
I'll do that one, by {due}
I'm doing it, by {due}
I'll sort it by {due}
I'll get to it by {due}
that's me, by {due}
mine, {due}
I'll have it by {due}
I take it, {due} is OK
I'll be done {due}
you'll get it {due}
I promise it for {due}
I'll see that it gets done by {due}
I can manage {due}
I've got it, by {due}
{due} works for me, I'll do it
by {due} I'll be through with it
give me until {due}
expect it from me by {due}
I'm the one, deadline {due}
I said I'd do it and I will, by {due}
write my name down, {due}
I'm happy to, by {due}
count me in, done by {due}
that one is mine, by {due}
my job then, {due}
I take care of that by {due}
you get it from me by {due}
I can have it ready by {due}
leave it with me until {due}
give me until {due} and I'm done
I volunteer, {due}
I'm on it, {due}
put my name on it, {due}
sure, I'll manage by {due}
okay me, {due}
I'd do that, {due} works""",
        "own_other": """{owner} will do it by {due}
{owner} does it by {due}
{owner} can do it by {due}
{owner} is doing it, by {due}
{owner} said {due}
{owner} will have it by {due}
it's for {owner}, by {due}
it's on {owner}, due {due}
{owner} has this one, {due}
{owner}, yours, by {due} please
{owner}, you do it, by {due}
{owner}, can we have it by {due}
that goes to {owner}, by {due}
we give it to {owner}, who has until {due}
{owner} takes care of it by {due}
{owner} looks after it, date is {due}
by {due}, {owner} does it
{due} is the date and {owner} the person
the person is {owner}, the date {due}
{owner} raised a hand, {due}
I'd like {owner} on it, by {due}
{owner} gets it done by {due}
let {owner} do it, until {due}
put {owner} down, {due}
{owner} already knows, {due}
{owner} said yes to that, by {due}
{owner} has it, by {due}
{owner} looks after it, {due}
{owner} gets it, until {due}
{owner} volunteered, by {due}
that's one for {owner}, {due}
I'd give it to {owner}, by {due}
{owner} please, by {due}
{owner} promised it by {due}
we get it from {owner} by {due}
{owner}, your job, {due}
{owner}, can you by {due}? Great
up to {owner}, till {due}
{owner} in charge, {due}""",
        "own_no_date": """I'll do it, no date
I'll do it when I can
mine, but no date
I take it, date unknown
I'll do it at some point
I'm on it, can't say when
I will do it, we see when
I'll take care of it, without a date""",
        "no_owner": """nobody wants it, due by {due}
no owner, but by {due}
someone has to do it by {due}, no idea who
it's due {due}, and nobody is down for it
no name yet, the date is {due}
we have no one for it, deadline {due}
nobody for it yet, it's due by {due}
no name yet, but {due} it is
who does it? Silence. Still, by {due}
{due} it is, only we have no one for it
somebody has to, by {due}, no one raised a hand
it's needed by {due}, I just don't know who does it""",
        "item_self": """I'll {what} by {due}
I will {what} by {due}
I'm going to {what} by {due}
I'll {what}, by {due}
I can {what} by {due}
I have to {what} by {due}
I want to {what} by {due}
I need to {what} by {due}
I said I'd {what} by {due}
I plan to {what} by {due}
I'll go and {what}, {due}
my task is to {what} by {due}
by {due} I'll {what}
until {due} I {what}
it's me who will {what} by {due}
I agreed to {what} by {due}
I'm down to {what} by {due}
I'll make sure to {what} by {due}
I'll get round to {what}... I mean, I {what} by {due}
I'd better {what} by {due}
I'm supposed to {what} by {due}
somebody must {what}, that's me, by {due}
I promise to {what} by {due}
I'd {what}, by {due}
let me {what} by {due}
my task is to {what}, {due}
I was asked to {what} by {due}
count on me to {what} by {due}
by {due} I {what}
until {due} I will {what}
I'll go and {what}, {due} the latest
somebody has to {what}, I'll do it by {due}
by {due} I can {what}
by {due} you'll see me {what}
{due} is when I {what}
my part: {what}, {due}
my homework: {what} by {due}
what I do next is {what}, by {due}
I do this by {due}: {what}
to {what} is my job, by {due}
{what}? I do that by {due}
{what}, that's me, {due}
it's me who has to {what} by {due}
I'm happy to {what} by {due}
I still have to {what} by {due}
I'll do that: {what}, {due}""",
        "item_other": """{owner} will {what} by {due}
{owner} should {what} by {due}
{owner} needs to {what} by {due}
{owner} can {what} by {due}
{owner} has agreed to {what} by {due}
{owner} is down to {what} by {due}
{owner}, {what} by {due}
{owner}, please {what}, by {due}
{owner}, could you {what} by {due}
{owner}, you {what} by {due}
{owner}, would you {what} for us by {due}
{owner} said they'd {what} by {due}
{owner} will go and {what}, {due}
by {due}, {owner} will {what}
we asked {owner} to {what} by {due}
we want {owner} to {what} by {due}
let {owner} {what} by {due}
{owner} is supposed to {what} by {due}
{owner} wants to {what} by {due}
it's for {owner} to {what} by {due}
I told {owner} to {what} by {due}
make sure {owner} can {what} by {due}
{owner} will then {what}, say {due}
to {what}, that's for {owner}, by {due}
{what}: that is {owner}, {due}
{owner} has to {what} by {due}
{owner} is going to {what} by {due}
{owner} was asked to {what} by {due}
{owner}, would you {what} by {due}
{owner}, can you {what} by {due}? Thanks
{owner}, please {what} by {due}
{owner}, you {what} by {due}, right
by {due} {owner} should {what}
until {due} {owner} will {what}
we need {owner} to {what} by {due}
somebody has to {what}, {owner} does it by {due}
{owner} promised to {what} by {due}
by {due} I want {owner} to {what}
{due} is when {owner} has to {what}
{what}, that's {owner}, {due}
{what}? {owner} does it by {due}
{what} goes to {owner}, by {due}
to {what} is the job of {owner}, by {due}
it's {owner} who has to {what} by {due}
one for {owner}: {what}, {due}
one for {owner}, by {due}: {what}
{owner} does this by {due}: {what}
homework for {owner}, {what} by {due}
who will {what} by {due}? {owner}? Great
could {owner} {what} by {due}? Yes
{owner} is happy to {what} by {due}
{owner} still has to {what} by {due}
{other} asked {owner} to {what} by {due}
remember, {owner}, {what} by {due}
{owner}, don't forget to {what} by {due}""",
        "decide_own": """{owner} will {what} by {due}, that's decided
we decided that {owner} will {what} by {due}
we agreed {owner} should {what} by {due}
it's decided, {owner} will {what}, by {due}
the decision: {owner} is to {what} by {due}
we all agree {owner} should {what} by {due}
decided then, {owner} {what}, {due}
we say yes, {owner} will {what} by {due}
we want {owner} to {what} by {due}, all agreed
we agreed that {owner} will {what} by {due}
the decision is that {owner} will {what} by {due}
so {owner} gets to {what} by {due}, agreed
it's decided, {owner} will {what}, {due}
we {what}, {owner} does it, {due}
we want {owner} to {what} by {due}
all in favour of {owner} to {what} by {due}? Good
{owner} wants to {what} by {due} and everybody is for it
at {owner}'s own wish, {owner} will {what} by {due}, agreed
yes to the plan: {owner} {what} by {due}
all agree that {owner} should {what} by {due}""",
        "decide_also": """we also said we {what}, and {owner} does it by {due}
also decided: we {what}, {owner} by {due}
another decision, {owner} will {what} by {due}
second decision, {owner} is to {what} by {due}
we decided one more thing, we {what}, that's {owner}, by {due}
and decided too: {owner} will {what} by {due}
we agreed as well that {owner} will {what} by {due}
second thing, we {what}, {owner}, {due}
one more decision: {owner} will {what} by {due}
and we want {owner} to {what} by {due}, agreed
also settled: we {what}, {owner} by {due}
another yes: we {what} and {owner} does it by {due}
next decision, {owner} to {what} by {due}
the other thing we do: {what}, that's {owner}, {due}""",
        "open": """we don't know {open}
we still don't know {open}
nobody knows {open}
I have no idea {open}
I don't know {open}
it's not clear {open}
it's unclear {open}
it's open {open}
still open {open}
open question {open}
we haven't decided {open}
not decided yet {open}
we need to know {open}
somebody should find out {open}
the big question is {open}
who knows {open}
do we know {open}? No
any idea {open}? Nope
we can't say {open}
we never said {open}
we have to find out {open}
I can't tell you {open}
it depends, we don't know yet {open}
let's park that: {open}
can anyone say {open}? Nobody
no one could tell me {open}
that leaves the question {open}
they asked {open}, we don't know
undecided: {open}
I keep asking {open}, no answer
what nobody told me is {open}
I would love to know {open}
we never got to {open}
remind me to ask {open}
I asked around {open}, and everyone shrugged
I'm still puzzled {open}
I'm not sure {open}
hard to say {open}
we ran out of time for this: {open}
we leave it for later, {open}
for another day: {open}
nothing settled on {open}
I doubt anyone can tell {open}
can't tell {open}
tell me {open}, somebody? No?
we argued about {open} and got nowhere
we couldn't agree {open}
we skip that, {open}
something I don't get is {open}
it's a mystery {open}
that depends on {open}, and we don't know
let's think about {open} until next time
pending: {open}
we still need an answer on {open}
we owe them an answer: {open}
there was no word {open}
the jury is out {open}
who can look into {open}? Silence
wondering {open}
I keep wondering {open}
one question stays, {open}
the only thing missing is {open}
somebody asked {open} and we had no reply
I can't find out {open}
up in the air {open}
left for next week {open}
{open}? We don't know
{open}? No idea
{open}? Nobody knows
{open}, that we don't know
{open}, that's still the question
{open} is a question for later
{open}, anyone? No answer""",
        "risk": """the risk is {risk}
the risk is that {risk}
I'm worried that {risk}
I worry that {risk}
there's a risk that {risk}
it could be that {risk}
it might happen that {risk}
maybe {risk}, that's the risk
what if {risk}
I'm scared that {risk}
let's hope not, but the risk is that {risk}
careful, or {risk}
we run the risk that {risk}
if it goes wrong, {risk}
it's risky, perhaps {risk}
worst case, {risk}
my fear is that {risk}
note the risk, {risk}
don't forget that maybe {risk}
one danger, {risk}
we could have trouble if {risk}
trouble is, {risk} maybe
I've seen it before: {risk}
with a bit of bad luck {risk}
suppose {risk}
imagine {risk}
God help us if {risk}
I lose sleep over this: {risk}
I dread that {risk}
I get nervous that {risk}
I'm anxious that {risk}
I'm uneasy, perhaps {risk}
I hope it won't be that {risk}
it would hurt if {risk}
it would be awful if {risk}
in a bad case {risk}
the weak spot: {risk}
a threat is that {risk}
the threat here is {risk}
my concern is {risk}
concern from me: {risk}
one worry: {risk}
big worry, {risk}
a warning from me, {risk}
be warned, {risk}
mind you, {risk} could happen
keep in mind that {risk} if we are unlucky
it may well be that {risk}
possibly {risk}, and then we are stuck
chances are {risk}
we gamble here, {risk}
it's dangerous, {risk}
the downside is that {risk}
the catch is that {risk}
the problem could be that {risk}
there's a fair chance that {risk}
if luck leaves us, {risk}
it keeps me up at night that {risk}
pray that it is not so, but {risk}""",
        "correct_date": """no, {due}
no wait, {due}
sorry, {due}
I mean {due}
make that {due}
I meant {due}, not {old}
not {old}, {due}
{old} won't work, {due}
{due} is better than {old}
let's say {due} instead
can we do {due} instead of {old}? Yes
actually {due}
it's {due} now, not {old}
change that to {due}
{old} is out, so {due}
better {due}
we move it to {due}
scrap {old}, it's {due}
oops, {due}
wrong day, {due}
hold on, {due} it is
wait, not {old} but {due}
I said {old}, I meant {due}
forget {old}, {due}
let me correct that, {due}
on second thoughts {due}
{old}? No, {due}
it slips to {due}
we push it to {due}
we pull it to {due}
{old} is a holiday, so {due}
that was a slip of the tongue, {due}
can I have more time, say {due}? Fine
it's {due} after all
for the notes, {due} and not {old}
hm, {old} is too tight, {due}
{due} replaces {old}""",
        "correct_owner": """no, {owner} does it
no wait, {owner} will do it
sorry, {owner} does it, not me
I can't, {owner} will
not me, {owner}
{owner} takes it from me
{owner} does it for me
make that {owner}
actually {owner} will do it
I pass it to {owner}
I give it to {owner}
{owner} is doing it now
it's {owner} now, not me
change that to {owner}
better {owner} than me
I'm out, {owner} is in
oops, {owner} does it
wrong, {owner} has it
hold on, {owner} wants to do it
wait, not me but {owner}
I'm away, {owner} takes over
on second thoughts {owner} should do it
let me give that to {owner}
{owner} knows that better, so {owner} does it
can {owner} do it instead? Yes
that was too quick, {owner} does it
ah, I'm on holiday then, {owner} can
{owner} said they would do it for me
for the notes, {owner} and not me
let {owner} do it instead of me
it's {owner} after all
I swap, {owner} gets that one""",
        "hand_over": """{topic} {is} with {owner} now
{owner} has {topic} now, not me
{owner} takes over {topic}
{topic} move{s} to {owner}, I can't
I give {topic} to {owner}
about {topic}, {owner} will do that and not me
change on {topic}: {owner} does it
{owner} now looks after {topic}
from now on {topic} {is} the job of {owner}
I can't do {topic} any more, {owner} will
{topic} {is} now on {owner}
{owner}, you get {topic} from me, right? Good""",
        "dropped": """we could {what}
maybe we {what}
let's {what}? Just an idea
I'd {what}
my idea was to {what}
I thought we might {what}
what if we {what}
why not {what}
somebody wants us to {what}
last week we said we would {what}
the old plan was to {what}
I always wanted to {what}
some say we should {what}
one way is to {what}
how about we {what}
wouldn't it be nice to {what}
first I thought we {what}""",
        "decide_instead": """no, we {what} instead
no, better {what}
forget that, we {what}
scrap that, we {what}
bad idea, let's {what}
not that, we {what}
nobody likes that, so we {what}
I'd rather we {what}, and all agree
we won't, we {what} and that's final
let's {what} instead, agreed
that's off, the decision is to {what}
instead of that we {what}
that's too much, so we {what}, decided
okay no, in the end we {what}
on reflection we {what}
we drop it and {what}
then rather {what}, yes? Good""",
        "problem": """something is wrong with {topic}
we have to talk about {topic}
I got mails about {topic}
{topic} again
let's start with {topic}
{other} is not happy about {topic}
nobody likes {topic}
next is {topic}
{topic} bother{s} me
about {topic}""",
        "chatter": """I like {topic}
{topic} {is} fine
{topic} {is} fine, nothing to do there
{topic} {was} {done}, by the way
{other} is on holiday
{other} says hello
{other} is late again
how was your weekend, {other}
did you see the game
my screen went black
sorry, I was on mute
can you hear me
it's so hot in here
the coffee is cold
who took my pen
lunch is at noon
nice shirt, {other}
thanks for the cake, {other}
let's not talk about {topic} today
we had {topic} last time already
{topic} next time
nothing about {topic} from me
{number} people came
we are {number} now
the {team} team moved upstairs
I met {other} on the train
the weather is awful
happy birthday, {other}
hm, where was I
my dog barks, sorry
is there any water left
{other} told me about {topic}, very nice
we {done} {topic} in spring, remember
open the window, please
let's take a break
somebody parked in my place
I have to leave in {number} minutes
the lift is broken
sorry, wrong window""",
    },
    "reported": {
        "decide": """we {what}
we will {what}
we decided to {what}
we agreed to {what}
we're going to {what}
the team will {what}
the team wants to {what}
the team agreed to {what}
the group decided to {what}
they decided to {what}
decided to {what}
agreed to {what}
decision to {what}
decision: we {what}
decision: {what}
all agreed to {what}
everybody said yes to this: {what}
the decision was to {what}
the plan is to {what}
the idea to {what} was accepted
vote: {what}
yes to {what}
we settled on {what}
we want to {what}
it was agreed that we {what}
it was decided that we {what}
{other} said we should {what}, all agreed
{other} wants to {what}, nobody was against it
{other} and the others want to {what}
{other} suggested to {what}, fine with everyone
we have to {what}, because {why}
since {why}, we {what}
as {why}, the decision was to {what}
outcome: {what}
result: we {what}
so we {what}
the thing we agreed is to {what}
most were for it, so we {what}
the board said yes, we {what}
there was a clear yes to the idea to {what}
in favour: all; we {what}
the vote was to {what}
it was voted to {what}
it was decided to {what}
it was agreed to {what}
it was settled that we {what}
resolved: {what}
resolved to {what}
approved: {what}
the plan to {what} was accepted
the plan to {what} won
the idea to {what} got all votes
{other} proposed to {what} and everybody agreed
{other} suggested to {what}; agreed
we chose to {what}
the choice was to {what}
people voted to {what}
with no one against it we {what}
{other} wanted to {what}, and so did all the others
{other} pushed for it, and we will {what}
on the idea of {other} we will {what}
rather than wait, we {what}
to {what} is the plan, all agreed
{what}: agreed by all
{what}: yes
yes to the plan to {what}""",
        "own_other": """{owner} does it by {due}
{owner} will do it by {due}
{owner} is doing it by {due}
{owner} has it, {due}
{owner} has it until {due}
{owner} takes it, {due}
{owner}, by {due}
{owner}, due {due}
owner {owner}, due {due}
{owner} is on it, due {due}
{owner} takes care of it by {due}
{owner} will handle it, date {due}
{owner} is in charge, {due}
{owner} said by {due}
{owner} promised {due}
{owner} is going to do this by {due}
{owner} can do it by {due}
this goes to {owner}, {due}
this one is with {owner}, due {due}
it's on {owner}, by {due}
{owner} gets it done by {due}
{owner} volunteered, {due}
we gave it to {owner}, by {due}
we asked {owner}, {due} is fine
by {due}, {owner} does it
the date is {due} and {owner} does it
in the hands of {owner}, by {due}
{owner} in charge, {due}
{owner} is in charge of it until {due}
{owner} looks after it until {due}
{owner} promised it by {due}
{owner} agreed to do it by {due}
{owner} was asked to do it by {due}
{owner} is to finish it by {due}
owner: {owner} ({due})
given to {owner}, {due}
assigned to {owner}, due {due}
this goes to {owner}, by {due}
{owner} has time until {due}
deadline {due}, owner {owner}
until {due}: {owner}""",
        "own_no_date": """{owner} does it, no date
{owner} has it, date open
{owner} will do it at some point
{owner} is on it, no date given
{owner} takes it, no idea when
owner {owner}, no date
{owner} will do it when there is time""",
        "no_owner": """no owner, due {due}
nobody does it yet, due {due}
we have nobody for it, date {due}
nobody named, deadline {due}
no one said yes, but it must be ready by {due}
no name yet, due {due}
nobody raised a hand, due by {due}
due {due}; no one for it yet
still without an owner, by {due}
needed by {due}, but by whom is open
owner missing, date {due}""",
        "item_other": """{owner} will {what} by {due}
{owner} to {what} by {due}
{owner} is to {what} by {due}
{owner} should {what} by {due}
{owner} must {what} by {due}
{owner} needs to {what} by {due}
{owner} can {what} by {due}
{owner} said they will {what} by {due}
{owner} will try to {what} by {due}
{owner} plans to {what} by {due}
{owner} is down to {what} by {due}
{owner} has agreed to {what} by {due}
{owner}: {what} by {due}
{owner}: {what}, due {due}
{owner} - {what}, {due}
we asked {owner} to {what} by {due}
{other} wants {owner} to {what} by {due}
by {due}, {owner} will {what}
until {due} {owner} has to {what}
to do {owner}: {what} by {due}
action {owner}: {what}, {due}
also {owner} to {what} by {due}
someone has to {what}, {owner} said yes, by {due}
{owner} will go and {what}, {due}
{owner} and nobody else will {what} by {due}
{what}: {owner}, by {due}
{owner} has to {what} by {due}
{owner} promised to {what} by {due}
{owner} was asked to {what} by {due}
{owner} offered to {what} by {due}
{owner} volunteered to {what} by {due}
{owner} is to {what} before {due} ends, that is by {due}
{owner} is going to {what} by {due}
until {due}, {owner} will {what}
{other} asked {owner} to {what} by {due}
task for {owner}: {what}, {due}
job for {owner}: {what}, until {due}
{what}: {owner} does that by {due}
{what} is the job of {owner}, due {due}
to {what} is up to {owner}, by {due}
someone must {what}; {owner} does, by {due}
deadline {due} for {owner} to {what}
by {due}, {owner} has to {what}
{due}: {what} ({owner})
{what} ({owner}) by {due}
{what}, {owner}, by {due}
{what}, by {owner}, until {due}
{what} by {due}, {owner} does it
{what}: {owner}, {due}
{owner} does this by {due}: {what}
{owner} has one task: {what}, {due}
{owner}'s task: {what} by {due}
{other} told {owner} to {what} by {due}
{other} thanked {owner}, who will {what} by {due}
{owner} told {other} that they will {what} by {due}
{owner} said they would {what} by {due}
{owner} is happy to {what} by {due}
{owner} still has to {what} by {due}
not before next week but by {due} {owner} will {what}
as {other} has no time, {owner} will {what} by {due}
on request of {other}, {owner} will {what} by {due}""",
        "decide_own": """decided that {owner} will {what} by {due}
agreed that {owner} will {what} by {due}
decision: {owner} to {what} by {due}
the team wants {owner} to {what} by {due}
it was agreed for {owner} to {what} by {due}
we decided {owner} should {what} by {due}
all agreed, {owner} will {what} by {due}
decision: {what}, {owner}, by {due}
it was decided that {owner} will {what} by {due}
agreed: {owner} will {what} by {due}
we decided to {what}; {owner}, {due}
the team decided to {what}, {owner} does it by {due}
the group wants {owner} to {what} by {due}
result: {owner} will {what} by {due}
decision: {what}. Owner {owner}, due {due}
{owner} got the job to {what} by {due}, all agreed
voted: {owner} to {what} by {due}
{other} proposed that {owner} will {what} by {due}; agreed
on the idea of {other}, {owner} will {what} by {due}, all agreed
{other} and {owner} agreed: {owner} will {what} by {due}
{owner} will {what} by {due}; everybody agreed
everybody agreed: by {due} {owner} will {what}
by {due}, {owner} will {what}, that was decided
{what}: decided, {owner} by {due}""",
        "decide_also": """also decided: {owner} will {what} by {due}
also decided to {what}, {owner} by {due}
second decision: {what}, {owner}, {due}
another decision: {owner} to {what} by {due}
we also agreed to {what}, {owner} does it by {due}
further decision, {owner} will {what} by {due}
and decided that {owner} will {what} by {due}""",
        "open": """we don't know {open}
we still don't know {open}
nobody knows {open}
nobody could say {open}
not sure {open}
unclear {open}
it's unclear {open}
it's open {open}
open {open}
still open {open}
not decided {open}
we did not decide {open}
no decision on {open}
no answer on {open}
question: {open}
open question {open}
{other} asked {open}, no answer
{other} does not know {open}
{other} wonders {open}
we have to find out {open}
to find out: {open}
someone should check {open}
for next time: {open}
left open {open}
we could not say {open}
it was not said {open}
the team does not know {open}
it remains to be seen {open}
not settled: {open}
not resolved {open}
we could not agree {open}
no agreement on {open}
left for next time: {open}
carried over: {open}
postponed: {open}
to be discussed: {open}
pending {open}
pending: {open}
missing: an answer on {open}
we need an answer on {open}
awaiting word on {open}
nobody had an answer to this: {open}
nobody could explain {open}
it is a mystery {open}
the group argued about {open}, with no result
{other} wanted to know {open}; no one knew
{other} will ask {open}
{other} could not say {open}
{other} was not sure {open}
there is doubt {open}
doubts remain {open}
up in the air: {open}
parked: {open}
this was parked: {open}
outstanding: {open}
item without a result: {open}
remaining question: {open}
the last question, {open}, stays
one thing is missing: {open}
we ran out of time on {open}
nothing was said on {open}
it depends on {open}, which nobody knows
{open} is not known
{open} is open
{open} is not decided
{open}: no answer
{open}: to be decided
{open}: nobody knows
{open}, that is still the question
{open}? No answer""",
        "risk": """risk: {risk}
the risk is that {risk}
the risk: {risk}
a risk: {risk}
there is a risk that {risk}
{other} is worried that {risk}
{other} is afraid that {risk}
{other} thinks that maybe {risk}
we are worried that {risk}
it could happen that {risk}
might be that {risk}
possible problem: {risk}
the danger is that {risk}
concern: {risk}
worry: {risk}
watch out, {risk}
if we are not careful, {risk}
worst case {risk}
threat: {risk}
danger: {risk}
fear: {risk}
bad case: {risk}
one threat is that {risk}
a concern is that {risk}
{other} is anxious that {risk}
{other} is nervous that {risk}
{other} is uneasy and thinks that {risk}
{other} warns that {risk}
{other} dreads that {risk}
{other} raised a worry: {risk}
{other} said it may be that {risk}
the downside: {risk}
the downside is that {risk}
weak spot: {risk}
it would be bad if {risk}
it would hurt us if {risk}
with some bad luck, {risk}
if we have bad luck, {risk}
it may be that {risk}
it might turn out that {risk}
chances are that {risk}
to keep an eye on: {risk}
keep an eye on this: {risk}
we should watch that: maybe {risk}
it is dangerous, because {risk}
this is risky, as {risk}
possible trouble: {risk}
trouble ahead if {risk}
the plan fails if {risk}
what we fear is that {risk}
something that scares people: {risk}
warning, {risk}
the catch: {risk}""",
        "correct_date": """no, {due}
sorry, {due}
now {due}
now {due}, not {old}
changed to {due}
moved to {due}
moved from {old} to {due}
{due} instead of {old}
{due}, not {old}
not {old}, {due}
{old} was wrong, {due}
{old} is too early, {due}
correction: {due}
make that {due}
the new date is {due}
then it became {due}
was {old}, is now {due}
pushed from {old} to {due}
put off from {old} to {due}
{old} was a mistake, it is {due}
later changed to {due}
forget {old}: {due}
date changed, {due}
new date {due}
it slipped from {old} to {due}
on second thoughts {due}
({due} instead of {old})
(later: {due}, not {old})
correction of the above: {due}, not {old}
that was a slip, {due} is right
{other} asked for more time, so {due}
as {other} is away, {due} instead of {old}
{old} is a holiday, so {due}
it is {due} after all""",
        "correct_owner": """no, {owner} does it
sorry, {owner} does it
now {owner}
now {owner}, not {old}
{owner} instead of {old}
{owner}, not {old}
not {old}, {owner} does it
{old} can't, {owner} does it
{old} is out, {owner} takes it
{owner} took it from {old}
{old} gave it to {owner}
moved from {old} to {owner}
correction: {owner}
{owner} does it for {old}
{owner} will do it, {old} has no time
was {old}, is now {owner}
passed from {old} to {owner}
{old} is away, so {owner} does it
{old} backed out, {owner} stepped in
later given to {owner}
{owner} replaces {old}
{owner} steps in for {old}
on second thoughts {owner}
wrong name: not {old} but {owner}
{old} swapped with {owner}, so it is {owner}
(with {owner} now, not {old})
({owner} instead of {old}, as said later)
{owner} has it now and {old} is free
{old} cannot do it after all, {owner} can
{old} asked {owner} to do it instead, fine
that was a slip, {owner} does it
correction of the above: {owner}, not {old}
it is {owner} after all""",
        "hand_over": """{topic} {is} with {owner} now, not {old}
{owner} takes over {topic} from {old}
{topic} move{s} from {old} to {owner}
{old} gave {topic} to {owner}
{topic}: {owner} instead of {old}
change on {topic}, {owner} does it and not {old}
{owner} now looks after {topic}, not {old}
from now on {topic} {is} the job of {owner}
{topic}: {old} passed this on to {owner}
{topic} {was} passed on from {old} to {owner}
{old} has no time for {topic}, so {owner} does it
later {topic} went to {owner}""",
        "dropped": """the first plan was to {what}
first plan: {what}
{other} wanted us to {what}
{other} said we could {what}
{other} would like to {what}
an early idea was to {what}
we had planned to {what}
last week the plan was still to {what}
some wanted to {what}
at first the plan was to {what}
it was suggested to {what}
on the table: {what}
option one: {what}
one idea: {what}""",
        "decide_instead": """no, we {what} instead
this was turned down; we {what}
turned down. Decided to {what}
rejected, the decision is to {what}
that was rejected, so we {what}
not accepted; we {what} instead
instead it was decided to {what}
the group wants to {what} instead
instead we {what}
now we {what} instead
in the end: {what}
final decision: {what}
in the end everybody wanted to {what}
that is off, we {what}
option two won: {what}
the other option won, we {what}
this was given up and we {what}""",
        "problem": """talk about {topic}
topic: {topic}
next topic: {topic}
{other} is unhappy with {topic}
{other} had mails about {topic}
something is wrong with {topic}
{topic} {is} a problem
trouble with {topic}
we talked about {topic}
we began with {topic}""",
        "chatter": """{topic} {is} fine
{topic} {is} in order
{topic} {was} {done} in spring
{topic}: next time
{topic}: nothing to do
no news on {topic}
{other} is on holiday
{other} was ill
{other} came late
{other} had to go early
{other} talked about {topic} for a while
{other} liked {topic}
{other} brought cake
{other} told a joke
thanks to {other} for the cake
the {team} team says hello
the {team} team came by
{number} people were there
{number} people were missing
a break of {number} minutes
it was hot
the projector did not work
the room was too small
coffee was served
we heard a bit about {topic}
{other} showed photos of {topic}
{topic} {was} not talked about
we were {number} minutes late
somebody's phone rang all the time
next meeting in the same room""",
        "accept_late": """{owner} did not want to, now does it by {due}
first {owner} said no, then yes, by {due}
{owner} hesitated, then agreed, {due}
{owner} was not keen but does it by {due}
{other} asked twice, then {owner} said yes, by {due}
{owner} gave in and does it by {due}
after a no at first, {owner} takes it, {due}
{owner} said no, then yes: {due}""",
    },
    "short": {
        "decide_own": """{what}, {owner}, {due}
{what} - {owner}, {due}
{what} / {owner} / {due}
{what} | {owner} | {due}
{what} ({owner}, {due})
{what} ({owner} by {due})
{what}: {owner}, {due}
{what} -> {owner} ({due})
{owner} to {what}, {due}
{owner} to {what} by {due}
{owner} {what} by {due}
decision: {what} - {owner}, {due}
decision {what}, {owner} by {due}
decided {what}, {owner}, {due}
decided to {what}, {owner} {due}
decided {owner} to {what} by {due}
agreed to {what} ({owner}, {due})
agreed {what}, {owner}, by {due}
we {what}. {owner}, {due}
we will {what}, {owner} till {due}
will {what}; {owner}; {due}
plan: {what} - {owner} - {due}
going to {what}, {owner}, by {due}
yes, {what}. {owner} {due}
dec. {what} [{owner}] [{due}]
yes to {what}; {owner}, {due}
yes: {what}. {owner} til {due}
ok to {what}, {owner}, {due}
go for it: {what}, {owner}, {due}
final: {what} / {owner} / {due}
D: {what}, {owner}, {due}
we {what} - {owner} until {due}
all agreed: {what}, {owner}, {due}
voted {what} ({owner}, {due})
{what} it is, {owner}, {due}
settled: {what}, {owner}, {due}
decided. {what}. {owner}. {due}
team will {what}, {owner}, til {due}
result: {owner} to {what} by {due}""",
        "decide_no_owner": """{what}, nobody, {due}
decision: {what}, no owner, {due}
decided to {what}, who? {due}
{what} (?, {due})
agreed {what}, owner open, {due}""",
        "decide_no_date": """{what}, {owner}, no date
decision: {what}, {owner}, date?
decided to {what}, {owner}, no date
{what} ({owner}, ?)
agreed {what}, {owner}, date open""",
        "item_other": """{owner} to {what}, {due}
{owner} to {what} by {due}
{owner} {what} by {due}
{owner} {what} {due}
{owner}: {what} {due}
{owner}: {what} by {due}
{owner} - {what} - {due}
{owner} - {what} by {due}
{owner} | {what} | {due}
{owner}, {what}, {due}
{what} ({owner}, by {due})
{what} by {owner}, {due}
{what}, {owner}, {due}
todo: {what}, {owner}, {due}
todo {what} ({owner} {due})
task {owner}: {what} {due}
action {owner} - {what} - {due}
also {owner}: {what}, {due}
also {owner} to {what} by {due}
then {owner} to {what}, {due}
{owner} will {what}, {due}
{owner} does {what}, {due}
by {due}: {owner} {what}
{due} {owner} {what}
{due} - {owner}: {what}
{due}: {what} ({owner})
by {due} {what} - {owner}
by {due}, {owner}: {what}
{what} < {owner} < {due}
{what} = {owner}, {due}
{what} (by {due}, {owner})
{what} until {due} ({owner})
{what} til {due}, {owner}
{owner} has to {what}, {due}
{owner} needs to {what} by {due}
{owner} please {what} by {due}
{owner}: by {due} {what}
[{owner}] {what} [{due}]
@{owner} {what} {due}
@{owner}: {what} by {due}
AI {owner}: {what}, {due}
{owner} > {what} > {due}""",
        "decide_also": """also decided {what}, {owner}, {due}
also decided: {owner} to {what} by {due}
2nd decision {what} - {owner} - {due}
decided 2: {what}, {owner}, by {due}
dec two: {what} ({owner} {due})""",
        "open": """open {open}
open: {open}
open - {open}
not clear {open}
unclear {open}
don't know {open}
no idea {open}
{open}?
{open}??
{open} - open
{open} (open)
question {open}
to decide {open}
to find out: {open}
check {open}
nobody sure {open}
tbc {open}
tbd {open}
next time {open}
still to do: find out {open}
pending: {open}
pending {open}
parked: {open}
later: {open}
left: {open}
undecided {open}
not settled: {open}
no answer: {open}
not known {open}
ask again {open}
find out {open}
Q: {open}
Q {open}
? {open}
missing: {open}
no result {open}
next week: {open}
unsure {open}
must ask {open}
who knows {open}
mystery: {open}""",
        "risk": """risk {risk}
risk: {risk}
risk - {risk}
(risk: {risk})
maybe {risk} (risk)
{risk} = risk
worried {risk}
danger {risk}
poss. risk {risk}
risk is {risk}
could be {risk}, risk
threat: {risk}
fear: {risk}
fear {risk}
danger: {risk}
worry: {risk}
concern {risk}
warning {risk}
warn: {risk}
bad case: {risk}
worst case {risk}
what if {risk}
if unlucky {risk}
downside: {risk}
trouble if {risk}
could go wrong: {risk}
watch: {risk}
afraid {risk}
R: {risk}
! {risk} (danger)""",
        "correct_date": """no {due}
not {old}, {due}
{due}, not {old}
{due} instead of {old}
sorry {due}
now {due}
moved to {due}
{old} wrong, {due}
make it {due}
oops {due}
wrong, {due}
{old} no, {due} yes
was {old}, now {due}
later: {due} not {old}
date now {due}""",
        "correct_owner": """no {owner}
not {old}, {owner}
{owner}, not {old}
{owner} instead of {old}
sorry {owner}
now {owner}
{old} out, {owner} in
make it {owner}
oops {owner}
wrong, {owner} does it
{old} no, {owner} yes
was {old}, now {owner}
{old} away, so {owner}
done by {owner} not {old}""",
        "chatter": """{topic} fine
{topic} ok now
{topic} {done}
{topic} no news
{topic} later
{other} on holiday
{other} ill
{other} came late
{other} left early
cake from {other}
{number} people
{number} min break
{team} says hello
coffee cold
room too hot
mic broken
saw {topic}
talked about {topic}
photos of {topic}""",
    },
}

# A request: how it begins, what it wants, how it goes on. "{notes}" is put before or behind it.
BEGINNINGS = (
    """|||||Please |Can you |Could you |Would you |Now |Quick: |Hi, please |I want you to |I'd like you to |Help me and |Just |Hey, |Kindly """
)
LAST = """|||||, please| for me| for my boss| for the team| for those who were away| now| quickly| in plain words| thanks"""
THINGS = """the notes
these notes
the meeting
this meeting
the meeting notes
these meeting notes
the minutes
this
the text
it
the conversation
the talk
the discussion
my notes
our meeting
what they said
the call
the session
the transcript
all of this
the following""".split("\n")
WISHES = {
    "summary": """summarize {x}
summarise {x}
sum up {x}
sum {x} up
recap {x}
condense {x}
shorten {x}
give me a summary of {x}
give a summary of {x}
write a summary of {x}
make a summary of {x}
do a summary of {x}
write a short report on {x}
report on {x}
give me the short version of {x}
give me the gist of {x}
give me the main points of {x}
give me the key points of {x}
give me the essence of {x}
give me an overview of {x}
tell me the result of {x}
tell me what {x} came to
tell me what matters in {x}
tell me in short about {x}
catch me up on {x}
bring me up to date on {x}
fill me in on {x}
update me on {x}
brief me on {x}
boil {x} down
cut {x} short
put {x} in a nutshell
wrap up {x}
outline {x}
describe {x} in short
explain {x} briefly
say what {x} was about
pull the important things out of {x}
pick out what matters in {x}
reduce {x} to what matters
make {x} shorter
turn {x} into a summary
draft a recap of {x}
produce a digest of {x}
prepare a summary of {x}
get me the highlights of {x}
digest {x}
go through {x} and say what counts
read {x} and tell me the result
look at {x} and tell me what was settled
get to the point of {x}
tell me the outcome of {x}
tell me the story of {x} in few words
tell me how {x} went
tell me what came out of {x}
tell me what I should remember from {x}
tell me what we agreed on in {x}
say in few words what {x} says
say {x} with fewer words
say {x} in short
give me {x} in short
give me {x} in a few sentences
give me {x} as a short text
give me the bottom line of {x}
give me the outcome of {x}
give me the core of {x}
give me a quick look at {x}
give me a rundown of {x}
give the long and short of {x}
I need a summary of {x}
I need the short form of {x}
I need {x} in brief
I want the main facts of {x}
I was away, so tell me about {x}
I missed {x}, tell me what happened
note down what matters in {x}
write {x} down in short
write up {x} briefly
write a few lines about {x}
write a short text about {x}
write one paragraph about {x}
paraphrase {x} in short
simplify {x}
tidy {x} up into a summary
clean {x} up and keep only what matters
strip {x} to the facts
keep only the facts of {x}
leave out the chatter of {x}
drop everything unimportant from {x}
make sense of {x}
make {x} brief
make {x} half a page at most
make {x} easy to read
bring {x} to a few lines
bring {x} down to the main facts
break {x} down for me
lay out in short what {x} was about
list the outcome of {x} in sentences
let me know what {x} was about
let me know the result of {x}
let me see the short form of {x}
mail me a summary of {x}
post a summary of {x}
what is the result of {x}
what was decided in {x} and what else matters
what is the short form of {x}
what are the main facts in {x}
how did {x} go
how would you sum up {x}
state the main facts of {x}
gather the facts from {x}
get the facts out of {x}
extract the key facts from {x}
highlight what matters in {x}
present {x} in short
convert {x} into a short text
transform {x} into a summary
change {x} into a short report""",
    "actions": """list the action items of {x}
list all tasks in {x}
list the tasks from {x}
list who does what in {x}
list the to-dos in {x}
give me the action items in {x}
give me the tasks from {x}
give me a task list from {x}
give me the to-do list from {x}
show me the action items in {x}
show the tasks in {x}
extract the tasks from {x}
extract all action items from {x}
pull the action items out of {x}
find the action items in {x}
collect the tasks from {x}
write down the tasks from {x}
make a list of tasks from {x}
turn {x} into a to-do list
tell me who has to do what in {x}
bullet the tasks in {x}
name all tasks and owners in {x}
note every action item in {x}
get the actions out of {x}
make a task list of {x}
list everything people have to do after {x}
list what each person has to do after {x}
list who has to do what after {x}
give me all jobs from {x}
give me the jobs and the names from {x}
give everybody's tasks from {x}
tell me the tasks in {x}
tell me the next steps from {x}
tell me who does what by when in {x}
say who has to do what, from {x}
write the to-dos of {x} as a list
write a list of who does what from {x}
gather all tasks from {x}
pick the tasks out of {x}
get me the to-dos from {x}
go through {x} and list the tasks
read {x} and list all to-dos
I need the tasks from {x}
I need a to-do list from {x}
I want the action items of {x} as bullets
bring the tasks from {x} into a list
convert {x} into a list of tasks
put the tasks in {x} in a list
show who does what after {x}
show me who has to do what in {x}
state all tasks in {x} with names and dates
what are the tasks in {x}
which tasks are in {x}
which jobs were given out in {x}
who does what after {x}
who got which task in {x}
note down all jobs from {x}
split {x} into tasks
filter the tasks from {x}""",
}
BARE = {
    "summary": """Summary|Summary:|Summary please|Short summary|TLDR|The gist|Gist?|In short?|Key points|Main points|Highlights|Overview|Recap|Recap please|Digest|Brief|Shorter|Essence?|Short version|So what happened?|What came out of it?|What did I miss?|What was this about?|What is this about?|What happened?|What is important here?|What do I need to know?|What should I know?|What's the story?|What was said?|What's in here?|What matters here?|What is the upshot?|Give me the summary|The most important things|Can I have it shorter?|Too long for me|I have no time to read this|What did they talk about?|What were the results?|In brief?|Briefly?|In a few words?|In few words, please|Few words please|A few lines please|A short text please|One paragraph please|The short form?|The outcome?|Outcome?|Result?|The result, please|Results?|The bottom line?|Bottom line?|The core?|The facts, please|Main facts?|Just the facts|Only what matters|What counts?|What was the point?|What is the point of all this?|What was it all about?|What is the news?|News?|And the result?|So, what was decided and what else?|What did we decide and who does it?|How did it go?|How was it?|How did the meeting go?|I missed it, what happened?|I was ill, tell me|I was not there|I could not come|Tell me more shortly|Could you make this shorter?|Sum it up|Sum up|To sum up?|Wrap up?|A rundown?|Rundown please|Quick summary|A summary for my boss|A summary for those who were away|A summary for the newsletter|Minutes in short|Short minutes please|Report please|Short report|Synopsis|Abstract|Conclusion?|Takeaways?|The takeaways, please|Write-up|Brief me|Update?|Update me|Catch me up|What should I tell the others?|What should I tell my team?|What do the others need to know?|What is worth knowing?|What is worth keeping?|What stays?|What must I remember?|Could I have a summary?|Could I get a summary of this?|Can I get a summary?|Can I get the short version, please?|Can I have the gist?|May I get the short version?|May I ask for a summary?|Might I have a short summary?|Is there a summary?|Is there a short version of this?|Is there a shorter form?|Any chance of a summary?|Any summary?|Would it be possible to get a summary?|Would you mind a summary?|Do you have a summary for me?|Do you have that shorter?|Do we have a summary?|Could somebody sum this up?|Could someone give me the gist?|Who can sum this up for me?|Who can tell me what happened?|Will you sum this up?|Will you give me the short form?|Shall we have a summary?|How about a summary?|What about a summary?|A summary is all I need|A summary is enough|A summary would be nice|A summary would help me|I only want a summary|I only need the gist|I just want to know what happened|I can't read all this, so a summary please|I can't read so much|Too much text, a summary please|That was long, in short please|That's long, give me the gist|So long? In short, please|Long notes, short summary please|What is the summary?|What is the gist?|What is the short version?|What would a summary say?|What would you tell somebody who was away?|What would you tell my boss?|What do I have to know about this meeting?|What do you make of this?|What went on?|What was going on there?|What is it that happened?|What has happened?|What has come out of this?|What is the result of all this?|What is the outcome of this?|What was the result?|How did it end?|How did it all end?|How did it turn out?|How did this turn out?|How far did we get?|How far did they get?|Where are we now?|Where do we stand?|Where does this leave us?|And how did it go?|And what happened?|And what came of it?|And the gist?|And now in short?""",
    "actions": """Action items|Action items:|Actions?|Tasks|Task list|To-dos|To-do list|Todo|Who does what?|Who has to do what?|Who has which task?|What are the tasks?|What are the to-dos?|What has to be done?|What is there to do?|What needs doing, and by whom?|Next steps?|Next steps as a list|All tasks as bullets|Tasks with owners and dates|Who does what by when?|Who has to do something?|Who got what?|Who got which job?|Jobs?|All jobs with names|Names and tasks|The work, by name|What does everybody have to do?|What has each person to do?|What do people have to do now?|What comes next, as a list?|Now what? List the tasks|To-dos as bullets|List of tasks please|All to-dos please|Everybody's tasks?|Everyone's to-dos|Tasks by person|Task overview|Assignments?|List the jobs|List the work|Follow-ups?|Follow-ups as bullets|Things to do|Things to do, with names|Could I have the tasks as a list?|Can I get a list of the tasks?|May I have the to-dos?|Is there a task list?|Is there a list of to-dos?|Any to-dos?|Do you have the tasks for me?|Could somebody list the tasks?|Will you list who does what?|A task list would be nice|I only need the tasks|I only want the to-dos|Too much text, just the tasks please|What about the tasks?|How about a task list?""",
}
SYLLABLES = "ba be bi bo da de di do fa fe fi go ka ke ki ko la le li lo ma me mi mo na ne ni no pa pe ra re ri ro sa se so ta te ti to va ve vo za zo".split()


# What may be open or go wrong, for training only: subjects and ends of a clause, with verbs that exist or do not.
ENDS_OF_CLAUSE = """{is} late
{is} lost
{is} wrong
{is} empty
{is} full
{is} dirty
{is} broken
{is} unsafe
{is} forbidden
{is} missing
{is} in the way
{is} not good enough
{is} not what people want
{is} too short
{is} too old
{is} too long
{is} too cold
{is} more than we can handle
{is} a problem for the school
{is} of any use
{is} open to all
{is} safe for children
{is} still needed
{is} still there in a year
{is} seen by the wrong people
{is} taken away
{is} blocked
{is} put off again
{is} worth the money
{is} hard to find
{was} paid for
{was} checked
{was} ever finished
{has} to move
{has} to wait
{has} no future
{has} an owner
{has} faults
{does} the job
{does} harm
{does} not last
{does} not sell
{does} not come in time
{does} not pass the test
will be ready
will be late
will be cheaper
will last
will work
will fit
will change
can be mended
can be moved
can be sold
can be used twice
can wait
could go wrong
may be shown
may stay
should be bigger
should move
must be new
might leak
might get wet
might be delayed
work{s}
leak{s}
burn{s}
grow{s}
sell{s}
turn{s} bad
break{s} down
run{s} out
run{s} late
get{s} wet
get{s} too big
come{s} back
cost{s} too much
cost{s} us the contract
take{s} too long
take{s} up all our time
make{s} people ill
make{s} sense
need{s} a new start
need{s} a permit
hurt{s} somebody
break{s} the rules
block{s} the door
come{s} after the date
meet{s} the rules
fit{s} in
fail{s} again
fall{s} behind
keep{s} us busy
help{s} anyone
bother{s} the guests
upset{s} the neighbours"""
DOERS = "we|they|nobody|somebody|everybody|people|children|guests|customers|visitors|parents|users|neighbours|thieves"
ASKERS = "who will|who can|who may|who should|who has to|how to|whether to|when to|where to|how we|why we|when we|whether we|if we|how often we|whether they|what we need to|how much it costs to|how long it takes to|which day to|who wants to|why they"


def clause(rng, kind, verbs):
    """A template for what is open ("open") or may happen ("risk"); `verbs` are those that make sense with a thing alone."""
    verb = _unknown(rng) if rng.random() < 0.2 else rng.choice(verbs)
    end = rng.choice(_lines(ENDS_OF_CLAUSE))
    if rng.random() < 0.25:
        begin, space, last = end.rpartition(" ")
        end = begin + space + (last if "{" in last else _unknown(rng))
    if kind == "risk":
        return f"{{topic}} {end}" if rng.random() < 0.65 else f"{rng.choice(DOERS.split('|'))} cannot {verb} {{topic}}"
    if rng.random() < 0.55:
        return f"{rng.choice(['whether', 'if', 'when', 'why', 'how', 'where', 'since when', 'how soon', 'how far'])} {{topic}} {end}"
    return f"{rng.choice(ASKERS.split('|'))} {verb} {{topic}}"


def sentence(rng, voice, kind):
    """A template for one sentence of notes, or None where there are no parts for it."""
    cores = CORES[voice].get(kind)
    if cores is None:
        return None
    core = _roughened(rng, rng.choice(_lines(cores)))
    text = rng.choice(OPENINGS[voice].split("|")) + core + rng.choice(ENDS[voice].split("|"))
    return text if voice == "short" or text[-1] in ".?!)" else text + "."


def _roughened(rng, core):
    """Now and then a word is missing, doubled or one that nobody knows, as people write."""
    if rng.random() < 0.75:
        return core
    words = core.split(" ")
    places = [n for n, word in enumerate(words) if "{" not in word and not word.endswith((":", "not"))]
    if len(places) < 2:
        return core
    place, chance = rng.choice(places), rng.random()
    if chance < 0.45:
        words[place : place + 1] = []
    elif chance < 0.8:
        words[place] = _unknown(rng)
    else:
        words[place:place] = [_unknown(rng)]
    return " ".join(words)


def _unknown(rng):
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 3)))


def request(rng, kind):
    """A request with {notes}, and {format} where the kind has one; None where there are no parts for it."""
    shape = rng.random()
    if kind == "question":
        return None
    base = "summary" if kind == "format" else kind
    if kind != "format" and shape < 0.25:
        text = rng.choice(BARE[base].split("|"))
    else:
        wish = rng.choice(_lines(WISHES[base])).replace("{x}", rng.choice(THINGS))
        if shape > 0.88:  # a word that nobody knows still asks for something to be done with the notes
            words = wish.split()
            words[0] = _unknown(rng)
            wish = " ".join(words)
        asked = " {format}" if kind == "format" else ""
        text = rng.choice(BEGINNINGS.split("|")) + wish + asked + rng.choice(LAST.split("|"))
    if kind == "summary" and shape < 0.03:
        text = _unknown(rng)
    if rng.random() < 0.7:
        text = text[0].upper() + text[1:]
    if rng.random() < 0.4:
        return (
            text
            + rng.choice([": ", ":\n", ".\n", "\n\n", "? ", "\n", ".\n\n"]).replace("?", "?" if text.startswith(("Can", "Could", "Would")) else ".")
            + "{notes}"
        )
    return (
        "{notes}"
        + rng.choice(["\n\n", "\n\n", "\n", " "])
        + text
        + ("" if text.endswith(("?", ":")) else rng.choice([".", "", "?" if text.startswith(("Can", "Could", "Would")) else ".", "!"]))
    )


@functools.cache
def plain_cores(plain):
    """All cores, as `plain` writes them."""
    return {plain(core) for kinds in CORES.values() for cores in kinds.values() for core in _lines(cores)}


def _lines(text):
    return text.split("\n")
