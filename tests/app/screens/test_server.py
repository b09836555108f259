"""Parts of the server that need no browser: old uploads, and what it says about other machines."""

import asyncio
import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest

from app.screens.security import is_loopback
from app.screens.server import delete_older, is_a_bug
from tests.commands import call, start


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_uploads_of_yesterday_are_deleted_and_those_of_today_stay(tmp_path):
    old, new = tmp_path / "old" / "a.png", tmp_path / "new" / "b.png"
    for path in (old, new):
        path.parent.mkdir()
        path.write_bytes(b"picture")
    flat = tmp_path / "flat-1.jpg"
    flat.touch()
    yesterday = time.time() - 90_000
    for path in (old.parent, flat):
        os.utime(path, (yesterday, yesterday))
    delete_older(tmp_path, time.time() - 86_400)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["b.png", "new"]
    delete_older(tmp_path / "missing", time.time())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.0.0.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::ffff:192.0.2.7", False), ("lan", False)),
    ],
)
def test_loopback_addresses_are_told_from_all_others(host, loopback):
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["", "a..b", "é" * 300])
def test_a_host_that_is_no_address_is_refused_and_an_empty_one_does_not_serve_the_network(tmp_path, host):
    refused = call("--data", tmp_path, "--no-browser", "--port", "7999", "--host", host)
    assert "is no address; give 127.0.0.1" in refused.error_line


def test_assistants_need_a_package_and_are_served_on_this_machine_alone_without_a_login(tmp_path, monkeypatch):
    words = ("--data", tmp_path, "--no-browser", "--mcp")
    monkeypatch.setattr("app.screens.server.find_spec", lambda name: None)
    assert 'install it with: pip install -c constraints.txt -e ".[mcp]"' in call(*words).error_line
    monkeypatch.setattr("app.screens.server.find_spec", lambda name: name)
    monkeypatch.setenv("LOUPE_PASSWORD", "secret")
    assert "--mcp does not go with --auth" in call(*words, "--auth", "me").error_line
    assert "--mcp serves assistants on this machine only" in call(*words, "--host", "0.0.0.0").error_line


def test_sizes_without_end_and_a_login_without_a_name_are_refused(tmp_path):
    for option in ("--max-upload-gb", "--max-picture-mb"):
        refused = call("--data", tmp_path, "--no-browser", option, "inf")
        assert (refused.exit_code, "Traceback" in refused.err) == (2, False)
    assert "--auth needs the name" in call("--data", tmp_path, "--no-browser", "--auth", "").error_line


def test_a_certificate_without_its_key_and_files_that_are_none_are_refused(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    alone = call("--data", tmp_path, "--no-browser", "--certificate", certificate)
    assert "--certificate and --key go together" in alone.error_line
    both = ("--data", tmp_path, "--no-browser", "--certificate", certificate, "--key", key)
    assert "cannot be used for https (No such file" in call(*both).error_line
    for path in (certificate, key):
        path.write_text("no certificate")
    assert "cannot be used for https" in call(*both).error_line


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_with_a_certificate_the_page_is_served_over_https(tmp_path):
    certificate, key, port = tmp_path / "cert.pem", tmp_path / "key.pem", free_port()
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", certificate, *names)
    subprocess.run(["openssl", *made], check=True, capture_output=True)
    process = start(
        "--data", tmp_path / "data", "--port", port, "--no-browser", "--certificate", certificate, "--key", key
    )
    try:
        assert process.stderr is not None
        assert f"https://127.0.0.1:{port}" in process.stderr.readline()
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=certificate)),
        )
        with opener.open(f"https://localhost:{port}/manifest.json") as answer:
            assert answer.status == 200
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_ctrl_c_ends_the_server_without_a_traceback_while_a_client_is_connected(tmp_path):
    port = free_port()
    process = start("--data", tmp_path / "data", "--port", port, "--no-browser")
    try:
        assert process.stderr is not None
        assert "Loupe is at" in process.stderr.readline()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"GET /gradio_api/heartbeat/page HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            received = b""
            while b"ALIVE" not in received:
                received += client.recv(4096)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")


def test_a_bug_is_still_printed_while_the_server_ends():
    def record(error):
        return logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "", (), (type(error), error, None))

    assert is_a_bug(record(ZeroDivisionError()))
    assert not is_a_bug(record(asyncio.CancelledError()))
    assert not is_a_bug(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Cancel %s tasks", (1,), None))
