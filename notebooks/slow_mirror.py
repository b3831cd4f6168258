"""Serve a model of the kit slowly, from this machine to this machine, so that you can watch a download.

Notebook 01 uses it. The mirror is the one that serves a room (`python -m helpers mirror`), with a
brake; what arrives goes into a scratch folder beside the results, never into the cache.
"""

import asyncio
import shutil

from helpers import Table, results_folder
from helpers.common import web
from helpers.common.paths import BUILT_IN_MODELS, model_cache
from helpers.common.progress import Progress
from helpers.models import cache
from helpers.models.built_in import install_built_in
from helpers.models.classroom import Classroom, SharedCatalog
from helpers.models.mirror import Mirror

PIECE = 32_768  # bytes that are sent at once


class SlowMirror:
    """Bring one built-in model here in about `seconds`; damage it, verify it, repair it."""

    def __init__(self, alias, seconds):
        install_built_in(BUILT_IN_MODELS, model_cache())
        self.catalog = SharedCatalog(model_cache(), [alias])
        (self.package,) = self.catalog.packages().values()
        self.pause_s = seconds * PIECE / self.package.bytes
        self.home = results_folder() / "slow_mirror"
        self.folder = self.package.folder(self.home / "models")

    def download(self):
        """Fetch the model, on from what is here; after an interrupt, say how far it came."""
        if self.folder.exists():
            shutil.rmtree(self.home)  # it is whole: begin again
        begin = self._percent()
        if begin:
            print(f"resumed at {begin} %")
        mirror = web.Background(self._brake(Classroom(self.catalog, []).app), 2**16)
        try:
            address = Mirror(f"http://127.0.0.1:{mirror.port}")
            total_kb, target = self.package.bytes // 1000, self.home / "models"
            with Progress(total_kb, "kB") as line:

                def show(n_bytes):
                    line.to(n_bytes // 1000)

                address.fetch(self.package, self.home, target, show)
        except KeyboardInterrupt:
            return print(f"interrupted at {self._percent()} %: run this cell again")
        finally:
            mirror.close()
        print(f"{self.package.alias} is here")

    def flip_a_byte(self):
        """Change one byte in the middle of the largest file."""
        path = max(self.folder.iterdir(), key=lambda path: path.stat().st_size)
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 1]))
        print(f"one byte of {path.name} is changed")

    def verify(self):
        """Hash every file, and return a line for each."""
        wrong = cache.problems(self.folder, self.package)
        damage = {problem.file: problem.reason for problem in wrong}
        rows = [[name, damage.get(name, "whole")] for name in self.package.files]
        note = "damaged" if damage else "every byte is right"
        return Table(("file", "hash"), rows, note=note)

    def repair(self):
        """Remove what is damaged, and fetch the model again without the brake."""
        self.pause_s = 0
        self.download()

    def _percent(self):
        incoming = self.home / "incoming" / self.folder.name
        paths = incoming.rglob("*") if incoming.exists() else []
        arrived = sum(path.stat().st_size for path in paths if path.is_file())
        return round(100 * arrived / self.package.bytes)

    def _brake(self, app):
        async def slow_app(scope, receive, send):
            async def slowly(message):
                body = message.get("body", b"")
                if message["type"] != "http.response.body" or len(body) <= PIECE:
                    return await send(message)
                for start in range(0, len(body), PIECE):
                    piece = body[start : start + PIECE]
                    more = message.get("more_body", False) or start + PIECE < len(body)
                    await send({**message, "body": piece, "more_body": more})
                    await asyncio.sleep(self.pause_s)

            await app(scope, receive, slowly)

        return slow_app
