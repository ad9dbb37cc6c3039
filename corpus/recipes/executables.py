"""Executables, built by hand."""

import hashlib
import struct
import subprocess
import tempfile

from recipes.archives import zipped
from recipes.pair import A, C, run, sample


def executable(wide, sections, imports, entry):
    """A PE file that has what the facts speak of, and no more."""
    optional = struct.pack("<HBBIIIII", 0x20B if wide else 0x10B, 1, 0, 0, 0, 0, entry, 0x1000)
    if wide:
        optional += struct.pack("<QIIHHHHHHIIIIHHQQQQII", 0x140000000, 4096, 512, 6, 0, 0, 0, 6, 0, 0, 0x4000, 512, 0, 3, 0, 0, 0, 0, 0, 0, 16)
    else:
        optional += struct.pack("<IIIIHHHHHHIIIIHHIIIIII", 0, 0x400000, 4096, 512, 6, 0, 0, 0, 6, 0, 0, 0x4000, 512, 0, 3, 0, 0, 0, 0, 0, 0, 16)
    directories = [(0, 0)] * 16
    directories[1] = imports
    optional += b"".join(struct.pack("<II", *pair) for pair in directories)
    machine, flags = (0x8664, 0x22) if wide else (0x14C, 0x102)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", machine, len(sections), 0, 0, 0, len(optional), flags)
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + coff + optional
    body, raw = b"", 512
    for name, address, content, stated in sections:
        head += struct.pack("<8sIIIIIIHHI", name, len(content), address, stated, raw, 0, 0, 0, 0, 0x60000020)
        padded = content + bytes(-len(content) % 512)
        body, raw = body + padded, raw + len(padded)
    return head.ljust(512, b"\0") + body


def import_table(base, wide, dlls):
    """Descriptors, thunks and names, laid out from `base` on."""
    size, form = (8, "<Q") if wide else (4, "<I")
    at = base + 20 * (len(dlls) + 1)
    thunks_at = []
    for _, functions in dlls:
        thunks_at.append(at)
        at += size * (len(functions) + 1)
    names, thunks, descriptors = b"", b"", b""
    for (dll, functions), thunk_at in zip(dlls, thunks_at):
        for function in functions:
            if isinstance(function, int):
                thunks += struct.pack(form, function | 1 << (size * 8 - 1))
            else:
                thunks += struct.pack(form, at + len(names))
                names += b"\0\0" + function.encode() + b"\0"
        thunks += bytes(size)
        descriptors += struct.pack("<IIIII", thunk_at, 0, 0, at + len(names), thunk_at)
        names += dll.encode() + b"\0"
    return descriptors + bytes(20) + thunks + names


def pes():
    dlls = [("KERNEL32.dll", ["ExitProcess", "CreateFileW"]), ("Some.Ocx", [7, "Run"]), ("plain", ["F"]), ("WS2_32.dll", [7])]
    text = b"kernel32.exitprocess,kernel32.createfilew,some.ord7,some.run,plain.f,ws2_32.getsockopt"
    for wide in (False, True):
        code, data = A, import_table(0x2000, wide, dlls)
        sections = [(b".text", 0x1000, code, len(code)), (b".idata", 0x2000, data, 512)]
        image = executable(wide, sections, (0x2000, 20 * (len(dlls) + 1)), 0x1010)
        lines = ["entry-point %d" % (512 + 0x10)]
        for begin, size in ((512, 1024), (1536, 512)):
            digest = hashlib.md5(image[begin : begin + size]).hexdigest()
            lines.append("section %d %d %s" % (begin, size, digest))
        lines.append("imports %d %s" % (len(text), hashlib.md5(text).hexdigest()))
        label = "pe/wide" if wide else "pe/narrow"
        sample(label, image, *lines)
        sample(label + "-overlay", image + zipped([("a", C)]), *lines, "overlay 2048")
        with tempfile.NamedTemporaryFile(suffix=".exe") as f:
            f.write(image)
            f.flush()
            for option, wanted in (("--mdb", lines[1:3]), ("--imp", lines[3:])):
                said = subprocess.run(["sigtool", option, f.name], capture_output=True, text=True)
                for line in wanted:
                    assert line.split()[-1] in said.stdout + said.stderr, (label, line, said)


def elfs():
    for wide in (False, True):
        for order in "<>":
            e = "Q" if wide else "I"
            head_size, row, srow = (64, 56, 64) if wide else (52, 32, 40)
            code_at = head_size + row
            sections_at = code_at + len(C)
            ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
            total = sections_at + 2 * srow
            base = 0x400000
            head = ident + struct.pack(
                order + "HHI" + e * 3 + "IHHHHHH",
                2, 62 if wide else 3, 1, base + code_at + 4, head_size, sections_at,
                0, head_size, row, 1, srow, 2, 0,
            )
            if wide:
                segment = struct.pack(order + "IIQQQQQQ", 1, 5, 0, base, base, sections_at, sections_at, 4096)
            else:
                segment = struct.pack(order + "IIIIIIII", 1, 0, base, base, sections_at, sections_at, 5, 4096)
            rows = bytes(srow) + struct.pack(
                order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"), 0, 1, 6, base + code_at, code_at, len(C), 0, 0, 1, 0
            )
            image = head + segment + C + rows
            assert len(image) == total
            label = "elf/%d-%s" % (64 if wide else 32, "little" if order == "<" else "big")
            lines = [
                "entry-point %d" % (code_at + 4),
                "section 0 0 %s" % hashlib.md5(b"").hexdigest(),
                "section %d %d %s" % (code_at, len(C), hashlib.md5(C).hexdigest()),
            ]
            sample(label, image, *lines)
            sample(label + "-overlay", image + A, *lines, "overlay %d" % total)


MAKERS = (pes, elfs)
