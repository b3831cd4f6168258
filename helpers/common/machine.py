"""What a run stood on (machine, packages, source revision; never a user name, a home folder or a key), and what a process needs."""

import functools
import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import psutil

from .errors import UsageError
from .paths import PROJECT

PACKAGES = (
    "foundry-local-sdk",
    "onnxruntime",
    "onnxruntime-genai-core",
    "openai",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
)


def environment() -> dict:
    """Machine, package versions and git revision, as a JSON-ready dict."""
    return {"machine": machine(), "packages": packages(), "git_revision": git_revision()}


def machine() -> dict:
    """Operating system, processor, memory and power source. Sizes in MB; None where the system does not say."""
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
    """Installed versions of the packages that can change a figure."""
    return {name: installed(name) for name in PACKAGES}


def installed(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """The processor as the system names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def git_revision() -> str | None:
    """The commit of this checkout, with `+changes` when files differ from it; None outside git."""
    revision = _git("rev-parse", "--short=12", "HEAD")
    return revision and revision + (
        "+changes" if _git("status", "--porcelain", "--untracked-files=no") else ""
    )


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


# ---------------------------------------------------------------- what a process needs

WATTS_VARIABLE = "WORKSHOP_WATTS_PER_CORE"
WATTS_PER_CORE = 5.0  # an assumption: laptop processors of 15 to 45 W have 4 to 8 cores
SAMPLER_SHARE = 0.005  # of a core, for the readings alone
SAMPLE_EVERY_S = 0.05
POWERCAP = Path("/sys/class/powercap")


def memory_mb(pid: int) -> float | None:
    """Memory of a process and its children in MB (10^6 bytes): PSS on Linux, private bytes elsewhere; None when it is gone.

    Either leaves out what the processes share with others, so that the sum counts nothing twice.
    """
    total = 0
    for process in _tree(pid):
        try:
            info = process.memory_full_info()
        except psutil.Error:
            continue
        total += getattr(info, "pss", 0) or getattr(info, "private", 0) or info.uss
    return total / 1e6 if total else None


def processor_s(pid: int) -> float:
    """Processor time that a process and its children have used until now, in seconds."""
    total = 0.0
    for process in _tree(pid):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


class PeakMemory:
    """The highest memory of a process tree while a `with` block runs; `above_mb` is relative to `baseline_mb`, its first reading.

    The thread sleeps two hundred times as long as a reading takes, so that it needs well below 1 % of a core; a last reading is taken at
    the end, because the runtime keeps what it has taken until the model is unloaded.
    """

    def __init__(self, pid: int):
        self._pid, self._stop = pid, threading.Event()
        self.baseline_mb = self.peak_mb = memory_mb(pid)
        self.gpu_mb = gpu_memory_mb(pid)

    @property
    def above_mb(self) -> float | None:
        """Peak above the baseline; None when the process was gone at the start."""
        return None if self.baseline_mb is None else self.peak_mb - self.baseline_mb

    def __enter__(self) -> "PeakMemory":
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        self._read()

    def _watch(self) -> None:
        pause = SAMPLE_EVERY_S
        while not self._stop.wait(pause):
            began = time.thread_time()
            self._read()
            pause = max(SAMPLE_EVERY_S, (time.thread_time() - began) / SAMPLER_SHARE)

    def _read(self) -> None:
        self.peak_mb = max(self.peak_mb or 0, memory_mb(self._pid) or 0)
        gpu_mb = gpu_memory_mb(self._pid)
        self.gpu_mb = gpu_mb if self.gpu_mb is None else max(self.gpu_mb, gpu_mb or 0)


class Nvml:
    """The NVIDIA driver's own figures; `count` is 0 where no driver answers. `library` is pynvml, or a stand-in with its functions."""

    def __init__(self, library=None):
        self.devices: list = []
        try:
            if library is None:
                import pynvml as library
            self._library = library
            library.nvmlInit()
            self.devices = [
                library.nvmlDeviceGetHandleByIndex(number)
                for number in range(library.nvmlDeviceGetCount())
            ]
        except Exception:  # no driver, no library, no permission: each has an error of its own, and all mean "no figures"
            self.devices = []

    def memory_mb(self, pids: Sequence[int]) -> float | None:
        """GPU memory of these processes in MB; None where no GPU says."""
        found = [
            process.usedGpuMemory
            for device in self.devices
            for process in self._ask("nvmlDeviceGetComputeRunningProcesses", device) or []
            if process.pid in pids and process.usedGpuMemory is not None
        ]
        return sum(found) / 1e6 if found else None

    def free_mb(self) -> float | None:
        """Free memory of the roomiest GPU in MB; None where no GPU says."""
        found = [
            info.free
            for device in self.devices
            if (info := self._ask("nvmlDeviceGetMemoryInfo", device))
        ]
        return max(found) / 1e6 if found else None

    def energy_j(self) -> float | None:
        """Energy that all GPUs have used since their driver was loaded, in joules; None where one does not say."""
        found = [
            self._ask("nvmlDeviceGetTotalEnergyConsumption", device) for device in self.devices
        ]  # millijoules
        return sum(found) / 1000 if found and None not in found else None

    def _ask(self, function: str, device):
        try:
            return getattr(self._library, function)(device)
        except Exception:  # "not supported" on some boards
            return None


@functools.cache
def nvml() -> Nvml:
    """The driver of this machine, asked for once."""
    return Nvml()


def gpu_memory_mb(pid: int) -> float | None:
    """GPU memory of a process tree in MB; None where there is no NVIDIA GPU, or it does not say."""
    return nvml().memory_mb([process.pid for process in _tree(pid)]) if nvml().devices else None


class Energy:
    """Energy while `with` blocks run, added up: from counters of the machine where it has any, else estimated from processor time.

    `joules` and `source` ("RAPL", "NVML", "RAPL and NVML", or "estimate") say what was found. A counter counts the whole
    package, other programs included; the estimate is processor time of the process tree (`pid()`, which changes when it was
    started again) times an assumed power of a core.
    """

    def __init__(self, pid: Callable[[], int], powercap: Path = POWERCAP, gpu: Nvml | None = None):
        self._pid, self._gpu = pid, nvml() if gpu is None else gpu
        self._packages = _readable_packages(powercap)
        self.joules = 0.0
        sources = (["RAPL"] if self._packages else []) + (
            ["NVML"] if self._gpu.energy_j() is not None else []
        )
        self.source = " and ".join(sources) or "estimate"

    def __enter__(self) -> "Energy":
        self._before = self._read()
        return self

    def __exit__(self, *_) -> None:
        for (before, wrap), (after, _) in zip(self._before, self._read(), strict=True):
            self.joules += max(0.0, after - before + (wrap if after < before else 0))

    def _read(self) -> list[tuple[float, float]]:
        """(joules, where the counter begins again) of each counter."""
        if self.source == "estimate":
            return [(processor_s(self._pid()) * watts_per_core(), 0.0)]
        gpu = self._gpu.energy_j()
        return [(int(counter.read_text()) / 1e6, wrap) for counter, wrap in self._packages] + (
            [] if gpu is None else [(gpu, 0.0)]
        )


def _readable_packages(powercap: Path) -> list[tuple[Path, float]]:
    """Energy counters of whole processor packages that this user may read, and the joules at which each begins again."""
    found = []
    for zone in sorted(powercap.glob("*")):
        try:
            if (zone / "name").read_text().startswith("package"):
                int((zone / "energy_uj").read_text())
                found.append(
                    (zone / "energy_uj", int((zone / "max_energy_range_uj").read_text()) / 1e6)
                )
        except (OSError, ValueError):
            continue  # most systems show the counter to administrators only
    return found


def watts_per_core() -> float:
    """What a busy core is assumed to draw, for the estimate. Raises UsageError for a setting that is no number from 0.1 to 100."""
    text = os.environ.get(WATTS_VARIABLE) or str(WATTS_PER_CORE)
    try:
        watts = float(text)
    except ValueError:
        watts = 0.0
    if not 0.1 <= watts <= 100:
        raise UsageError(
            f"{WATTS_VARIABLE}: expected the watts of a busy core, from 0.1 to 100, found '{text:.40}'."
        )
    return watts
