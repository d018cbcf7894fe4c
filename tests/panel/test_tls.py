"""The certificate: for the right names, renewed in time, its key for nobody else. And where to listen."""

from __future__ import annotations

import datetime
import socket
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from zprl_core.errors import ConfigError, RigError
from zprl_core.panel_address import DEFAULT, PanelAddress, wanted
from zprl_web import private
from zprl_web.tls import RENEW_DAYS, VALID_DAYS, certificate

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
NAMES = ("rig.local", "192.168.1.20")


def test_it_is_made_once_for_its_names_with_a_private_key(tmp_path: Path) -> None:
    made = certificate(tmp_path, NAMES, NOW)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    found = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["rig.local"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.168.1.20"]
    assert certificate(tmp_path, NAMES[:1], NOW) == made
    assert made.context().minimum_version == ssl.TLSVersion.TLSv1_2
    assert len(made.fingerprint.split(":")) == 32


def test_it_is_renewed_for_a_new_name_and_in_time(tmp_path: Path) -> None:
    first = certificate(tmp_path, NAMES, NOW)
    more = certificate(tmp_path, ("10.0.0.7",), NOW)
    assert more.fingerprint != first.fingerprint
    assert certificate(tmp_path, (*NAMES, "10.0.0.7"), NOW) == more  # the old names stay
    early = NOW + datetime.timedelta(days=VALID_DAYS - RENEW_DAYS - 1)
    assert certificate(tmp_path, NAMES, early) == more
    assert certificate(tmp_path, NAMES, early + datetime.timedelta(days=2)).fingerprint != more.fingerprint


def test_a_damaged_or_foreign_pair_is_replaced(tmp_path: Path) -> None:
    first = certificate(tmp_path / "a", NAMES, NOW) if private.private_folder(tmp_path / "a") else None
    other = certificate(private.private_folder(tmp_path / "b"), NAMES, NOW)
    assert first is not None
    first.key.write_bytes(other.key.read_bytes())
    again = certificate(tmp_path / "a", NAMES, NOW)
    assert again.fingerprint not in (first.fingerprint, other.fingerprint)
    again.context()


def test_private_files_are_private_and_whole(tmp_path: Path) -> None:
    folder = private.private_folder(tmp_path / "x" / "y")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    private.write_private(folder / "f", b"{")
    assert stat.S_IMODE((folder / "f").stat().st_mode) == 0o600
    assert private.read_json(folder / "f") == {} == private.read_json(folder / "none")
    assert [path.name for path in folder.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (DEFAULT, "http://127.0.0.1:8770"),
        ("localhost:80", "http://localhost:80"),
        ("[::1]:8770", "http://[::1]:8770"),
        ("192.168.1.20:8770", "https://192.168.1.20:8770"),
        ("Rig.Local:8770", "https://rig.local:8770"),
    ],
)
def test_addresses(text: str, url: str) -> None:
    assert PanelAddress.parse(text).url == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("8770", "not of the form HOST:PORT"),
        (":8770", "not of the form HOST:PORT"),
        ("::1:8770", "not of the form HOST:PORT"),
        ("a/b:1", "not of the form HOST:PORT"),
        ("localhost:0", "port '0', allowed: 1 to 65535"),
        ("localhost:x", "port 'x'"),
        ("0.0.0.0:8770", "means every network of this machine; name the one address"),
        ("[::]:8770", "means every network"),
    ],
)
def test_addresses_that_are_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PanelAddress.parse(text)


def test_an_address_that_is_taken_or_not_ours_is_refused_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RigError) as refused:
            PanelAddress("127.0.0.1", port).require_free()
    assert f"cannot listen at http://127.0.0.1:{port}: " in str(refused.value)
    assert "give --panel another address" in str(refused.value)
    PanelAddress("127.0.0.1", port).require_free()
    with pytest.raises(RigError, match=r"cannot listen at https://192\.0\.2\.1:8770"):
        PanelAddress.parse("192.0.2.1:8770").require_free()


def test_none_is_a_word() -> None:
    assert (wanted("none"), wanted(None), wanted("a:1")) == ("", None, "a:1")
