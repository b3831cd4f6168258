"""The sentences that meeting notes are made of, by what they say and by who says it.

`SPOKEN` is what people say in a transcript, `REPORTED` what a note taker writes, `SHORT` what somebody in a hurry writes.
Fields: {what} is a verb with its topic ("fix the login page"), {owner} the person responsible, {other} somebody else,
{due} a date that follows "by", {old} a value that is corrected, {open} an indirect question, {why} a reason;
{s}, {is}, {was}, {has} and {does} agree with {topic}. Each block goes on in wordings.json; part of it is held out (`own`).
"""

import functools
import json
import re
from pathlib import Path

import grammar
import words

# More templates for the blocks below, by block and kind.
MORE = json.loads(Path(__file__).with_name("wordings.json").read_text(encoding="utf-8"))

# Of every so many entries of a short list two are held out (`words.share`, `own`).
HELD_OUT = 6
# What would be held out but is also the core of a training sentence in grammar.py: no split has it.
UNUSED = "unused"

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
I move that we {what}.
Because {why}, we will {what}.
Since {why}, I think we have to {what}.
We {what}, simply because {why}.
If nobody objects, we {what}.
I have thought about it, and I would rather {what} than wait.
Why don't we {what}? Nobody is against it, good.
As {why}, it makes sense to {what}.
All hands up? Good, we {what}.
The parents and the staff both asked for it, so we {what}.
We said it last year and now we really {what}.
It will cost a bit, but we {what}.
After what happened last week we must {what}.
Given that {why}, the only way is to {what}.
OK, decision made: we are going to {what}.
So, to close this point, we {what}.
What we do is this: we {what}.
We could wait another year, but {why}, so let's {what}.
Right, we {what}. That is what everybody wanted.
The majority is for it, we {what}.
I know it is not popular, but we will {what}.
Then let us do it properly and {what}.
We are going to {what}, because {why}.
Shall we {what}? I see only nods.
My suggestion, as {why}: we {what}.
No more talk, we {what}.
We have talked about it twice, so now we {what}.""",
    "decide_own": """So {owner} will {what} by {due}.
We agreed that {owner} will {what} by {due}.
Decision: {owner} will {what} by {due}.
Let's say {owner} has to {what} by {due}.
Then {owner} should {what}, by {due}.
It is decided: {owner} is going to {what} by {due}.
We all want {owner} to {what} by {due}.
OK, decided: {owner} gets to {what}, by {due}.
Since {why}, {owner} will {what} by {due}.
Then we agree: {owner} is to {what}, and {due} is the deadline.
I hear no objection, so {owner} will {what} by {due}.
Because {why}, we ask {owner} to {what} by {due}.""",
    "problem": """{topic} give{s} us trouble.
People complain about {topic}.
{number} customers were unhappy with {topic}.
We must talk about {topic}.
{topic} {was} the big topic this week.
I looked at {topic} and I do not like it.
First point: {topic}.
There were {number} complaints about {topic}.
What do we do about {topic}?
{topic} {is} a mess.
My topic today is {topic}.
Something is wrong with {topic}.
As you know, {why}, and now there is {topic}.
I keep hearing about {topic}.
Can we start with {topic}?
{other} here. I have bad news about {topic}.
The auditors asked about {topic}.
Nobody is happy with {topic}.
We have been putting off {topic} for months.
{number} emails this week, all about {topic}.
There is something we need to settle, {topic}.
{topic} {has} been a problem since the spring.
Let me begin with {topic}, because {why}.
The next point is {topic}.""",
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
Works for me.
Sure.
Yes please.
I am fine with that.
Makes sense.
Let's do it.
Good, finally.
I have nothing against it.
Yep.
Sounds good to me.
If it helps, yes.
I second that.
OK.""",
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
You will have it from me by {due}.
I know who to call, so I will do it, by {due}.
Since I am here anyway, I'll do it by {due}.
I can do it if nobody else wants to. By {due}, say.
OK, OK, I'll do it. You get it by {due}.
That one is for me. Deadline {due}, right?
If it can wait until {due}, I'll do it.
I will see to it, {due} at the latest.
It needs some thought, but I will manage by {due}.
Let me do that. I aim for {due}.
Because I did it last time, I'll do it again, by {due}.
I have a free morning, so count on me, by {due}.
Me. By {due}.
I'm on it, it will be finished by {due}.
I would love to do that, and {due} is doable.""",
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
That is a job for {owner}, by {due}.
{owner} is the best person for it. By {due}, please.
Since {owner} knows the details, {owner} does it by {due}.
Let's give it to {owner}, and the date is {due}.
{owner}, this one is yours, and we need it by {due}.
I talked to {owner} before. It will be done by {due} and {owner} does it.
Who does it? {owner} does, by {due}.
{owner} told me yesterday: happy to do it, by {due}.
It is up to {owner} now, deadline {due}.
{owner} will be in charge, and it has to be done by {due}.
As {why}, {owner} should do it, by {due}.
{owner} did it last year and will do it again, by {due}.
Could {owner} do it? Yes, by {due}.""",
    "own_no_date": """I will do it, but I cannot name a date.
I'll take it, no date yet.
That is mine. The date comes later.
I'll own it, I do not know when it will be done.
I can do it, just do not ask me when.
Put my name on it, without a date for now.
I'll do it as soon as I can, but no promises on the date.
OK, mine. We talk about the date another time.
I can take it if you do not push me for a date.
I will look after it, the date depends on the supplier.
Fine, I do it, whenever there is time.
I'll do it, and we fix the date later.""",
    "no_owner": """Nobody has time for it, but it must be done by {due}.
We need it by {due}, somebody has to step up.
It needs an owner later, the deadline is {due}.
No volunteers today. It is due by {due} all the same.
Who does it is not clear, but we need it by {due}.
We find somebody for it next time, the deadline is {due}.
I cannot do it and nobody else can, still the deadline is {due}.
Silence? OK, we look for an owner later. Due by {due}.
We will find a volunteer by email, it has to be ready by {due}.
Somebody must do it by {due}, but I see no hands.
Nobody wants it, I see. It has to be finished by {due} anyway.
Let's leave the name blank and write {due} as the date.""",
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
I still have to {what} by {due}.
As {why}, I will {what} by {due}.
Let me {what} by {due}, then that is off the list.
I want to {what} by {due}.
I'll try to {what} by {due}, because {why}.
While we are at it, I will {what}, by {due}.
I told them I would {what} by {due}.
Somebody has to {what}, so I will, by {due}.
Then I {what}, and I will be done by {due}.
Something else: I will {what} by {due}.
You can put me down to {what} by {due}.
For my part, I'll {what}, {due} at the latest.
I have promised my team to {what} by {due}.""",
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
We need {owner} to {what} by {due}.
Since {why}, {owner} will {what} by {due}.
Could {owner} also {what} by {due}?
{owner}, I need you to {what} by {due}, because {why}.
One more thing, {owner} will {what} by {due}.
{owner} offered to {what} by {due}.
And please, {owner}, remember to {what} by {due}.
{owner} still has to {what}, the date is {due}.
The job of {owner} is to {what} by {due}.
Next, {owner} is to {what} by {due}.
{owner} can {what}, but needs until {due}.
It would be great if {owner} could {what} by {due}. Yes? Good.
As agreed before, {owner} will {what} by {due}.""",
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
We need to clarify {open}.
Good question {open}, but we have no answer.
We could not agree on {open}, so it stays open.
Before we go: we still need to know {open}.
I asked around {open}, and nobody could tell me.
What nobody has told us is {open}.
Let's come back to it next time, I mean {open}.
We should ask someone {open}.
Not decided today: {open}.
I'd love to know {open}.
What I cannot answer is {open}.
Because the director is away we cannot say {open}.
Somebody asked me {open}, and I had no idea.
No idea {open}, sorry.
There is still the question {open}.
Let's not decide today {open}.
We ran out of time, so it stays open {open}.
Does it say anywhere {open}? I found nothing.
We leave it for another day {open}.""",
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
Can I move it to {due}? Good.
Hold on, {old} is a holiday. Then {due}.
Ah, {old} is when I am away, so {due} it is.
Hmm, not {old}. With the other work I can only do {due}.
Wait, I mixed up the dates, I meant {due}.
Could we say {due} rather than {old}? Yes, good.
Oh no, {old} is impossible, {why}. Let us say {due}.
I have to correct myself. Not {old} but {due}.
My boss wants it at another time, so the date is {due} now.
Scratch that, {due}.
Let me check. No, it will have to be {due}.
That is too tight, I would say {due}.
Not {old}, sorry, I meant {due}.""",
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
My week is full, so {owner} is the owner.
Oh, I forgot I am on leave. {owner}, can you? Yes? Thanks.
Hmm, that is not my field. {owner} will do it.
{owner} just wrote to me and wants to do it, so not me.
Since {why}, {owner} will do it and not me.
Wait, I am not here then, {owner} has to do it.
No, let me rather pass it to {owner}, that is agreed.
I have to give that back, {owner} takes it.
My boss says no, so {owner} will do it.
{owner} and I talked in the break, {owner} does it now.
I'd be too slow. {owner} is doing it.
Strike me out, it is {owner} now.
I was wrong, I have no time at all, so {owner} it is.""",
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
There is a chance that {risk}.
The danger is that {risk}.
What worries me is that {risk}.
Let us not forget the risk that {risk}.
If we wait too long, the risk is that {risk}.
I can already see that {risk}, that is my worry.
It would be bad if it turned out that {risk}, that is the risk.
I must warn you, it might be that {risk}.
Please note the risk: {risk}.
There is one danger, namely that {risk}.
In the worst case {risk}.
I would not be surprised if {risk}, so note it as a risk.
Somebody should write down the risk that {risk}.""",
    "chatter": """{number} people wrote to us about {topic}.
I had no time to look at {topic}.
{topic} can wait.
We talked about {topic} last time, nothing new.
The coffee machine is broken again.
Sorry, the train was late.
{other} is on leave this week.
The demo went well.
One moment, my screen is frozen.
{topic} {was} {done} last week, thanks to {other}.
{other} asked about {topic} again.
Can you hear me now?
I saw {number} errors in {topic} yesterday.
{other} sends greetings.
Is it cold in here, or is it me?
We spent {number} hours on {topic} last month.
I liked the talk by {other}.
The room is booked until noon.
My notes from last time are in the folder.
{topic} look{s} good to me.
Thanks for coming.
{topic} took {number} minutes today.
By the way, {other} has a new phone.
I have to leave early today.
{other} has already {done} {topic}.
Let us start, we have little time.
Lunch is at {number} past twelve.
{topic} {is} not our job.
Before I forget, {other} moved to the {team} team.
That was all from the {team} team.
Did anyone see {other} today?
Has the post arrived yet?
{topic} {is} fine as far as I know.
I found {number} old papers about {topic} in a drawer.
Sorry, wrong button, I was on mute.
{other} brought cake, it is in the kitchen.
My neighbour asked me about {topic}, funny.
The parking lot was full again, I walked {number} minutes.
{other} will be late because of the bus.
Do you remember {topic}? That was fun.
It is raining into my office, but never mind.
We are {number} people on the mailing list now.
{topic}? That is for another meeting.
Let me share my screen. No, the other one.
{other}, your microphone is off.
I heard that {other} had a birthday.
Who took my pen?
{topic} {was} {done} before the summer, that is all done.
Can we open a door? The air is bad.
Somebody from the {team} team called, nothing important.
I am hungry, let's be quick.
The visit from the {team} team was nice.
Nothing to report on {topic}, really.
Thanks to {other} for the flowers.
That reminds me of {topic}, but that is another story.
The last minutes were fine, no changes.
I think {other} mentioned {topic} before.
{number} guests came on Sunday, by the way.
The lights went out twice this morning.
OK, where were we?
{topic} came up in the {team} team as well, no news.
{other} still has a cold.""",
    "decide_also": """Second decision: we {what}. {owner} does it by {due}.
We also decided to {what}, and {owner} will see to it by {due}.
And we agreed to {what}. {owner} has until {due}.
Another decision: {owner} will {what} by {due}.
The other thing we decide is to {what}. {owner}, by {due}.
Also decided, because {why}: {owner} will {what} by {due}.
Next decision, we {what}. That goes to {owner}, by {due}.
On top of that we decided to {what}, which {owner} will do by {due}.
One more decision: we {what}, {owner} takes care of that by {due}.
Then it is also agreed that {owner} will {what} by {due}.
We have a further decision, {owner} is to {what} by {due}.
Everybody also wants to {what}, so that is decided. {owner} has it, due {due}.""",
    "decide_instead": """No wait, let's rather {what}.
Hmm, {why}. Then we {what} instead.
That will not work. We {what} instead.
Let me stop you there, {why}. We {what} instead.
On second thought, no. We {what}.
I changed my mind, it is better to {what}.
Everybody hates that idea, so no. We {what}, that is the decision.
Drop that. We {what} instead, agreed?
Actually no, since {why} we {what}.
That is too expensive, so forget it and let's {what}.
We cannot do that. What we can do is {what}, and that is settled now.
Not that, please. The better plan is to {what}. Fine, then that.""",
    "dropped": """Maybe we should {what}.
I would {what}.
My first idea was to {what}.
We could {what}.
What about this: we {what}?
At first I wanted us to {what}.
One way would be to {what}.
How about we {what}?
I was going to say we {what}.
Perhaps we {what}?
One option is to {what}.
Last time we said we would {what}.""",
    "ask_first": """{owner}, would you do it?
Is that something for {owner}?
{owner}, can you take this?
I thought of {owner} for this.
{owner}, you did this before, right?
Could {owner} do that?
I would like {owner} to do it.
What about {owner}?
{owner}, have you got time for it?
This has {owner} written all over it.""",
    "refuse": """No, sorry, I am really full this week.
Not me, please.
I would rather not, {why}.
Hmm, no. I have far too much to do.
Can somebody else do it?
I can't, I am on the road.
Why always me? No.
Honestly, I have no time.
Not again, I did it last time.
No way, look at my list.""",
    "accept": """OK, fine, I will do it, by {due}.
All right then. By {due}.
If nobody else can, I'll do it, but only by {due}.
Let me look. Yes, I can do it after all, by {due}.
Well, OK. You get it by {due}.
Since you ask so nicely, yes, by {due}.
Hmm, my other job was cancelled, so I can. By {due}.
Good, I give in. I will be done by {due}.
Fine, put me down, {due}.
OK then, I take it and finish by {due}.""",
    "plead": """There is nobody else.
It would really help.
It is only two hours of work.
You are the only one with the keys.
We would be very grateful.
Please?
I could help a little.
Nobody knows it better than you.
Think about it, it is not much.
We take something else off your list.""",
    "hand_over": """About {topic} again: I cannot do it after all, {owner} does it.
Back to {topic}. {owner} takes that from me, the date stays.
One change on {topic}, {owner} is doing it now and not me.
I forgot, I am away, so {topic} goes to {owner}.
Can {owner} take over {topic} from me? Yes, good.
Wait, {topic}: please write down {owner} and not me.
{owner} and I swapped, so {topic} {is} with {owner} now.
With {topic} I need to step back. {owner} has agreed to do it.
As for {topic}, I hand that over to {owner}.
{owner}, you wanted to do {topic}, right? Then it is yours and not mine.""",
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
In the end we said we {what}.
Because {why}, the team decided to {what}.
Since {why}, it was agreed to {what}.
It took a while, but in the end we agreed to {what}.
After {other} explained that {why}, everybody agreed to {what}.
Although some were against it, we will {what}.
{other} made the case to {what}, nobody objected.
The proposal to {what} was accepted.
As {why}, we will {what}.
The committee resolved to {what}.
We looked at three options and chose to {what}.
Result of the vote: we {what}.
Everyone was happy to {what}.
Long debate, then a clear yes: we {what}.
The decision, given that {why}, is to {what}.
Finally it is settled that we {what}.
{other} suggested that we {what}. Accepted.
It will not be cheap, but we {what}.
Conclusion: {what}.
There was a majority for the idea to {what}.
We will {what}, because {why}.
With one vote against, it was decided to {what}.
First and most important, we {what}.""",
    "decide_own": """It was decided that {owner} will {what} by {due}.
Decision: {owner} will {what} by {due}.
The team asked {owner} to {what} by {due}.
We agreed that {owner} will {what} by {due}.
The outcome: {owner} has to {what} by {due}.
All wanted {owner} to {what} by {due}.
Agreed: {owner} is to {what} by {due}.
Because {why}, it was agreed that {owner} will {what} by {due}.
{other} proposed that {owner} should {what} by {due}, and this was accepted.
Everyone was in favor: {owner} will {what} by {due}.
The decision is that {owner} will {what}, with {due} as the deadline.
Since {why}, the team decided that {owner} will {what} by {due}.""",
    "problem": """{topic} cause{s} trouble.
People complain about {topic}.
{number} customers were unhappy with {topic}.
The first topic was {topic}.
{other} spoke about {topic}.
{topic} {was} the big topic this week.
First point: {topic}.
There were {number} complaints about {topic}.
{other} does not like {topic}.
{other} reported problems with {topic}.
The talk was about {topic}.
Something is wrong with {topic}.
We began with {topic}, because {why}.
{other} brought up {topic}.
The discussion started with {topic}.
It became clear that {topic} need{s} attention.
{topic} {has} been on the list since the spring.
Several people mentioned {topic}.
There is growing concern about {topic}.
Next point was {topic}.
{number} emails came in about {topic}.
As {why}, we had to talk about {topic}.
{other} explained what is wrong with {topic}.
Nobody is happy with {topic} at the moment.""",
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
Responsible: {owner}, by {due}.
{owner} will see to it by {due}.
Because {owner} did it last time, {owner} will do it again by {due}.
{owner} agreed to do this, {due} at the latest.
This lands with {owner}, deadline {due}.
{owner} is in charge and should be done by {due}.
{other} asked {owner}, who said yes, by {due}.
As {why}, {owner} takes this on, by {due}.
{owner} was chosen to do it, due {due}.
We expect it from {owner} by {due}.
For this {owner} is responsible, and the date is {due}.
{owner} has until {due} to do it.
Since {owner} has the keys, {owner} does it, by {due}.
To be done by {owner}, by {due}.
{owner} put up a hand and said {due}.
Who: {owner}. When: {due}.""",
    "own_no_date": """{owner} will do it, no date yet.
{owner} owns it. The date was left out.
Owner: {owner}. No due date.
{owner} takes it but gave no date.
It goes to {owner}, without a date.
{owner} volunteered, the date comes later.
{owner} will look after it as soon as possible, we set no date.
For this {owner} is responsible, a date will follow.
{owner} agreed to do it but did not want to name a date.
In charge: {owner}, date open.
{owner} takes care of it, we talk about the date another time.
This is with {owner}, date not fixed.""",
    "no_owner": """Nobody took it, but it is due by {due}.
No owner yet. Due: {due}.
It has to be done by {due}, no volunteer so far.
The owner is to be named, the deadline is {due}.
Due by {due}, an owner was not found.
It is needed by {due}, nobody is assigned.
We found no one to do it, although it must be ready by {due}.
Who does it was left for later, deadline {due}.
Volunteers wanted! It has to be finished by {due}.
Nobody raised a hand, but {due} is the date.
Owner unclear, due {due}.
We still need a person for this, by {due}.""",
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
{owner} wants to {what} by {due}.
Since {why}, {owner} will {what} by {due}.
{owner} offered to {what}, {due} at the latest.
Next, {owner} is to {what} by {due}.
{other} asked {owner} to {what} by {due}, because {why}.
Meanwhile {owner} will {what}, by {due}.
{owner} should {what} by {due}.
Besides, {owner} has until {due} to {what}.
Also on the list: {owner} will {what} by {due}.
{owner} is happy to {what} by {due}.
It is the job of {owner} to {what} by {due}.
{owner} took on the job to {what}, due {due}.
So that we can go on, {owner} must {what} by {due}.
{owner} needs to {what} before anything else, by {due}.
Finally, {owner} will {what}, the date is {due}.""",
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
Someone has to find out {open}.
We had no time to settle {open}.
{other} wanted to know {open}, but nobody had an answer.
It remains to be seen {open}.
Postponed: {open}.
The question {open} could not be answered.
As the director was away, we could not decide {open}.
It is up to the next meeting to say {open}.
There was no time left to discuss {open}.
To be clarified: {open}.
What we do not know yet is {open}.
Nobody was able to tell us {open}.
Different views on {open}, no result.
{other} raised the question {open}, left open.
We need an answer soon on {open}.
Another open point is {open}.
Although we talked about it for long, it is unclear {open}.
Pending: {open}.
Parked for now: {open}.""",
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
The final date is {due}.
But {old} is a holiday, so it is {due}.
{old} was too tight, the new deadline is {due}.
As {why}, this was later moved to {due}.
{other} said {old} is too soon, so we agreed on {due}.
It had been {old} first, it is {due} now.
Correction from the end of the meeting: {due}.
(Changed after the break: {due}, not {old}.)
Because of other work this slips from {old} to {due}.
We looked at the calendar again and took {due} instead.
{other} noted that nobody is here on {old}. Now it is {due}.
Wrong date above, {due} is right.
The date {old} was then replaced by {due}.""",
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
Not {old} but {owner} will do it.
Since {why}, {owner} does it instead of {old}.
{old} will be on leave, so {owner} stepped in.
Then {old} gave it to {owner}.
{other} pointed out that {old} has too much work, so now {owner} does it.
{old} had to withdraw; {owner} is the owner now.
Changed later: {owner} does it, not {old}.
{owner} offered to do it instead of {old}, and we said yes.
In the break {old} and {owner} agreed that {owner} does it.
{old} is not free after all, it goes to {owner}.
Sorry, wrong name, {owner} does it and not {old}.
(Not {old}, {owner} does it.)
{old} asked {owner} to take it, and {owner} agreed.""",
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
The worry is that {risk}.
We must not forget the risk that {risk}.
The main danger is that {risk}.
{other} pointed to the risk that {risk}.
In the worst case {risk}.
The concern was raised that {risk}.
If things go badly, {risk}.
Noted as a risk: {risk}.
There was some worry that {risk}.
We see the danger that {risk}.
One possible problem is that {risk}.
Risk for the plan: {risk}.
As always, the risk is that {risk}.""",
    "chatter": """{number} people wrote about {topic}.
{other} had no time to look at {topic}.
{topic} can wait.
Nothing new on {topic}.
{other} was late.
{other} is on leave this week.
The demo went well.
{topic} {was} {done} last week.
{other} asked about {topic}, no change.
{other} saw {number} errors in {topic}.
Short break after {number} minutes.
{topic} {was} {done} by {other} in the spring.
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
{topic} {is} for another meeting.
{other} is new in the {team} team.
{other} brought cake.
The last minutes were approved.
{topic} {is} fine for now.
{other} told us about a trip.
{topic} came up, but that is for another day.
{number} guests came to the open day.
We welcomed {other}.
{other} apologized for being late.
The projector did not work at first.
No news about {topic}.
{other} thanked everyone for the help.
We had {number} minutes less than planned.
The {team} team says hello.
{other} mentioned {topic} in passing.
There was a short report from the {team} team.
{topic} {was} {done} before the summer, all good.
We laughed about {topic}.
{other} could not come because of the strike.
{other} has a new desk.
The heating was off.
Thanks to {other} for the coffee.
{topic} had {number} visitors last month.
Somebody asked about {topic}, not our business.
{other} passed around some photos.""",
    "decide_also": """It was also decided to {what}; {owner} will do this by {due}.
The team also decided that {owner} will {what} by {due}.
Second decision: {what}. Owner {owner}, due {due}.
A further decision was to {what}, with {owner} in charge and {due} as the date.
Also agreed, because {why}: {owner} will {what} by {due}.
Moreover, we agreed to {what}. {owner} has until {due}.
Another decision: {owner} will {what} by {due}.
In addition it was agreed to {what}, which {owner} does by {due}.
Decision too: {what} ({owner}, by {due}).
We further decided to {what}. This goes to {owner}, by {due}.
Everybody also agreed to {what}, {owner} takes care of it by {due}.
And the group decided to {what}. {owner} is responsible, by {due}.""",
    "decide_instead": """Then {other} pointed out that {why}, so the decision is to {what} instead.
This was dropped, and the team decided to {what}.
Later this was rejected: we will {what} instead.
In the end the group said no to that and agreed to {what}.
As {why}, that idea was given up, and we will {what}.
But then everybody preferred to {what}, so that is the decision.
That found no support. Decided instead: {what}.
No, the final decision is to {what}.
After the break we changed our minds, we will now {what}.
{other} was against it, and so we agreed to {what} instead.
On reflection we will not do that but {what}.
It was too expensive, so we decided to {what} instead.""",
    "dropped": """The first idea was to {what}.
{other} wanted to {what}.
At first we planned to {what}.
One option was to {what}.
{other} started with the proposal to {what}.
The old plan was to {what}.
Someone asked if we could {what}.
We first thought we would {what}.
The notes from last time say we would {what}.
Initially the plan was to {what}.
{other} would have liked to {what}.
There was the idea to {what}.""",
    "accept_late": """{owner} first said no, but then agreed to do it by {due}.
At first {owner} refused, {other} asked again, and now {owner} does it by {due}.
{owner} did not want it because of the workload, but finally accepted, by {due}.
After some begging {owner} took it, due {due}.
{owner} had no time at first, but something was cancelled, so {owner} will do it by {due}.
{other} asked {owner}, who hesitated and then said yes, by {due}.
{owner} was against it, but will do it all the same, by {due}.
Not keen at first, {owner} took it in the end, by {due}.
{owner} wanted {other} to do it, but {other} cannot, so {owner} does it by {due}.
It went back and forth, now {owner} does it, by {due}.""",
    "hand_over": """Later {old} passed {topic} on to {owner}.
About {topic}: {old} cannot do it after all, {owner} will.
Change on {topic}: {owner} takes over from {old}.
Towards the end {old} asked {owner} to take {topic}, and {owner} agreed.
{topic} went from {old} to {owner} at the end of the meeting.
Since {old} is away, {owner} now has {topic}.
{owner} does {topic} instead of {old}, the date stays.
{old} handed {topic} over to {owner}.
Back to {topic}, which {owner} does now and not {old}.
With {topic}, {owner} replaces {old}.""",
}

SHORT = {
    "decide_own": """{what} -> {owner}, {due}
dec: {what} -> {owner}, {due}
decided: {what} ({owner}, {due})
DECISION {what} / {owner} / {due}
dec: {what}. owner {owner}, due {due}
{what} - {owner} - {due}
Decision: {what} [{owner}, by {due}]
agreed: {what}, {owner} by {due}
ok to {what} = {owner} {due}
=> {what} (who: {owner}, when: {due})
D: {what} / O: {owner} / by {due}
we {what}, {owner}, {due}
final: {what}, resp. {owner}, deadline {due}
{what}, {owner} does it, {due}
{owner} to {what} (decided), {due}
all agreed: {what} >> {owner}, {due}
go for it: {what} | {owner} | {due}
{what} // {owner} // {due}
yes to: {what} - {owner} until {due}
decided today: {what}, @{owner}, due {due}""",
    "decide_no_owner": """dec: {what} -> ?, {due}
{what} (owner tbd), {due}
decided: {what}, nobody yet, {due}
{what} -> no owner, {due}
Decision: {what} [owner open, by {due}]
agreed: {what}, who? by {due}
D: {what} / O: ? / by {due}
{what} - ??? - {due}
go for it: {what} | - | {due}
final: {what}, owner missing, deadline {due}""",
    "decide_no_date": """dec: {what} -> {owner}, no date
{what} -> {owner}, ?
decided: {what} ({owner}, date tbd)
Decision: {what} [{owner}, no date]
agreed: {what}, {owner}, when?
D: {what} / O: {owner} / date open
{what} - {owner} - ???
final: {what}, resp. {owner}, no deadline
go for it: {what} | {owner} | -
yes to: {what} - {owner}, date later""",
    "item_other": """AI: {owner} {what} ({due})
AI {owner}: {what}, {due}
{owner} -> {what}, {due}
{what} -> {owner}, {due}
todo {owner}: {what} by {due}
- {what} ({owner}, {due})
{owner}: {what} ({due})
{owner} to {what}, {due}
[ ] {what} @{owner} {due}
action: {what} / {owner} / {due}
{what} - {owner}, by {due}
also {what}: {owner}, {due}
{owner} / {what} / {due}
task: {what}, who: {owner}, when: {due}
{what} = {owner}, {due}
{owner} does: {what}, due {due}
@{owner} {what} until {due}
next: {owner} {what}, {due}
{due}: {owner} to {what}
+ {what} >> {owner}, {due}
({owner}) {what}, {due}
TODO {what} [{owner}, {due}]
{owner} will {what} // {due}
homework {owner}: {what}, {due}
>> {owner}: {what} // {due}
action {owner}, {due}: {what}""",
    "decide_also": """dec 2: {what} -> {owner}, {due}
also decided: {what} ({owner}, {due})
2nd decision: {what} / {owner} / {due}
decided too: {what}, {owner} by {due}
another dec: {what} -> {owner}, {due}
and we decided: {what} [{owner}, {due}]
further decision: {what} - {owner} - {due}
agreed as well: {what}, {owner}, {due}
dec (b): {what}, owner {owner}, due {due}
plus decided: {what} = {owner} {due}""",
    "open": """tbd: {open}
open: {open}
? {open}
open q: {open}
unclear: {open}
still open - {open}
to clarify: {open}
not decided: {open}
question: {open}
Q: {open} (no answer)
parked: {open}
?? {open}
nobody knows {open}
ask around: {open}
open point / {open}
decide later: {open}
{open}: ?
open!! {open}
left open: {open}
to be answered - {open}""",
    "risk": """risk: {risk}
RISK {risk}
risk! {risk}
danger: {risk}
worry: {risk}
careful: {risk} (risk)
r: {risk}
main risk: {risk}
possible risk - {risk}
risk (named by {other}): {risk}
! {other}: {risk} (risk)
we risk this: {risk}
risk noted -> {risk}
risk no 1: {risk}
watch out, {risk} (risk)""",
    "chatter": """{topic}: nothing new
{other} away this week
{topic} ok
{topic} next time
fyi {topic} {was} {done}
{other} late
{number} mails re {topic}
{team} team not there
fyi {other} says hi
{topic}: {number} hours last month
{topic} - not us
short break
{other} joined by phone
cake by {other}, thx
{topic}: wait and see
started {number} min late
{other} asked re {topic}, no news
new in {team} team: {other}
{topic} done already
room cold again""",
    "correct_date": """(correction: {due}, not {old})
sorry, {due} instead of {old}
edit: date is {due} not {old}
no: {due}
update - {old} does not work, so {due}
date changed {old} => {due}
(not {old}! {due})
new date {due}
{old} is off, now {due}
wrong date, {due} it is""",
    "correct_owner": """(correction: {owner}, not {old})
sorry, {owner} instead of {old}
edit: {owner} does it, not {old}
no: {owner} does it
update - {old} has no time, so {owner}
owner changed {old} => {owner}
(not {old}! {owner})
new owner {owner}
{old} is out, {owner} takes it
wrong name, it is {owner}""",
}

OPEN_QUESTIONS = tuple(
    """who pays for {topic}
whether {topic} {is} needed
how much {topic} cost{s}
how long {topic} take{s}
who tests {topic}
why {topic} fail{s}
when {topic} start{s}
how to measure {topic}
whether to keep {topic}
which vendor delivers {topic}
where to store {topic}
who approves {topic}
if {topic} {is} legal
how often {topic} run{s}
whether {topic} can stay
who else needs {topic}
what {topic} should look like
how to pay for {topic}
whether {topic} {is} ready
why {topic} {is} slow
where {topic} come{s} from
how safe {topic} {is}
who wrote {topic}
when to announce {topic}
who has the keys to {topic}
whether we can afford {topic}
how many people need {topic}
which room {topic} should go to
when {topic} can begin
who looks after {topic} in the summer
whether {topic} {is} insured
what happens to {topic} next year
whether the landlord allows {topic}
how to advertise {topic}
why {topic} cost{s} so much
who is in charge of {topic}
where to find money for {topic}
whether to insure {topic}
what to do with {topic}
how old {topic} {is}
if {topic} {is} big enough
which colour {topic} should have
who has to sign for {topic}
whether the members want {topic}
how to explain {topic} to visitors
what comes after {topic}
if we may share {topic}
how to get {topic} through customs""".split("\n")
)

RISKS = tuple(
    """{topic} come{s} too late
{topic} break{s}
{topic} fail{s} the audit
{topic} cost{s} more than planned
users do not like {topic}
{topic} {is} too slow
{topic} lose{s} data
nobody can maintain {topic}
{topic} {is} not allowed
{topic} will not work offline
{topic} {does} not scale
customers reject {topic}
{topic} fall{s} apart
{topic} get{s} lost
nobody comes because of {topic}
the neighbours complain about {topic}
{topic} {is} too small
{topic} {does} not fit
somebody gets hurt by {topic}
the supplier forgets {topic}
{topic} {is} sold out
we run out of money for {topic}
the staff cannot handle {topic}
{topic} need{s} more time
the price of {topic} goes up
rain ruins {topic}
visitors damage {topic}
{topic} {has} to be done twice
the team loses interest in {topic}
{topic} break{s} down on the first day
the landlord forbids {topic}
parents object to {topic}
a storm delays {topic}
{topic} cause{s} a fire
nobody knows how {topic} work{s}
thieves take {topic}""".split("\n")
)

# Why somebody wants something; never part of an answer.
REASONS = tuple(
    """the old one leaks
customers keep asking for it
the budget ends this year
the last attempt failed
the inspector is coming
we are short of staff
the supplier gave up
nobody uses the old way any more
the neighbours complained
the costs went up by {number} percent
it takes {number} minutes every day
there is still money left
we promised it to the members
the rules have changed
{topic} {is} in the way
the lease runs out
{number} people signed the letter
it is a safety matter
we lost a lot of time with {topic}
the weather has been bad
the roof needs work first
the insurance asks for it
it worked well last year
{topic} did not help
children could get hurt
the owner of the building wants it
the season starts soon
we got {number} complaints
our stock is low
the volunteers asked for it
the other office did the same
{topic} cost{s} too much""".split("\n")
)

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
Notes: {notes}\\nSummary?
Can you summarize this for me? {notes}
Please write a summary of this meeting.\\n{notes}
{notes}\\n\\nPlease sum this up.
Short summary, please:\\n{notes}
Summarize what was said here: {notes}
{notes}\\nSummarize this.
Tell me the main points of these notes:\\n{notes}
I need a summary of these minutes: {notes}
Minutes:\\n{notes}\\n\\nSummary, please.
Make a summary of this meeting: {notes}
What are the key points? {notes}
Recap this meeting for me:\\n{notes}"""

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
What happened in this meeting? Answer {format}. {notes}
Can you summarize this {format}? {notes}
{notes}\\n\\nPlease sum this up {format}.
Recap the meeting {format}: {notes}
Give me these notes {format}:\\n{notes}
{notes}\\nSummarize this {format}.
I need a summary {format} of these minutes: {notes}
Tell me {format} what happened: {notes}
Here are my notes. {notes} Summarize them {format}."""

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
Make a to-do list from the meeting notes.\\n{notes}
{notes}\\n\\nWho has to do what? List it.
What are the action items? {notes}
Turn these notes into a task list:\\n{notes}
Show me all tasks with their owners: {notes}
{notes}\\nMake a list of the action items.
Which tasks were given out? {notes}
List who does what in these minutes:\\n{notes}
I need the to-dos from this meeting: {notes}"""

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
Question: {question}\\nMeeting notes:\\n{notes}
{notes}\\n\\nQuestion: {question}
Minutes: {notes}\\n{question}
I have a question about these notes. {question}\\n{notes}
{question} Look at these notes: {notes}
Look at the notes: {notes}\\n{question}
{notes}\\nTell me: {question}
From the notes below: {question}\\n\\n{notes}
Please read this and answer: {question} {notes}"""

QUESTIONS = {
    "owner": """Who owns {topic}?
Who will {what}?
Who has to {what}?
Who is responsible for {topic}?
Who is going to {what}?
Who takes care of {topic}?
Who is in charge of {topic}?
Which person will {what}?
Who should {what}?
Who was asked to {what}?
Who is the owner of {topic}?
Who is supposed to {what}?
Who looks after {topic}?
Whose job is it to {what}?
Who has {topic} on the list?
Who will be responsible for {topic}?
Who must {what}?
Do the notes say who will {what}?
Tell me who will {what}.
Name the person who has to {what}.
Whom do I ask about {topic}?
Who got the job to {what}?
Which person is responsible for {topic}?
Who said yes to the request to {what}?""",
    "due": """When {is} {topic} due?
By when will {owner} {what}?
What is the deadline for {topic}?
When will {topic} be {done}?
What is the due date for {topic}?
When does {owner} have to {what}?
Until when does {owner} have time to {what}?
When must {topic} be {done}?
When is the deadline for {topic}?
By which date will {owner} {what}?
By when must {owner} {what}?
What date was set for {topic}?
When should {owner} {what}?
How long does {owner} have to {what}?
By what date should {topic} be {done}?
When do we expect {topic} from {owner}?
What deadline does {owner} have for {topic}?
Which date was agreed for {topic}?
Tell me the due date for {topic}.
When {does} {topic} have to be {done}?""",
    "decision": """What was decided?
What did the team decide?
What is the decision?
Which decision was made?
What did they agree on?
What did we decide?
Which decision did the team make?
What did the meeting decide?
What was the outcome?
What is the team going to do?
What was agreed?
What has been decided?
Tell me what was decided.
What did they settle on?
Was anything decided? What?
What was the result of the meeting?
What came out of the meeting?
Which plan was accepted?
What do they want to do?
Name the decision.""",
    "open": """What is still open?
Which question is open?
What is the open question?
What was left open?
What is not clear yet?
What remains open?
Which point was not settled?
What do they not know yet?
What could nobody answer?
What has not been decided yet?
Which question has no answer yet?
What was left for the next meeting?
What still has to be clarified?
Are there open questions?
Is anything still open?
What is unresolved?
Which issue is unclear?
Tell me the open question.
What must still be found out?
What is left to decide?""",
    "risk": """What is the risk?
Which risk was named?
What could go wrong?
Is there a risk?
What are they worried about?
Which risk do the notes name?
What is the danger?
Which danger did they see?
What might go wrong?
What is the main risk?
Was a risk mentioned?
What worries the team?
What are they afraid of?
Which problem could come up?
Name the risk.
Tell me the risk.
Were any risks named?
What could happen in the worst case?
Which concern was raised?
What did somebody warn about?""",
    "task": """What will {owner} do?
What does {owner} have to do?
What is the task of {owner}?
What is the job of {owner}?
What is {owner} going to do?
Which task does {owner} have?
What should {owner} do?
What is on the list of {owner}?
What was given to {owner}?
Which job does {owner} have?
What will {owner} take care of?
What is {owner} responsible for?
What is the action item of {owner}?
What must {owner} do?
What has {owner} agreed to do?
What is {owner} in charge of?
What work does {owner} have?
Tell me what {owner} will do.
What is left for {owner} to do?
Name the task of {owner}.""",
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
Who is the boss of {other}?
Who chaired the meeting?
What is the email address of {other}?
How many people were invited?
What was the name of the hotel?
How much was spent last year?
Which country is {other} from?
What does {other} earn?
When was {other} born?
Where is the head office?
What is the website called?
What song did they sing?
Who was not invited?
What time did the meeting start?
In which city does {other} work?
How many customers do they have?
What did {other} have for lunch?
How tall is {other}?
Which bank do they use?"""


def _with_more(block, name, kind=None):
    """A block with what wordings.json adds to it."""
    more = [
        template.replace("\n", "\\n")
        for template in (MORE[name] if kind is None else MORE[name][kind])
    ]
    return (*block, *more) if isinstance(block, tuple) else "\n".join([block, *more])


for _name, _blocks in (
    ("SPOKEN", SPOKEN),
    ("REPORTED", REPORTED),
    ("SHORT", SHORT),
    ("QUESTIONS", QUESTIONS),
):
    for _kind in _blocks:
        _blocks[_kind] = _with_more(_blocks[_kind], _name, _kind)
OPEN_QUESTIONS, RISKS, REASONS = (
    _with_more(block, name)
    for name, block in (("OPEN_QUESTIONS", OPEN_QUESTIONS), ("RISKS", RISKS), ("REASONS", REASONS))
)
SUMMARIZE, FORMATTED, LIST_ACTIONS = (
    _with_more(block, name)
    for name, block in (
        ("SUMMARIZE", SUMMARIZE),
        ("FORMATTED", FORMATTED),
        ("LIST_ACTIONS", LIST_ACTIONS),
    )
)
QUESTION, NEVER_SAID = _with_more(QUESTION, "QUESTION"), _with_more(NEVER_SAID, "NEVER_SAID")

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

# Requests of validation and test, in words that grammar.py cannot come to.
HELD_OUT_REQUESTS = {
    words.VALIDATION: {
        SUMMARIZE: """{notes}\\n\\nThat is a lot of text, may I have it as a summary instead?
I had to skip this one. A summary would do. {notes}
Summary of what follows, if you would:\\n{notes}
Turn these pages into a paragraph that sums them up: {notes}
Trim this to the essentials:\\n{notes}
{notes}\\n\\nWhere did we land?
Rewrite this as one paragraph. {notes}
Squeeze this into something I can read on the bus: {notes}""",
        FORMATTED: """{notes}\\n\\nThat is a lot of text, may I have it {format} instead?
Trim this to the essentials {format}:\\n{notes}
{notes}\\n\\nWhere did we land? Reply {format}.
Rewrite these pages {format}. {notes}
I only have room for it {format}: {notes}
Let my director know {format} how it went.\\n\\n{notes}""",
        LIST_ACTIONS: """{notes}\\n\\nThat is a lot of text, may I have only the tasks as a list?
Tick list of the action items, if you would:\\n{notes}
Which action items did everybody take home? {notes}
Sort out who promised to do what, as bullets: {notes}
Itemise the tasks of each person.\\n{notes}
{notes}\\n\\nSet out the work by person, as bullets.""",
    },
    words.TEST: {
        SUMMARIZE: """{notes}\\n\\nI would rather read a summary than all of that.
Our notes are long, so do summarize them. {notes}
Let me have the summary of what comes next:\\n{notes}
My manager wants a summary of today's talk, here it is: {notes}
Distill this into a few lines:\\n{notes}
{notes}\\n\\nWhat did we end up with?
Abridge the following for a busy reader. {notes}
Compress the record below.\\n\\n{notes}""",
        FORMATTED: """{notes}\\n\\nI would rather read it {format} than all of that.
Distill this {format}:\\n{notes}
{notes}\\n\\nWhat did we end up with? Put it {format}.
Abridge the following {format}. {notes}
Compress the record below {format}.\\n\\n{notes}
Tell a colleague {format} how this went: {notes}""",
        LIST_ACTIONS: """{notes}\\n\\nI would rather see only the action items than all of that.
Our notes are long, so do list the tasks in them. {notes}
Which to-dos did each of us leave with?\\n{notes}
Bullets with everybody's tasks are all I need: {notes}
Enumerate the assignments below.\\n\\n{notes}
Draw up a checklist of who owes what: {notes}""",
    },
}

KIND_OF = {SUMMARIZE: "summary", FORMATTED: "format", LIST_ACTIONS: "actions", QUESTION: "question"}

NOT_IN_NOTES = "The notes do not say."

# The fixed words of answers and dates, for `fixed_text`.
ANSWER_WORDS = """The team decided to. owns it, due by. with no date set. Nobody is named for it yet, and it is due by.
and will do it by, but nobody is named for it; it is still open. It is still open. Still open: Decision: Owner: Due: Open: Risk:
not named not set due: Nobody yet: - The risk is that. user assistant in one sentence, in 1 sentence, in 2 sentences, in two sentences, as 3 bullets, in three bullets, in 3 bullet points"""


# Sections of minutes, openings and closings of e-mails, heads of tables: by kind, all the same in every split.
HEADINGS = {
    "people": ["Attendees", "Present", "Participants", "In the room"],
    "decide": ["Decisions", "Decision", "Decided", "What we decided"],
    "item": ["Action items", "Actions", "To do", "Next steps"],
    "open": ["Open", "Open questions", "Still open", "To be clarified"],
    "risk": ["Risks", "Risk"],
    "chatter": ["Parking lot", "Other", "Any other business", "FYI", "Notes"],
}
HELLO = [
    "Hi all,",
    "Hello everyone,",
    "Hi team,",
    "Dear all,",
    "Hi,",
    "Hello,",
    "Hey folks,",
    "Good morning,",
]
RECAP = [
    "quick recap of today.",
    "here is what we said this morning.",
    "short notes from our meeting.",
    "a few notes from today's call.",
    "thanks for coming today.",
    "as promised, the minutes.",
    "sorry for the delay, here are the notes.",
    "",
]
BYE = [
    "Thanks,",
    "Best,",
    "Cheers,",
    "Regards,",
    "See you,",
    "Best wishes,",
    "Have a nice day,",
    "Thank you,",
]
TABLE_HEADS = [
    "task | who | when",
    "what | owner | due",
    "Task | Owner | Due",
    "To do | Person | Date",
    "",
]


def _lists():
    """All lists of templates."""
    for voice in (SPOKEN, REPORTED, SHORT):
        yield from map(lines, voice.values())
    yield from (OPEN_QUESTIONS, RISKS, REASONS)
    yield from map(
        lines, (SUMMARIZE, FORMATTED, LIST_ACTIONS, QUESTION, *QUESTIONS.values(), NEVER_SAID)
    )


def _plain(template):
    return re.sub(r"[^a-z{} ]", "", template.lower()).strip()


@functools.cache
def _owners():
    """The split of each template. One that stands in two lists has one split in both; punctuation makes no difference."""
    owners = {}
    for templates in _lists():
        # So that even a short list leaves two or more to validation and test.
        every = next(
            every
            for least, every in ((40, 10), (16, 8), (12, HELD_OUT), (0, 5))
            if len(templates) >= least
        )
        for index, template in enumerate(templates):
            held = {every - 2: words.VALIDATION, every - 1: words.TEST}.get(
                index % every, words.TRAIN
            )
            if held != words.TRAIN and _plain(template) in grammar.plain_cores(_plain):
                held = UNUSED
            owners.setdefault(_plain(template) or template, held)
    return owners


@functools.cache
def own(block, split):
    """The templates of a block that one split may use. The block is a text or, for a ready list, a tuple."""
    if block in HELD_OUT_REQUESTS.get(split, {}):
        return lines(HELD_OUT_REQUESTS[split][block])
    templates = lines(block) if isinstance(block, str) else block
    return [template for template in templates if _owners()[_plain(template) or template] == split]


def wording(request):
    """A request or question without the notes, capitals and punctuation."""
    return " ".join(_plain(request.replace("{notes}", " ")).split())


@functools.cache
def held_out_wordings():
    """Requests and questions of validation and test: `wording` of each."""
    blocks = (SUMMARIZE, FORMATTED, LIST_ACTIONS, QUESTION, *QUESTIONS.values(), NEVER_SAID)
    return {
        wording(template)
        for split in (words.VALIDATION, words.TEST)
        for block in blocks
        for template in own(block, split)
    } - {""}


def owner_of(template):
    """The split that a template belongs to, None for one that is in no list."""
    return _owners().get(_plain(template) or template)


def answer_text():
    """The fixed words of answers, and the words of dates."""
    return "\n".join([ANSWER_WORDS, NOT_IN_NOTES, words.WORDING])


def fixed_text():
    """Everything in notes, requests and answers that is wording and not content."""
    blocks = [
        *SPOKEN.values(),
        *REPORTED.values(),
        *SHORT.values(),
        *QUESTIONS.values(),
        *FOLLOW_UP.values(),
    ]
    blocks += [*OPEN_QUESTIONS, *RISKS, *REASONS]
    blocks += [
        SUMMARIZE,
        FORMATTED,
        LIST_ACTIONS,
        QUESTION,
        NEVER_SAID,
        NOT_IN_NOTES,
        ANSWER_WORDS,
        words.WORDING,
    ]
    blocks += [
        *[heading for headings in HEADINGS.values() for heading in headings],
        *HELLO,
        *RECAP,
        *BYE,
        *TABLE_HEADS,
    ]
    text = re.sub(r"\{\w+\}", "", "\n".join("\n".join(lines(block)) for block in blocks))
    return text + "\n" + text.lower()


@functools.cache
def lines(text):
    """The templates of one block; a written \\n stands for a line break inside a template."""
    return [line.replace("\\n", "\n") for line in text.split("\n")]
