"""Run the course.

Exercises and their checks, the notebooks run headless, and the widgets that a notebook may show live here.
Nothing else imports it except the command line.
"""

__all__ = ["exercises", "lessons", "notebooks", "widgets"]
