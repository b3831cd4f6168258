"""The sentences that meeting notes are made of, by what they say and by who says it.

`SPOKEN` is what people say in a transcript, `REPORTED` what a note taker writes. Fields: {what} is a verb with its topic
("fix the login page"), {owner} the person responsible, {other} somebody else, {due} a date that follows "by",
{old} a value that is corrected, {open} an indirect question. Of every six templates two are held out (`words.share`).
"""

import re

HELD_OUT = 6

SPOKEN = {
    "decide": """We should {what}.
I think we should {what}.
Let's {what}.
So we agreed to {what}.
I suggest that we {what}.
My proposal is to {what}.
We need to {what}.
Decision: we {what}.
OK, then we {what}.
The plan is to {what}.
I would like us to {what}.
It is time to {what}.
Then it is settled, we {what}.
We have to {what}.
Can we agree to {what}?
I want to {what}, if nobody minds.
Let us {what}.
I vote that we {what}.
So the decision is to {what}.
Final answer: we {what}.
We will {what}, that is decided.
The best thing is to {what}.
Everybody wants us to {what}.
I move that we {what}.""",
    "decide_own": """So {owner} will {what} by {due}.
We agreed that {owner} will {what} by {due}.
Decision: {owner} will {what} by {due}.
Let's say {owner} has to {what} by {due}.
Then {owner} should {what}, by {due}.
It is decided: {owner} is going to {what} by {due}.""",
    "problem": """{topic} gives us trouble.
People complain about {topic}.
{number} customers were unhappy with {topic}.
We must talk about {topic}.
{topic} was the big topic this week.
I looked at {topic} and I do not like it.
First point: {topic}.
There were {number} complaints about {topic}.
What do we do about {topic}?
{topic} is a mess.
My topic today is {topic}.
Something is wrong with {topic}.""",
    "agree": """Agreed.
Yes, let's do that.
Fine with me.
No objection.
Same here.
OK for me.
Good idea.
I agree.
Sounds right.
Yes.
All right.
Works for me.""",
    "own_self": """I will do it by {due}.
I'll take it, done by {due}.
I can have it ready by {due}.
I take that. It will be done by {due}.
I'll own this one and finish by {due}.
I can do that, by {due}.
That is mine. Expect it by {due}.
I will look after it and be done by {due}.
Give it to me, you get it by {due}.
I'll handle it by {due}.
Happy to do it by {due}.
I volunteer, I need until {due}.
Put my name on it, with {due} as the date.
I can finish that by {due}.
I'll do it, and {due} is fine.
Leave it with me until {due}.
I'll get it done by {due}.
You will have it from me by {due}.""",
    "own_other": """{owner} will do it by {due}.
{owner}, can you do it by {due}?
{owner} takes it, done by {due}.
{owner} owns it and the deadline is {due}.
I put {owner} down for it, by {due}.
{owner} offered to do it by {due}.
{owner} has time for it and can finish by {due}.
Please, {owner}, get it done by {due}.
It goes to {owner}, with {due} as the date.
{owner} is the owner, due by {due}.
I asked {owner} to do it by {due}.
That is a job for {owner}, by {due}.""",
    "own_no_date": """I will do it, but I cannot name a date.
I'll take it, no date yet.
That is mine. The date comes later.
I'll own it, I do not know when it will be done.
I can do it, just do not ask me when.
Put my name on it, without a date for now.""",
    "no_owner": """Nobody has time for it, but it must be done by {due}.
We need it by {due}, somebody has to step up.
It needs an owner later, the deadline is {due}.
No volunteers today. It is due by {due} all the same.
Who does it is not clear, but we need it by {due}.
We find somebody for it next time, the deadline is {due}.""",
    "item_self": """I will also {what} by {due}.
I'll {what} by {due}.
And I {what} by {due}.
On my side, I will {what} by {due}.
I am going to {what} by {due}.
My job until {due} is to {what}.
I promised to {what} by {due}.
Also, I {what} by {due}.
I can {what} by {due}.
By {due} I will {what}.
Next I {what}, by {due}.
I still have to {what} by {due}.""",
    "item_other": """{owner} will {what} by {due}.
{owner}, please {what} by {due}.
{owner}, can you {what} by {due}?
Action for {owner}: {what} by {due}.
{owner} has to {what} by {due}.
{owner} is going to {what} by {due}.
{owner} said yes to this: {what} by {due}.
Then {owner} can {what} by {due}.
I asked {owner} to {what} by {due}.
By {due} {owner} will {what}.
{owner} promised to {what} by {due}.
We need {owner} to {what} by {due}.""",
    "open": """We still do not know {open}.
Open question: {open}.
Nobody could say {open}.
I do not know {open}.
It is still open {open}.
We did not settle {open}.
We have no answer yet on {open}.
I wonder {open}.
We must find out {open}.
Does anyone know {open}? No? Then it stays open.
It is not clear {open}.
Next time we decide {open}.
Can somebody tell me {open}? Not today.
We left it open {open}.
The question is {open}.
I could not find out {open}.
Still unclear: {open}.
We need to clarify {open}.""",
    "correct_date": """Sorry, make that {due}.
Correction: {due}, not {old}.
On second thought, I need until {due}.
No, {old} is too early for me. Make it {due}.
I just saw my calendar, it has to be {due}.
Let me change that: {due} instead of {old}.
Wait, {old} does not work. I say {due}.
I take that back, {due} is the date.
Actually, {due} is better for me.
Forget {old}, it will be {due}.
I was wrong about {old}. It is {due}.
Can I move it to {due}? Good.""",
    "correct_owner": """I am away then. {owner} will do it instead.
Sorry, I have no time. {owner} takes it over.
On second thought, {owner} should do it.
I was too quick. {owner} does it, not me.
{owner} knows it better and takes it from me.
I hand it to {owner}, who said yes.
Actually, it goes to {owner} instead of me.
Not me after all: {owner} does it.
I swap with {owner}, who owns it now.
I cannot do it. {owner} will.
Take my name off, {owner} does it.
My week is full, so {owner} is the owner.""",
    "risk": """The risk is that {risk}.
I am afraid that {risk}.
One risk: {risk}.
My worry is that {risk}.
Be careful, it could be that {risk}.
I see a risk that {risk}.
Risk: {risk}.
It may happen that {risk}.
If we are unlucky, {risk}.
I fear that {risk}.
What if {risk}?
There is a chance that {risk}.""",
    "chatter": """{number} people wrote to us about {topic}.
I had no time to look at {topic}.
{topic} can wait.
We talked about {topic} last time, nothing new.
The coffee machine is broken again.
Sorry, the train was late.
{other} is on leave this week.
The demo went well.
One moment, my screen is frozen.
{topic} was {done} last week, thanks to {other}.
{other} asked about {topic} again.
Can you hear me now?
I saw {number} errors in {topic} yesterday.
{other} sends greetings.
Is it cold in here, or is it me?
We spent {number} hours on {topic} last month.
I liked the talk by {other}.
The room is booked until noon.
My notes from last time are in the folder.
{topic} looks good to me.
Thanks for coming.
{topic} took {number} minutes today.
By the way, {other} has a new phone.
I have to leave early today.
{other} has already {done} {topic}.
Let us start, we have little time.
Lunch is at {number} past twelve.
{topic} is not our job.
Before I forget, {other} moved to the {team} team.
That was all from the {team} team.""",
}

REPORTED = {
    "decide": """The team decided to {what}.
Decision: {what}.
We agreed to {what}.
{other} proposed to {what} and everyone agreed.
It was decided to {what}.
All were in favor of the plan to {what}.
The group wants to {what}.
After some talk the team chose to {what}.
{other} asked to {what}, which was accepted.
Decided: {what}.
The outcome is to {what}.
The vote was to {what}.
Main point: we {what}.
Agreement to {what}.
The meeting ended with a yes to the plan to {what}.
{other} wants to {what}. Agreed.
The team will {what}.
In the end we said we {what}.""",
    "decide_own": """It was decided that {owner} will {what} by {due}.
Decision: {owner} will {what} by {due}.
The team asked {owner} to {what} by {due}.
We agreed that {owner} will {what} by {due}.
The outcome: {owner} has to {what} by {due}.
All wanted {owner} to {what} by {due}.""",
    "problem": """{topic} causes trouble.
People complain about {topic}.
{number} customers were unhappy with {topic}.
The first topic was {topic}.
{other} spoke about {topic}.
{topic} was the big topic this week.
First point: {topic}.
There were {number} complaints about {topic}.
{other} does not like {topic}.
{other} reported problems with {topic}.
The talk was about {topic}.
Something is wrong with {topic}.""",
    "own_other": """{owner} will do it by {due}.
{owner} owns it, due by {due}.
Owner: {owner}. Due: {due}.
{owner} takes it and finishes by {due}.
Owner is {owner}, deadline is {due}.
This is for {owner}, who needs until {due}.
{owner} volunteered and promised it by {due}.
It was given to {owner}, by {due}.
{owner} is responsible, date: {due}.
Assigned to {owner}, to be done by {due}.
{owner} said it can be ready by {due}.
Responsible: {owner}, by {due}.""",
    "own_no_date": """{owner} will do it, no date yet.
{owner} owns it. The date was left out.
Owner: {owner}. No due date.
{owner} takes it but gave no date.
It goes to {owner}, without a date.
{owner} volunteered, the date comes later.""",
    "no_owner": """Nobody took it, but it is due by {due}.
No owner yet. Due: {due}.
It has to be done by {due}, no volunteer so far.
The owner is to be named, the deadline is {due}.
Due by {due}, an owner was not found.
It is needed by {due}, nobody is assigned.""",
    "item_other": """{owner} will {what} by {due}.
{owner} has to {what} by {due}.
Action: {owner} to {what} by {due}.
{owner} promised to {what} by {due}.
{owner} is going to {what} by {due}.
By {due} {owner} will {what}.
{owner} was asked to {what} by {due}.
Also, {owner} will {what} by {due}.
Task for {owner}: {what} by {due}.
{owner} agreed to {what} by {due}.
To do for {owner}: {what}, by {due}.
{owner} wants to {what} by {due}.""",
    "open": """It is still open {open}.
Open question: {open}.
Open: {open}.
Nobody knew {open}.
It was not settled {open}.
Not clear yet: {open}.
The team could not say {open}.
To be answered: {open}.
No answer was found on {open}.
{other} asked {open}, which stays open.
The group left open {open}.
Unclear: {open}.
Next time the team looks at {open}.
We do not know {open}.
Left for the next meeting: {open}.
There was no agreement on {open}.
One question remains: {open}.
Someone has to find out {open}.""",
    "correct_date": """Later the date was changed to {due}.
The date moved from {old} to {due}.
Correction: {due}, not {old}.
{old} turned out to be too early, so it is {due} now.
At the end the date became {due}.
New date: {due}.
Then {due} was chosen instead of {old}.
Note: the deadline is {due}, {old} was an error.
After a look at the calendar it is {due}.
This was moved to {due}.
Update: {due} instead of {old}.
The final date is {due}.""",
    "correct_owner": """Later {owner} took it over from {old}.
{old} has no time, so {owner} does it.
Correction: {owner} owns it, not {old}.
{old} is away, {owner} takes over.
In the end it went to {owner} instead of {old}.
New owner: {owner}.
{owner} replaces {old} as owner.
Update: {owner} does it for {old}.
{old} handed it to {owner}.
At the end {owner} became the owner.
It was moved from {old} to {owner}.
Not {old} but {owner} will do it.""",
    "risk": """Risk: {risk}.
The risk is that {risk}.
{other} fears that {risk}.
One risk was named: {risk}.
There is a risk that {risk}.
{other} is worried that {risk}.
It could happen that {risk}.
A risk is that {risk}.
Known risk: {risk}.
{other} warned that {risk}.
{other} sees a risk that {risk}.
The worry is that {risk}.""",
    "chatter": """{number} people wrote about {topic}.
{other} had no time to look at {topic}.
{topic} can wait.
Nothing new on {topic}.
{other} was late.
{other} is on leave this week.
The demo went well.
{topic} was {done} last week.
{other} asked about {topic}, no change.
{other} saw {number} errors in {topic}.
Short break after {number} minutes.
{topic} was {done} by {other} in the spring.
Greetings from {other}.
{other} joined from the train.
Long talk about {topic}, no result.
{other} left early.
The {team} team was not there.
{topic} cost {number} hours last month.
{other} showed {topic}.
Lunch was good.
{other} has already {done} {topic}.
The room was too cold.
{topic} is for another meeting.
{other} is new in the {team} team.""",
}

OPEN_QUESTIONS = """who pays for {topic}
whether {topic} is needed
how much {topic} costs
how long {topic} takes
who tests {topic}
why {topic} fails
when {topic} starts
how to measure {topic}
whether to keep {topic}
which vendor delivers {topic}
where to store {topic}
who approves {topic}
if {topic} is legal
how often {topic} runs
whether {topic} can stay
who else needs {topic}
what {topic} should look like
how to pay for {topic}
whether {topic} is ready
why {topic} is slow
where {topic} comes from
how safe {topic} is
who wrote {topic}
when to announce {topic}""".split("\n")

RISKS = """{topic} comes too late
{topic} breaks
{topic} fails the audit
{topic} costs more than planned
users do not like {topic}
{topic} is too slow
{topic} loses data
nobody can maintain {topic}
{topic} is not allowed
{topic} will not work offline
{topic} does not scale
customers reject {topic}""".split("\n")

SUMMARIZE = """Summarize the meeting notes: {notes}
Summarize these meeting notes: {notes}
Summarise the meeting notes: {notes}
Please summarize the following meeting notes.\\n{notes}
{notes}\\n\\nSummarize the notes above.
Sum up this meeting: {notes}
Summarize the meeting notes:\\n{notes}
Give me a short summary of these notes:\\n{notes}
Summarize:\\n{notes}
Meeting notes:\\n{notes}\\n\\nSummarize the meeting.
What happened in this meeting? {notes}
Summarize the following notes: {notes}
Summarize this meeting for someone who missed it: {notes}
Here are my notes. {notes} Please write a summary.
Write a brief summary of the meeting notes below.\\n\\n{notes}
Summarize the notes of our meeting: {notes}
I missed this meeting, what was it about?\\n{notes}
Notes: {notes}\\nSummary?"""

FORMATTED = """Summarize the meeting notes {format}: {notes}
Summarize these meeting notes {format}: {notes}
Summarize the notes {format}.\\n{notes}
{notes}\\n\\nSummarize the notes above {format}.
Sum up this meeting {format}: {notes}
Please summarize the meeting notes {format}:\\n{notes}
Summarize the meeting notes: {notes}\\nAnswer {format}.
Summarize the following notes {format}: {notes}
Meeting notes:\\n{notes}\\n\\nSummarize them {format}.
Write a summary {format}: {notes}
Summarise the meeting notes {format}.\\n\\n{notes}
What happened in this meeting? Answer {format}. {notes}"""

LIST_ACTIONS = """List the action items: {notes}
List the action items in these meeting notes: {notes}
List the action items as bullets: {notes}
{notes}\\n\\nList the action items.
Which action items are in these notes?\\n{notes}
Extract the action items from the meeting notes: {notes}
Who has to do what? Answer as bullets.\\n{notes}
Action items as a list, please: {notes}
Meeting notes:\\n{notes}\\n\\nList all action items as bullets.
List the tasks in these notes: {notes}
Give me the action items as bullet points: {notes}
Make a to-do list from the meeting notes.\\n{notes}"""

QUESTION = """{question} {notes}
{question}\\n{notes}
{notes}\\n\\n{question}
Meeting notes: {notes}\\n\\n{question}
Read the notes and answer. {question}\\n{notes}
Notes: {notes}\\nQuestion: {question}
Answer from the meeting notes. {question} {notes}
{question} Here are the notes: {notes}
Here are the meeting notes: {notes} {question}
Use these notes: {notes}\\n{question}
Given these meeting notes: {notes}\\n{question}
Question: {question}\\nMeeting notes:\\n{notes}"""

QUESTIONS = {
    "owner": """Who owns {topic}?
Who will {what}?
Who has to {what}?
Who is responsible for {topic}?
Who is going to {what}?
Who takes care of {topic}?""",
    "due": """When is {topic} due?
By when will {owner} {what}?
What is the deadline for {topic}?
When will {topic} be {done}?
What is the due date for {topic}?
When does {owner} have to {what}?""",
    "decision": """What was decided?
What did the team decide?
What is the decision?
Which decision was made?
What did they agree on?
What did we decide?""",
    "open": """What is still open?
Which question is open?
What is the open question?
What was left open?
What is not clear yet?
What remains open?""",
    "risk": """What is the risk?
Which risk was named?
What could go wrong?
Is there a risk?
What are they worried about?
Which risk do the notes name?""",
    "task": """What will {owner} do?
What does {owner} have to do?
What is the task of {owner}?
What did {owner} promise?
What is {owner} going to do?
Which task does {owner} have?""",
}

# Questions whose answer is never in the notes, whatever the notes are.
NEVER_SAID = """Who wrote the notes?
How much does it cost?
What is the budget?
Where did they meet?
How long was the meeting?
Who is the customer?
What is the phone number of {other}?
When is the next meeting?
Which color was chosen?
How many people work there?
What is the name of the company?
Where does {other} live?
How old is {other}?
Who paid for lunch?
What was the weather like?
What is the password?
Which tool do they use?
Who is the boss of {other}?"""

# Requests that follow a first answer about the same notes, which are then not repeated.
FOLLOW_UP = {
    SUMMARIZE: """Summarize the meeting notes.
Now summarize the notes.
Give me a short summary.
Summarize the meeting.
Please sum it up.
And a summary?""",
    FORMATTED: """Summarize the notes {format}.
Summarize the meeting {format}.
Say it {format}.
Now summarize it {format}.
Sum up the meeting {format}.
And {format}?""",
    LIST_ACTIONS: """List the action items.
Now list the action items.
Who has to do what?
List the tasks as bullets.
Which action items are there?
And the action items?""",
    QUESTION: "{question}",
}

NOT_IN_NOTES = "The notes do not say."

# The fixed words of answers and dates, for `fixed_text`.
ANSWER_WORDS = """The team decided to. owns it, due by. with no date set. Nobody is named for it yet, and it is due by.
and will do it by, but nobody is named for it; it is still open. It is still open. Still open: Decision: Owner: Due: Open:
not named not set due: Nobody yet: - The risk is that. the new the old the second. next the end of the week, tomorrow, noon on, evening
Monday Tuesday Wednesday Thursday Friday January February March April May June July August September October November
December user assistant in one sentence, in 1 sentence, in 2 sentences, in two sentences, as 3 bullets, in three bullets, in 3 bullet points"""


def fixed_text():
    """Everything in notes, requests and answers that is wording and not content."""
    blocks = [*SPOKEN.values(), *REPORTED.values(), *QUESTIONS.values(), *FOLLOW_UP.values(), *OPEN_QUESTIONS, *RISKS]
    blocks += [SUMMARIZE, FORMATTED, LIST_ACTIONS, QUESTION, NEVER_SAID, NOT_IN_NOTES, ANSWER_WORDS]
    text = re.sub(r"\{\w+\}", "", "\n".join("\n".join(lines(block)) for block in blocks))
    return text + "\n" + text.lower()


def lines(text):
    """The templates of one block; a written \\n stands for a line break inside a template."""
    return [line.replace("\\n", "\n") for line in text.split("\n")]
