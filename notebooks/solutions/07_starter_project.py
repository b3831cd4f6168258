# %% [script]
script = NOTEBOOKS / "solutions" / "starter_project.py"
starter = runpy.run_path(str(script))

# %% [csv]
check("csv", starter["to_csv"])

# %% [markdown]
check("markdown", starter["to_markdown"])

# %% [score]
check("score", starter["score"])

# %% [line-up]
check("line-up", starter["read_models"])
