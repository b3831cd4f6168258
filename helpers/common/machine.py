"""Describe the machine, never its user, and measure memory, time and energy of a process."""

import contextlib
import functools
import importlib
import os
import platform
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from .paths import PROJECT

PACKAGES = (
    *("foundry-local-workshop", "foundry-local-sdk", "onnxruntime", "onnxruntime-genai-core"),
    *("openai", "numpy", "scipy", "pandas", "matplotlib"),
)
WATTS_PER_CORE = 5.0  # an assumption: laptop processors of 15 to 45 W have 4 to 8 cores
SAMPLER_SHARE = 0.005  # of a core, for the readings alone
SAMPLE_EVERY_S = 0.05
POWERCAP = Path("/sys/class/powercap")


def environment() -> dict[str, Any]:
    """Return machine, package versions and git revision, ready for JSON."""
    return {"machine": machine(), "packages": packages(), "git_revision": git_revision()}


def machine() -> dict[str, Any]:
    """Return system, processor, memory (MB) and power source; None where unknown."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "on_mains_power": None if battery is None else bool(battery.power_plugged),
    }


def packages() -> dict[str, str | None]:
    """Return the installed versions of the packages that can change a figure."""
    return {name: installed(name) for name in PACKAGES}


def installed(name: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """Return the processor as the system names it."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if name := re.search(r"^model name\s*: (.+)", text, re.MULTILINE):
            return name[1].strip()
    return platform.processor() or platform.machine()


def git_revision() -> str | None:
    """Return the commit of this checkout, `+changes` if files differ; None outside git."""
    describe = ["git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+changes"]
    try:
        done = subprocess.run(describe, cwd=PROJECT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def memory_mb(pid: int) -> float | None:
    """Return the memory of a process and its children in MB (10^6 bytes); None when it is gone."""
    return _sum_over_tree(pid, _private_bytes) / 1e6 or None


def _private_bytes(process: psutil.Process) -> float:
    info = process.memory_full_info()  # PSS on Linux, so that shared memory is not counted twice
    return getattr(info, "pss", 0) or getattr(info, "private", 0) or info.uss


def _sum_over_tree(pid: int, read: Callable[[psutil.Process], float]) -> float:
    total = 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):  # it has ended in between
            total += read(process)
    return total


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


class PeakMemory:
    """Watch the highest memory of a process tree while a `with` block runs."""

    def __init__(self, pid: int):
        self._pid, self._stop = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.baseline_mb = memory_mb(pid)
        self.peak_mb = self.baseline_mb or 0.0
        self.gpu_mb = gpu_memory_mb(pid)

    @property
    def above_mb(self) -> float | None:
        """Return the peak above the baseline; None when the process was gone at the start."""
        return None if self.baseline_mb is None else self.peak_mb - self.baseline_mb

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._read()  # the runtime keeps its memory until the model is unloaded

    def _watch(self) -> None:
        pause = SAMPLE_EVERY_S
        while not self._stop.wait(pause):
            began = time.thread_time()
            self._read()
            pause = max(SAMPLE_EVERY_S, (time.thread_time() - began) / SAMPLER_SHARE)

    def _read(self) -> None:
        self.peak_mb = max(self.peak_mb, memory_mb(self._pid) or 0)
        gpu_mb = gpu_memory_mb(self._pid)
        self.gpu_mb = gpu_mb if self.gpu_mb is None else max(self.gpu_mb, gpu_mb or 0)


class Nvml:
    """Ask the NVIDIA driver, through pynvml; `devices` is empty where none answers."""

    def __init__(self, library: Any = None):
        self.devices: list[Any] = []
        # No driver, no library, no permission: each has its own error, and all mean "no figures".
        with contextlib.suppress(Exception):
            self._library = library or importlib.import_module("pynvml")
            self._library.nvmlInit()
            count = self._library.nvmlDeviceGetCount()
            self.devices = [self._library.nvmlDeviceGetHandleByIndex(i) for i in range(count)]

    def memory_mb(self, pids: Sequence[int]) -> float | None:
        """Return the GPU memory of these processes in MB; None where no GPU says."""
        sizes = [
            process.usedGpuMemory
            for device in self.devices
            for process in self._ask("nvmlDeviceGetComputeRunningProcesses", device) or []
            if process.pid in pids and process.usedGpuMemory is not None
        ]
        return sum(sizes) / 1e6 if sizes else None

    def free_mb(self) -> float | None:
        """Return the free memory of the roomiest GPU in MB; None where no GPU says."""
        memories = [self._ask("nvmlDeviceGetMemoryInfo", device) for device in self.devices]
        return max((memory.free / 1e6 for memory in memories if memory), default=None)

    def energy_j(self) -> float | None:
        """Return the joules that all GPUs have used so far; None where one does not say."""
        counters = [self._ask("nvmlDeviceGetTotalEnergyConsumption", d) for d in self.devices]
        if not counters or None in counters:
            return None
        return sum(counters) / 1000  # they count millijoules

    def _ask(self, function: str, device: Any) -> Any:
        with contextlib.suppress(Exception):  # "not supported" on some boards
            return getattr(self._library, function)(device)
        return None


@functools.cache
def nvml() -> Nvml:
    """Return the driver of this machine, asked for once."""
    return Nvml()


def gpu_memory_mb(pid: int) -> float | None:
    """Return the GPU memory of a process tree in MB; None without an NVIDIA GPU that says."""
    return nvml().memory_mb([process.pid for process in _tree(pid)]) if nvml().devices else None


class Energy:
    """Add up the joules used while `with` blocks run, by the counters that `source` names.

    A counter counts other programs too. Without one, the estimate is the processor time of the
    process tree times an assumed power of a core. `pid()` is asked because a restart changes it.
    """

    def __init__(self, pid: Callable[[], int], powercap: Path = POWERCAP, gpu: Nvml | None = None):
        self._pid, self._gpu = pid, nvml() if gpu is None else gpu
        self._packages = _readable_packages(powercap)
        self.joules = 0.0
        counters = {"RAPL": bool(self._packages), "NVML": self._gpu.energy_j() is not None}
        self.source = " and ".join(name for name, there in counters.items() if there) or "estimate"

    def __enter__(self) -> "Energy":
        self._before = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        for (before, wrap), (after, _wrap) in zip(self._before, self._read(), strict=True):
            self.joules += max(0.0, after - before + (wrap if after < before else 0))

    def _read(self) -> list[tuple[float, float]]:
        """Return the joules of each counter, and the joules at which it begins again."""
        if self.source == "estimate":
            used_s = _sum_over_tree(self._pid(), lambda process: sum(process.cpu_times()[:2]))
            return [(used_s * WATTS_PER_CORE, 0.0)]  # the first two are user and system
        readings = [(int(counter.read_text()) / 1e6, wrap) for counter, wrap in self._packages]
        gpu = self._gpu.energy_j()
        return readings if gpu is None else [*readings, (gpu, 0.0)]


def _readable_packages(powercap: Path) -> list[tuple[Path, float]]:
    """Return the readable energy counters, with the joules at which each begins again."""
    counters = []
    for zone in sorted(powercap.glob("*")):
        try:
            if (zone / "name").read_text().startswith("package"):
                int((zone / "energy_uj").read_text())
                wrap = int((zone / "max_energy_range_uj").read_text()) / 1e6
                counters.append((zone / "energy_uj", wrap))
        except (OSError, ValueError):
            continue  # most systems show the counter to administrators only
    return counters
