#!/usr/bin/env python3
"""A second implementation of everything that docs/checkpoint.md describes, after the specifications and not after the Rust code:
hashes by hashlib, Ed25519 by the openssl command, Merkle proofs by the recursive definitions of RFC 6962.

    checker.py check DIRECTORY     a line for each file: its name and `ok`, or why it is refused
    checker.py sign DIRECTORY      notes signed and cosigned by this implementation alone

DIRECTORY/keys has verifier keys, one a line; the first key of algorithm 1 is the log's, and its name is the origin.
Read by their endings: NAME.note, NAME.tlog-proof with NAME.record, NAME.continuation with NAME.old-root, NAME.short.
"""
import base64
import hashlib
import pathlib
import re
import struct
import subprocess
import sys
import tempfile


class Refused(Exception):
    pass


def require(condition, why):
    if not condition:
        raise Refused(why)


def unbase64(text):
    try:
        octets = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused(f"base 64: {error}") from error
    require(base64.b64encode(octets).decode() == text, "base 64: not canonical")
    return octets


def decimal(text):
    require(re.fullmatch(r"0|[1-9][0-9]*", text, re.ASCII), f"not a number: {text}")
    return int(text)


# Ed25519, by openssl.

def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


def ed25519_verify(public, message, signature):
    if len(signature) != 64:
        return False
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        (work / "key").write_bytes(bytes.fromhex("302a300506032b6570032100") + public)
        (work / "message").write_bytes(message)
        (work / "signature").write_bytes(signature)
        return openssl("pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", str(work / "key"), "-rawin", "-in",
                       str(work / "message"), "-sigfile", str(work / "signature")).returncode == 0


def ed25519_sign(seed, message):
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        (work / "key").write_bytes(bytes.fromhex("302e020100300506032b657004220420") + seed)
        (work / "message").write_bytes(message)
        signed = openssl("pkeyutl", "-sign", "-keyform", "DER", "-inkey", str(work / "key"), "-rawin", "-in",
                         str(work / "message"))
        public = openssl("pkey", "-inform", "DER", "-in", str(work / "key"), "-pubout", "-outform", "DER")
        assert signed.returncode == 0 and public.returncode == 0, signed.stderr + public.stderr
        return signed.stdout, public.stdout[-32:]


# Signed notes, checkpoints and cosignatures.

def key_id(name, algorithm, public):
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:4]


class Key:
    def __init__(self, text):
        self.name, identifier, key = text.split("+", 2)
        octets = unbase64(key)
        self.algorithm, self.public = octets[0], octets[1:]
        self.id = key_id(self.name, self.algorithm, self.public)
        require(self.id.hex() == identifier, "key id")

    def verify(self, text, signature):
        if self.algorithm == 1:
            return ed25519_verify(self.public, text.encode(), signature)
        if self.algorithm == 4 and len(signature) == 72:
            (time,) = struct.unpack(">Q", signature[:8])
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            return time < 2**63 and ed25519_verify(self.public, message, signature[8:])
        return False


def verify_note(octets, keys):
    """The text of a note, and the keys whose signatures are right."""
    try:
        whole = octets.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error
    require(not re.search("[\x00-\x09\x0b-\x1f]", whole), "control characters")
    head, blank, tail = whole.rpartition("\n\n")
    require(blank and tail.endswith("\n"), "no signatures")
    text, valid = head + "\n", []
    for line in tail[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", line)
        require(match and not re.search(r"\s", match[1]), f"signature line: {line}")
        signature = unbase64(match[2])
        require(len(signature) > 4, "short signature")
        for key in keys:
            if (key.name, key.id) == (match[1], signature[:4]):
                require(key.verify(text, signature[4:]), f"wrong signature by {key.name}")
                valid.append(key)
    return text, valid


class Checkpoint:
    def __init__(self, octets, keys):
        text, valid = verify_note(octets, keys)
        lines = text[:-1].split("\n")
        require(len(lines) >= 3 and all(lines), "lines")
        self.origin, self.size, self.root = lines[0], decimal(lines[1]), unbase64(lines[2])
        require(len(self.root) == 32, "root")
        log = next(key for key in keys if key.algorithm == 1)
        require(self.origin == log.name, "origin")
        require(any(key.algorithm == 1 for key in valid), "not signed by the log")


# The tree, by the recursive definitions of RFC 6962.

def leaf(record):
    return hashlib.sha256(b"\0" + record).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(size):
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def tree(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf(leaves[0])
    k = split(len(leaves))
    return node(tree(leaves[:k]), tree(leaves[k:]))


def root_of_path(hashed, index, size, path):
    require(0 <= index < size, "index")
    if size == 1:
        require(not path, "path too long")
        return hashed
    require(path, "path too short")
    k = split(size)
    if index < k:
        return node(root_of_path(hashed, index, k, path[:-1]), path[-1])
    return node(path[-1], root_of_path(hashed, index - k, size - k, path[:-1]))


def roots_of_proof(earlier, size, path, whole, earlier_root):
    """The earlier and the later root to which a consistency proof leads."""
    if earlier == size:
        if whole:
            require(not path, "proof too long")
            return earlier_root, earlier_root
        require(len(path) == 1, "proof length")
        return path[0], path[0]
    require(path, "proof too short")
    k, rest, last = split(size), path[:-1], path[-1]
    if earlier <= k:
        old, new = roots_of_proof(earlier, k, rest, whole, earlier_root)
        return old, node(new, last)
    old, new = roots_of_proof(earlier - k, size - k, rest, False, earlier_root)
    return node(last, old), node(last, new)


# The files.

def head_and_note(octets):
    head, blank, note = octets.partition(b"\n\n")
    require(blank, "no empty line")
    return head.decode("ascii", errors="replace").split("\n"), note


def hashes(lines):
    values = [unbase64(line) for line in lines]
    require(all(len(value) == 32 for value in values), "hash length")
    return values


def check_note(file, keys):
    Checkpoint(file.read_bytes(), keys)


def check_record(file, keys):
    head, note = head_and_note(file.read_bytes())
    require(head.pop(0) == "c2sp.org/tlog-proof@v1", "header")
    if head and head[0].startswith("extra "):
        unbase64(head.pop(0)[len("extra "):])
    require(head and head[0].startswith("index "), "index")
    index, path = decimal(head.pop(0)[len("index "):]), hashes(head)
    checkpoint = Checkpoint(note, keys)
    hashed = leaf(file.with_suffix(".record").read_bytes())
    require(root_of_path(hashed, index, checkpoint.size, path) == checkpoint.root, "root")


def check_continuation(file, keys):
    head, note = head_and_note(file.read_bytes())
    require(head[0].startswith("old "), "old")
    earlier, path = decimal(head.pop(0)[len("old "):]), hashes(head)
    checkpoint = Checkpoint(note, keys)
    earlier_root = bytes.fromhex(file.with_suffix(".old-root").read_text().strip())
    require(earlier <= checkpoint.size, "sizes")
    if earlier == 0:
        require(not path and earlier_root == tree([]), "from nothing")
        return
    old, new = roots_of_proof(earlier, checkpoint.size, path, True, earlier_root)
    require((old, new) == (earlier_root, checkpoint.root), "roots")


def check_short(file, keys):
    digits = "".join(file.read_text().split())
    require(re.fullmatch("1[0-9]{254}", digits), "digits")
    log = next(key for key in keys if key.algorithm == 1)
    identifier, size, root, signature = (int(digits[a:b]) for a, b in ((1, 11), (11, 22), (22, 100), (100, 255)))
    require(identifier < 2**32 and root < 2**256 and signature < 2**512, "range")
    require(identifier.to_bytes(4, "big") == log.id, "key id")
    text = f"{log.name}\n{size}\n{base64.b64encode(root.to_bytes(32, 'big')).decode()}\n"
    require(log.verify(text, signature.to_bytes(64, "big")), "signature")


CHECKS = {
    ".note": check_note,
    ".tlog-proof": check_record,
    ".continuation": check_continuation,
    ".short": check_short,
}


def check(directory):
    keys = [Key(line) for line in (directory / "keys").read_text().splitlines()]
    for file in sorted(directory.iterdir()):
        if file.suffix in CHECKS:
            try:
                CHECKS[file.suffix](file, keys)
                print(file.name, "ok")
            except Refused as why:
                print(file.name, "refused:", why)


def signature_line(name, algorithm, seed, message, between=b""):
    signature, public = ed25519_sign(seed, message)
    octets = key_id(name, algorithm, public) + between + signature
    vkey = f"{name}+{octets[:4].hex()}+{base64.b64encode(bytes([algorithm]) + public).decode()}"
    return f"\u2014 {name} {base64.b64encode(octets).decode()}\n", vkey


def sign(directory):
    log, witness, time = "ca.example/ledger", "witness.example/w1", 1790000000
    keys = []
    for size in range(0, 9):
        records = [f"record {number}".encode() for number in range(size)]
        text = f"{log}\n{size}\n{base64.b64encode(tree(records)).decode()}\n"
        by_log, log_key = signature_line(log, 1, bytes([1] * 32), text.encode())
        message = f"cosignature/v1\ntime {time}\n{text}".encode()
        by_witness, witness_key = signature_line(witness, 4, bytes([2] * 32), message, struct.pack(">Q", time))
        (directory / f"{size}.note").write_text(f"{text}\n{by_log}{by_witness}")
        keys = [log_key, witness_key]
    (directory / "keys").write_text("\n".join(keys) + "\n")


if __name__ == "__main__":
    {"check": check, "sign": sign}[sys.argv[1]](pathlib.Path(sys.argv[2]))
