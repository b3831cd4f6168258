"""Run Foundry Local around the finished folders, as learners will use it."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from helpers.timing.stream import Timeline, send
from helpers.timing.transport import Exchange

from .settings import VERSION

# Nothing listens there: models come from the local catalog, and the public one is not waited for.
NO_CATALOG = "http://127.0.0.1:9/none"
TIMEOUT_S = 900.0  # 135 million parameters on a busy machine


class Runtime:
    """A running web service with an empty local catalog: `with Runtime() as runtime:`."""

    def __enter__(self) -> Self:
        # With this variable the SDK opens no connections itself; it must be set before the import.
        os.environ.setdefault("CI", "true")
        from foundry_local_sdk import CatalogType, Configuration, FoundryLocalManager

        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        home = Path(self._folder.name)
        FoundryLocalManager.initialize(
            Configuration(
                app_name="pocket-recipe",
                app_data_dir=str(home / "data"),
                model_cache_dir=str(home / "cache"),
                logs_dir=str(home / "logs"),
                web=Configuration.WebService(urls="http://127.0.0.1:0"),
                catalog_urls=[(NO_CATALOG, None)],
            )
        )
        manager = FoundryLocalManager.instance
        assert manager is not None  # `initialize` raises when it fails
        self._manager, self._catalog = manager, manager.get_catalog(CatalogType.LOCAL)
        manager.start_web_service()
        assert manager.urls
        self._url = f"{manager.urls[0].rstrip('/')}/catalogs/local/v1/chat/completions"
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()
        self._folder.cleanup()

    def load(self, alias: str, folder: Path, loads: int = 1) -> tuple[str, list[float]]:
        """Register, load and warm up one folder; return its id and the seconds of each load."""
        from foundry_local_sdk import ModelInfoBuilder

        model_id = f"{alias}-generic-cpu:{VERSION}"
        info = ModelInfoBuilder()
        info.set_string_property("task", "chat-completion")
        model = self._catalog.register_model(str(folder), model_id, info)
        seconds = [_seconds_to_load(model)]
        while len(seconds) < loads:
            model.unload()
            seconds.append(_seconds_to_load(model))
        self.chat(model_id, "Hello", 8)
        return model_id, seconds

    def chat(self, model_id: str, prompt: str, max_tokens: int) -> Timeline:
        """Send one streamed request at temperature 0.

        An empty answer is an answer too. Raises RuntimeError when none came to its end.
        """
        body = {
            "model": model_id,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        timeline = send(Exchange(self._url, body, TIMEOUT_S))
        if not timeline.ok and timeline.finish_reason is None:
            raise RuntimeError(f"{model_id}: {timeline.error}")
        return timeline


def _seconds_to_load(model: Any) -> float:
    began = time.perf_counter()
    model.load()
    return time.perf_counter() - began
