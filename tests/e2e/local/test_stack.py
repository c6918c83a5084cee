"""Starting and stopping the local stack: state is kept whatever happens, nothing is left, problems are one line."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from local.build import ROOT
from local.processes import LocalError, free_port
from local.saved import Saved
from local.stack import LocalStack

PROBE = Path(__file__).parent / "probe" / "template.yaml"
PATIENCE_S = 90
"""How long a start or a stop may take: nothing here asserts speed."""


def start(state: Path, port: int, emulator_port: int) -> subprocess.Popen[str]:
    """`make run` for the probe stack."""
    command = [sys.executable, "-m", "local", "--no-check", "--port", str(port), "--template", str(PROBE)]
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


def settings_for(state: Path, ports: tuple[int, int]) -> dict[str, Any]:
    """A stack of this state in this process."""
    return {"port": ports[0], "emulator_port": ports[1], "state": state, "keep": True, "template": PROBE}


def test_state_survives_a_clean_stop(state: Path, ports: tuple[int, int]) -> None:
    """Objects are there after a restart, which does not deploy again."""
    with LocalStack(**settings_for(state, ports)) as first:
        bucket = first.physical_id("Bucket")
        first.client("s3").put_object(Bucket=bucket, Key="kept", Body=b"still here", ContentType="text/x")
    steps: list[str] = []
    with LocalStack(**settings_for(state, ports), on_step=steps.append) as second:
        found = second.client("s3").get_object(Bucket=bucket, Key="kept")
        assert (found["Body"].read(), found["ContentType"]) == (b"still here", "text/x")
        assert requests.get(f"{second.url}/api/echo", timeout=PATIENCE_S).status_code == 200
    assert "deploying" not in steps
    assert not [step for step in steps if "lost" in step]


@pytest.mark.parametrize("file", ["cloudformation.json", "lambda.json"])
def test_a_damaged_deployment_is_made_anew(state: Path, ports: tuple[int, int], file: str) -> None:
    """What lies there of an earlier deployment is never needed; what was kept is put into the new one."""
    with LocalStack(**settings_for(state, ports)) as first:
        first.client("s3").put_object(Bucket=first.physical_id("Bucket"), Key="stays", Body=b"1")
    for image in (state / "images").iterdir():
        (image / file).unlink()
    steps: list[str] = []
    with LocalStack(**settings_for(state, ports), on_step=steps.append) as second:
        assert second.client("s3").get_object(Bucket=second.physical_id("Bucket"), Key="stays")
        assert requests.get(f"{second.url}/api/echo", timeout=PATIENCE_S).status_code == 200
    assert "deploying" in steps


@pytest.mark.parametrize("victim", ["run", "emulator"])
def test_a_kill_loses_seconds_and_leaves_nothing_running(
    state: Path, ports: tuple[int, int], victim: str
) -> None:
    """Whoever is killed, the rest ends too; the next start says what is lost, and has what is older than 5 s."""
    run = start(state, *ports)
    read_until(run, "Ready")
    stack = LocalStack(**settings_for(state, ports))
    bucket = stack.physical_id("Bucket")
    stack.client("s3").put_object(Bucket=bucket, Key=victim, Body=b"old enough")
    time.sleep(5)
    if victim == "run":
        run.kill()
    else:
        for pid in processes_of(ports[1]):
            os.kill(int(pid), signal.SIGKILL)
    assert run.wait(PATIENCE_S) != 0
    deadline = time.monotonic() + PATIENCE_S
    while processes_of(ports[1]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(ports[1]) == []
    steps: list[str] = []
    with LocalStack(**settings_for(state, ports), on_step=steps.append) as again:
        assert again.client("s3").get_object(Bucket=again.physical_id("Bucket"), Key=victim)
    assert len([step for step in steps if "is lost" in step]) == 1


def test_a_stop_waits_for_the_request_under_way(state: Path, ports: tuple[int, int]) -> None:
    """It is answered as if nothing were; whoever comes while the stack stops is told 503."""
    run = start(state, *ports)
    read_until(run, "Ready")
    url = f"http://127.0.0.1:{ports[0]}/api"
    with ThreadPoolExecutor() as pool, requests.Session() as visitor:
        assert visitor.get(f"{url}/echo", timeout=PATIENCE_S).status_code == 200  # keeps its connection
        slow = pool.submit(requests.get, f"{url}/sleep?seconds=3", timeout=PATIENCE_S)
        time.sleep(1)
        run.send_signal(signal.SIGINT)
        read_until(run, "waiting at most")
        assert visitor.get(f"{url}/echo", timeout=PATIENCE_S).status_code == 503
        assert slow.result().status_code == 200
    assert run.wait(PATIENCE_S) == 0


def test_a_full_disk_is_one_clear_line(
    state: Path, ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on and says that it cannot save, and again when it can."""
    steps: list[str] = []
    with LocalStack(**settings_for(state, ports), on_step=steps.append) as stack:
        keeper = stack.keeper
        assert keeper
        with monkeypatch.context() as full:
            full.setattr(Saved, "begin", no_space)
            wait_for(lambda: any("Cannot save: No space left" in step for step in steps))
        wait_for(lambda: "Saving works again." in steps)
    assert len([step for step in steps if "Cannot save" in step]) == 1


def no_space(_saved: Saved) -> Path:
    """What a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_second_run_of_the_same_state_is_one_clear_line(state: Path, ports: tuple[int, int]) -> None:
    """The first is not disturbed."""
    with LocalStack(**settings_for(state, ports)) as first:
        second = start(state, free_port(), free_port())
        output, _ = second.communicate(timeout=PATIENCE_S)
        assert requests.get(f"{first.url}/api/echo", timeout=PATIENCE_S).status_code == 200
    assert second.returncode == 1
    assert "running already" in output
    assert "Traceback" not in output


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
