"""What a run stood on: machine, packages, source revision. Never a user name, a home folder or a key."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import psutil

from .paths import PROJECT

PACKAGES = ("foundry-local-sdk", "onnxruntime", "onnxruntime-genai-core", "openai", "numpy", "scipy", "pandas", "matplotlib")


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


def free_gpu_memory_mb() -> float | None:
    """Free memory of the roomiest NVIDIA GPU in MB (10^6), as its driver's `nvidia-smi` tells; None without one."""
    try:
        asked = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
        return max(float(line) for line in done.stdout.split()) * 2**20 / 1e6
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def git_revision() -> str | None:
    """The commit of this checkout, with `+changes` when files differ from it; None outside git."""
    revision = _git("rev-parse", "--short=12", "HEAD")
    return revision and revision + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
