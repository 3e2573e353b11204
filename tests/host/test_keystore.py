"""Key files: encrypted, private, never overwritten; one key signs for the protocol and for transactions."""

import json

import pytest
from eth_account import Account

from perunika.crypto import recover
from perunika.errors import LocalError
from perunika_host.keystore import create_keystore, keystore_address, load_keystore


@pytest.fixture(scope="module")
def password(tmp_path_factory):
    path = tmp_path_factory.mktemp("secrets") / "password"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    return path


def test_a_key_comes_back_and_signs_both_ways(tmp_path, password):
    path = tmp_path / "hub.json"
    made = create_keystore(path, password)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keystore_address(path) == made.address
    loaded = load_keystore(path, password)
    assert loaded.address == made.address == bytes.fromhex(loaded.account.address[2:])
    assert recover(b"\x05" * 32, loaded.protocol.sign(b"\x05" * 32)) == made.address
    assert bytes(loaded.account.key).hex() not in path.read_text() + repr(loaded)


def test_another_ethereum_program_reads_it(tmp_path, password):
    create_keystore(tmp_path / "k.json", password, b"\x11" * 32)
    assert bytes(Account.decrypt(json.loads((tmp_path / "k.json").read_text()), "correct horse")) == b"\x11" * 32


def test_a_secret_that_is_no_key_is_drawn_again(tmp_path, password):
    draws = [b"\x00" * 32, b"\xff" * 32, b"\x22" * 32]
    key = create_keystore(tmp_path / "k.json", password, entropy=lambda size: draws.pop(0))
    assert bytes(key.account.key) == b"\x22" * 32


def test_a_key_is_never_overwritten(tmp_path, password):
    (tmp_path / "k.json").write_text("mine")
    with pytest.raises(LocalError, match=r"secret\.exists"):
        create_keystore(tmp_path / "k.json", password)
    assert (tmp_path / "k.json").read_text() == "mine"


def test_a_wrong_password_is_told(tmp_path, password):
    create_keystore(tmp_path / "k.json", password)
    wrong = tmp_path / "wrong"
    wrong.write_text("incorrect horse")
    wrong.chmod(0o600)
    with pytest.raises(LocalError, match=r"key\.password.*does not open"):
        load_keystore(tmp_path / "k.json", wrong)


def test_exposed_files_are_refused_with_the_command_that_helps(tmp_path, password):
    create_keystore(tmp_path / "k.json", password)
    (tmp_path / "k.json").chmod(0o644)
    with pytest.raises(LocalError) as caught:
        load_keystore(tmp_path / "k.json", password)
    assert caught.value.code == "secret.exposed" and caught.value.hint == f"chmod 600 {tmp_path / 'k.json'}"
    exposed = tmp_path / "exposed"
    exposed.write_text("correct horse")
    exposed.chmod(0o604)
    with pytest.raises(LocalError, match=r"secret\.exposed"):
        create_keystore(tmp_path / "new.json", exposed)
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2}', '{"version": 3}', '{"version": 3, "address": "zz"}']
)
def test_what_is_no_keystore_is_refused(tmp_path, password, content):
    path = tmp_path / "k.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(LocalError):
        keystore_address(path)
    with pytest.raises(LocalError, match=r"key\.(corrupt|password)"):
        load_keystore(path, password)


def test_short_empty_and_missing_passwords_are_refused(tmp_path):
    for name, text in (("short", "1234567\n"), ("empty", "\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
        with pytest.raises(LocalError, match=r"key\.password|secret\.empty"):
            create_keystore(tmp_path / "k.json", tmp_path / name)
    with pytest.raises(LocalError, match=r"secret\.missing"):
        create_keystore(tmp_path / "k.json", tmp_path / "absent")
    with pytest.raises(LocalError, match=r"secret\.unwritable"):
        (tmp_path / "good").write_text("long enough")
        (tmp_path / "good").chmod(0o600)
        create_keystore(tmp_path / "nowhere" / "k.json", tmp_path / "good")
