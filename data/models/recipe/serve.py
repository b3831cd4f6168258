"""The real Foundry Local runtime around the finished folders, as learners will use it."""

import json
import os
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

# With this variable the SDK opened no connection of its own; it has to be there before the SDK is loaded.
os.environ.setdefault("CI", "true")

# Nothing listens there: models come from the local catalog, and the public one must not be waited for.
NO_CATALOG = "http://127.0.0.1:9/none"


@dataclass(frozen=True)
class Reply:
    """One streamed answer. `output_tokens_per_s` is None below two tokens."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    ttft_s: float
    output_tokens_per_s: float | None


class Runtime:
    """`with Runtime() as runtime:` gives a running web service with an empty local catalog."""

    def __enter__(self):
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
        self._manager = FoundryLocalManager.instance
        self._catalog = self._manager.get_catalog(CatalogType.LOCAL)
        self._manager.start_web_service()
        self._address = urllib.parse.urlparse(self._manager.urls[0])
        return self

    def __exit__(self, *_):
        self._manager.close()
        self._folder.cleanup()

    def load(self, folder, model_id):
        """Registers and loads one folder; returns (model, load time in seconds)."""
        from foundry_local_sdk import ModelInfoBuilder

        info = ModelInfoBuilder()
        info.set_string_property("task", "chat-completion")
        model = self._catalog.register_model(str(folder), model_id, info)
        began = time.perf_counter()
        model.load()
        return model, time.perf_counter() - began

    def chat(self, model_id, prompt, max_tokens):
        """One streamed request at temperature 0."""
        body = {
            "model": model_id,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        connection = HTTPConnection(self._address.hostname, self._address.port, timeout=60)
        began = time.perf_counter()
        connection.request(
            "POST",
            "/catalogs/local/v1/chat/completions",
            json.dumps(body),
            {"Content-Type": "application/json"},
        )
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{model_id} answered {response.status}: {response.read()[:300]!r}")
        stamped = [(time.perf_counter(), line) for line in response if line.startswith(b"data: {")]
        connection.close()
        return _reply(began, stamped)


def _reply(began, stamped):
    """Chunks are parsed after the last one has arrived, so that parsing is not part of any time."""
    text, finish, usage, arrivals = "", None, {}, []
    for moment, line in stamped:
        chunk = json.loads(line[6:])
        if "error" in chunk:
            raise RuntimeError(f"error inside the stream: {chunk['error']}")
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices", []):
            if content := choice.get("delta", {}).get("content"):
                text += content
                arrivals.append(moment)
            finish = choice.get("finish_reason") or finish
    count = usage.get("completion_tokens", 0)
    rate = (count - 1) / (arrivals[-1] - arrivals[0]) if count > 1 and len(arrivals) > 1 else None
    first = arrivals[0] - began if arrivals else float("nan")
    return Reply(text, finish, usage.get("prompt_tokens", 0), count, first, rate)
