"""Memory, processor time and energy of processes: real processes, and made counters where the machine has none."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from helpers.common import machine
from helpers.common.errors import UsageError

TAKE = "import sys; block = bytearray(b'x') * int(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]])"


def running(code, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().strip() == "ready"
    return process


@pytest.mark.parametrize("arguments", [(TAKE, str(80_000_000)), (PARENT, str(80_000_000), TAKE)])
def test_memory_counts_the_process_and_its_children(arguments):
    with running(TAKE, "1") as small, running(*arguments) as large:
        difference = machine.memory_mb(large.pid) - machine.memory_mb(small.pid)
        small.stdin.close()
        large.stdin.close()
    assert 75 < difference < 110


def test_a_peak_that_is_gone_again_is_seen():
    code = "import sys; print('ready', flush=True); sys.stdin.readline(); b = bytearray(b'x') * 200_000_000; print('full', flush=True); sys.stdin.readline(); del b; print('empty', flush=True); sys.stdin.read()"
    # Large beside the pages of the interpreter that the system may take back meanwhile.
    with running(code) as process, machine.PeakMemory(process.pid) as memory:
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == "full"
        while memory.above_mb < 190:  # until the thread has looked
            time.sleep(0.01)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == "empty"
        process.stdin.close()
    assert 190 <= memory.above_mb < 220


def test_a_process_that_is_gone_has_no_memory():
    with running(TAKE, "1") as process:
        process.stdin.close()
    assert machine.memory_mb(process.pid) is None
    assert machine.PeakMemory(process.pid).above_mb is None


def package(folder, name, microjoules, wrap=1_000_000_000):
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{wrap}\n")


def test_counters_of_all_packages_are_added_and_may_begin_again(tmp_path):
    package(tmp_path / "intel-rapl:0", "package-0", 999_000_000)
    package(tmp_path / "intel-rapl:1", "package-1", 5_000_000)
    package(tmp_path / "intel-rapl:0:0", "core", 1)
    energy = machine.Energy(lambda: 0, tmp_path, machine.Nvml(SimpleNamespace()))
    with energy:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("1000000\n")
        (tmp_path / "intel-rapl:1" / "energy_uj").write_text("8000000\n")
        (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("77000000\n")
    assert (energy.source, energy.joules) == ("RAPL", pytest.approx(2 + 3))


class Gpu:
    """The functions of pynvml that the kit uses, for a board with 500 MB in use by process 7 and a counter of millijoules."""

    def __init__(self):
        self.millijoules = 1_000

    def nvmlInit(self):
        pass

    def nvmlDeviceGetCount(self):
        return 1

    def nvmlDeviceGetHandleByIndex(self, number):
        return number

    def nvmlDeviceGetComputeRunningProcesses(self, device):
        return [
            SimpleNamespace(pid=7, usedGpuMemory=500_000_000),
            SimpleNamespace(pid=8, usedGpuMemory=1),
        ]

    def nvmlDeviceGetTotalEnergyConsumption(self, device):
        return self.millijoules


def test_a_gpu_says_memory_and_energy(tmp_path):
    library = Gpu()
    gpu = machine.Nvml(library)
    assert gpu.memory_mb([7]) == 500
    assert gpu.memory_mb([9]) is None
    energy = machine.Energy(lambda: 0, tmp_path, gpu)
    with energy:
        library.millijoules += 2_500
    assert (energy.source, energy.joules) == ("NVML", pytest.approx(2.5))


def test_a_board_that_does_not_support_a_figure_has_none():
    library = Gpu()
    library.nvmlDeviceGetTotalEnergyConsumption = lambda device: 1 / 0
    gpu = machine.Nvml(library)
    assert gpu.energy_j() is None
    assert gpu.memory_mb([7]) == 500


def test_without_a_counter_energy_is_estimated_from_processor_time(tmp_path, monkeypatch):
    monkeypatch.setenv(machine.WATTS_VARIABLE, "8")
    code = "import sys, time; print('ready', flush=True); sys.stdin.readline()\nwhile time.process_time() < 0.5: pass\nprint('done', flush=True); sys.stdin.read()"
    with running(code) as process:
        energy = machine.Energy(lambda: process.pid, tmp_path, machine.Nvml(SimpleNamespace()))
        with energy:
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline().strip() == "done"
        process.stdin.close()
    assert energy.source == "estimate"
    assert 8 * 0.3 < energy.joules < 8 * 0.6


@pytest.mark.parametrize("text", ["0", "nan", "-5", "many", "1000"])
def test_a_wrong_power_is_told(monkeypatch, text):
    monkeypatch.setenv(machine.WATTS_VARIABLE, text)
    with pytest.raises(UsageError, match=r"expected the watts of a busy core, from 0\.1 to 100"):
        machine.watts_per_core()


def test_the_governor_is_told_where_the_system_tells_it(tmp_path):
    told = tmp_path / "scaling_governor"
    assert machine.governor(told) is None
    told.write_text("powersave\n", encoding="utf-8")
    assert machine.governor(told) == "powersave"
    assert "celsius" in machine.environment()
    assert "celsius" not in machine.machine()  # two runs on one machine would never agree
