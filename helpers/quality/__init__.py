"""Score answers.

Facets are matched by words, people and a judge model score from 1 to 5, and agreement says how far they confirm each other.
It reads finished runs only.
"""

__all__ = ["agreement", "answers", "facets", "model_judge", "people"]
