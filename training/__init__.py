"""The recipe of the built-in models: invent text, train on it, export, evaluate and describe them.

It runs from a checkout (`python -m training` at the project's root) and is not installed with the
kit. `train`, `tokens`, `network`, `batches`, `export`, `tune`, `rows` and `lora` need the packages
of requirements.txt beside this file; everything else needs no more than the kit. The way of the
data:

    words, phrases, grammar -> meetings -> notes, answers, knowledge -> generate
    tokens, batches, network -> train -> export
    written, rows, lora, marks -> tune
    serve, scoring -> evaluate, precisions, gaps -> package (with tables and curves)
"""
