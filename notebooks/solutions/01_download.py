# %% [fits]
def fits(licence, size_mb):
    return licence in ("MIT", "apache-2.0") and size_mb is not None and size_mb <= 3000


check("fits", fits)

# %% [room]
answer = (822 + 4200 + 2600) / 1000 + DISK_GB

check("room", answer)
