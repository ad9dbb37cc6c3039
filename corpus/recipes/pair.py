"""What every recipe uses: contents that are the same every time, and the writing of a pair."""

import base64
import hashlib
import os
import re
import subprocess

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WHEN = (2024, 1, 2, 3, 4, 6)
MALFORMED, UNSUPPORTED, ENCRYPTED = "malformed", "unsupported", "encrypted"


def words(seed, count):
    """Text that compresses a little, the same every time."""
    state, out = seed, []
    while sum(map(len, out)) < count:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(b"%s-%x\n" % ([b"alpha", b"beta", b"gamma", b"delta"][state >> 62], state >> 48))
    return b"".join(out)[:count]


A, B, C = words(1, 700), words(2, 1500), words(3, 40)


def run(*command, stdin=None, cwd=None):
    return subprocess.run(
        command, input=stdin, cwd=cwd, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ).stdout


def spell(name):
    name = name if isinstance(name, bytes) else name.encode()
    return "".join(chr(b) if 0x21 <= b <= 0x7E and b != 0x5C else "\\x%02x" % b for b in name)


def member(name, content):
    return "member %s %d %s" % (spell(name), len(content), hashlib.sha256(content).hexdigest())


def streams(*contents):
    """Several streams in one file, each a member of its own beside the one that all of them make."""
    return [member("(stream %d)" % (index + 1), content) for index, content in enumerate(contents)]


def trouble(reason, name, text):
    return "trouble %s %s %s" % (reason, spell(name) if name else "-", text)


def sample(path, data, *lines, zeros=2048):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".b64", "w") as out:
        for part in re.split(rb"(\0{%d,})" % zeros, data):
            if part and not part.strip(b"\0"):
                out.write("zeros %d\n" % len(part))
                continue
            armoured = base64.b64encode(part).decode()
            for at in range(0, len(armoured), 100):
                out.write(armoured[at : at + 100] + "\n")
    with open(path + ".golden", "w") as out:
        out.write("".join(line + "\n" for line in lines))
