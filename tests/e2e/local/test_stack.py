"""Starting and stopping the local stack: state is kept, nothing is left behind, problems are one line."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.build import ROOT
from local.processes import LocalError, free_port
from local.stack import LocalStack

PROBE = Path(__file__).parent / "probe" / "template.yaml"
PATIENCE_S = 90
"""How long a start or a stop may take: nothing here asserts speed."""


def start(state: Path, port: int, emulator_port: int) -> subprocess.Popen[str]:
    """`make run` for the probe stack."""
    command = [sys.executable, "-m", "local.run", "--no-check", "--port", str(port), "--template", str(PROBE)]
    command += ["--emulator-port", str(emulator_port), "--state", str(state)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """What the process printed up to and including a line with these words."""
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words!r} did not come: {lines}")


def processes_of(emulator_port: int) -> list[str]:
    """Every process that was started with this emulator port in its environment."""
    wanted = f"GATEWAY_PORT={emulator_port}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in environ.read_bytes().split(b"\0"):
                found.append(environ.parent.name)
        except OSError:
            continue  # it ended, or is not ours
    return found


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kept from test to test, because only a first start deploys."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """Two free ports; whatever still runs with them afterwards is ended."""
    port, emulator_port = free_port(), free_port()
    yield port, emulator_port
    for pid in processes_of(emulator_port):
        os.kill(int(pid), signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(state: Path, ports: tuple[int, int], number: signal.Signals) -> None:
    """After Ctrl-C, TERM or a closed terminal no process and no listener of ours is left."""
    run = start(state, *ports)
    read_until(run, "Ready")
    assert requests.get(f"http://127.0.0.1:{ports[0]}/api/echo", timeout=PATIENCE_S).status_code == 200
    assert processes_of(ports[1])
    run.send_signal(number)
    assert run.wait(PATIENCE_S) == 0
    assert processes_of(ports[1]) == []
    for port in ports:
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass


def test_a_signal_while_building_ends_everything(tmp_path: Path, ports: tuple[int, int]) -> None:
    """An interrupted start leaves nothing behind either."""
    run = start(tmp_path, *ports)
    read_until(run, "deploying")
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    assert run.wait(PATIENCE_S) == 0
    assert processes_of(ports[1]) == []


def test_state_survives_a_clean_stop(state: Path, ports: tuple[int, int]) -> None:
    """Objects are there after a restart, which does not deploy again."""
    settings = {"port": ports[0], "emulator_port": ports[1], "state": state, "template": PROBE}
    with LocalStack(**settings) as first:
        bucket = first.physical_id("Bucket")
        first.client("s3").put_object(Bucket=bucket, Key="kept", Body=b"still here")
    steps: list[str] = []
    with LocalStack(**settings, on_step=steps.append) as second:
        assert second.started_clean
        assert second.client("s3").get_object(Bucket=bucket, Key="kept")["Body"].read() == b"still here"
        assert requests.get(f"{second.url}/api/echo", timeout=PATIENCE_S).status_code == 200
    assert "deploying" not in steps


def test_a_killed_stack_leaves_no_emulator(state: Path, ports: tuple[int, int]) -> None:
    """The emulator notices that nobody holds it any more, writes its state and ends."""
    run = start(state, *ports)
    read_until(run, "Ready")
    run.kill()
    run.wait()
    deadline = time.monotonic() + PATIENCE_S
    while processes_of(ports[1]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(ports[1]) == []
    assert not (state / "running").exists()


def test_a_killed_emulator_is_reported_at_the_next_start(state: Path, ports: tuple[int, int]) -> None:
    """State is written by a clean stop only, so the next start says that something is lost."""
    run = start(state, *ports)
    read_until(run, "Ready")
    for pid in processes_of(ports[1]):
        os.kill(int(pid), signal.SIGKILL)
    run.terminate()
    assert run.wait(PATIENCE_S) == 0
    again = start(state, *ports)
    printed = read_until(again, "Ready")
    assert any("not clean" in line for line in printed)
    again.terminate()
    assert again.wait(PATIENCE_S) == 0


def test_a_taken_port_is_one_clear_line(tmp_path: Path, ports: tuple[int, int]) -> None:
    """The message names the port and what to do; there is no traceback."""
    with socket.create_server(("127.0.0.1", ports[0])):
        run = start(tmp_path, *ports)
        output, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 1
    assert str(ports[0]) in output
    assert "taken" in output
    assert "Traceback" not in output


def test_a_missing_template_is_one_clear_line(tmp_path: Path) -> None:
    """It is found before anything is started."""
    stack = LocalStack(port=0, emulator_port=0, state=tmp_path, template=tmp_path / "template.yaml")
    with pytest.raises(LocalError, match=r"template\.yaml is missing"), stack:
        pass
    assert processes_of(stack.emulator_port) == []
