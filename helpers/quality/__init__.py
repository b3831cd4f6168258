"""Score answers.

Facets are matched by words, people and a judge model give 1 to 5, and agreement says how far they
confirm each other. It reads finished runs only.
"""
