"""Run the kit from a terminal: `python -m helpers COMMAND`.

The commands make the same calls as the notebooks and hold no logic of their own.
Each imports what it needs when it runs, so that listing models does not wait for pandas.
"""
