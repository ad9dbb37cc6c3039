"""PDF documents: built by hand where readers disagree or forgive, by qpdf where it can."""

import base64
import os
import re
import tempfile
import zlib

from recipes.pair import A, B, C, ENCRYPTED, MALFORMED, UNSUPPORTED, member, run, sample, trouble

SCRIPT = b"app.alert('hello (there)');\n"
DAMAGED = "compressed data is damaged"


def stream(dictionary, data, word=b"stream\n", end=b"\nendstream", length=None):
    size = b"/Length %d" % len(data) if length is None else length
    return b"<<%s%s>>%s%s%s" % (dictionary, size, word, data, end)


def objects(*bodies, first=1):
    """Objects with their numbers; a body is bytes, or a pair of its number and bytes."""
    out = []
    for number, body in enumerate(bodies, first):
        number, body = body if isinstance(body, tuple) else (number, body)
        out.append(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    return out


def document(*bodies, trailer=b"/Root 1 0 R", head=b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"):
    """A whole document with its cross-reference table."""
    out, places = head, {}
    for text in objects(*bodies):
        places[int(text.split()[0])] = len(out)
        out += text
    at, size = len(out), max(places) + 1
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in sorted(places.items()):
        out += b"%d 1\n%010d 00000 n \n" % (number, place)
    return out + b"trailer\n<</Size %d%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, at)


CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>"


def page(*bodies, catalog=CATALOG, **options):
    """A document with one page; further objects begin with the page's contents, object 4."""
    return document(catalog, PAGES, PAGE, *bodies, **options)


def flate(data, dictionary=b""):
    return stream(b"/Filter/FlateDecode" + dictionary, zlib.compress(data, 9))


def run_length(data):
    out = b""
    for at in range(0, len(data), 128):
        part = data[at : at + 128]
        out += bytes([len(part) - 1]) + part
    return out + b"\x80"


def lzw(data, early=1):
    out = bits = 0
    table, width, last = {bytes([i]): i for i in range(256)}, 9, b""
    size = 258

    def put(code):
        nonlocal out, bits
        out, bits = out << width | code, bits + width

    put(256)
    for byte in data:
        text = last + bytes([byte])
        if text in table:
            last = text
            continue
        put(table[last])
        table[text] = size
        size += 1
        if size + early > 1 << width and width < 12:
            width += 1
        last = bytes([byte])
        if size == 4094:
            put(table[last])
            put(256)
            table, width, last, size = {bytes([i]): i for i in range(256)}, 9, b"", 258
    if last:
        put(table[last])
    put(257)
    pad = -bits % 8
    return (out << pad).to_bytes((bits + pad) // 8, "big")


def predicted(rows, columns):
    """PNG's second row filter."""
    out, above = b"", bytes(columns)
    for at in range(0, len(rows), columns):
        row = rows[at : at + columns]
        out += b"\x02" + bytes((b - a) % 256 for a, b in zip(above, row))
        above = row
    return out


def a85(data):
    return base64.a85encode(data) + b"~>"


def numbered(number, content):
    return member("(object %d)" % number, content)


def filters():
    z = zlib.compress
    sample("pdf/plain", page(stream(b"", A), flate(B)), numbered(4, A), numbered(5, B))
    kinds = [
        (b"/Filter/ASCIIHexDecode", C.hex().encode() + b">"),
        (b"/Filter [ /A85 ]", a85(A)),
        (b"/Filter/RunLengthDecode", run_length(A)),
        (b"/Filter/LZWDecode", lzw(B)),
        (b"/Filter/LZW/DecodeParms<</EarlyChange 0>>", lzw(B, 0)),
        (b"/Filter[/A85/Fl#61teDecode]", a85(z(A))),
        (b"/F/Fl", z(A)),
        (b"/Filter[/AHx/RL]", run_length(C).hex().encode()),
        (b"/Filter[/Fl/Fl/Fl]", z(z(z(A)))),
    ]
    texts = [C, A, A, B, B, A, A, C, A]
    bodies = [stream(kind, data) for kind, data in kinds]
    sample("pdf/filters", page(*bodies), *[numbered(4 + i, text) for i, text in enumerate(texts)])
    rows = A[:690]
    parameters = b"/DecodeParms<</Predictor 12/Columns 30>>"
    other = b"/DecodeParms[null<</Predictor 2/Colors 3/Columns 10>>]"
    tiff = b"".join(
        bytes((row[i] - (row[i - 3] if i > 2 else 0)) % 256 for i in range(30))
        for row in (rows[at : at + 30] for at in range(0, len(rows), 30))
    )
    sample(
        "pdf/predictors",
        page(
            stream(b"/Filter/FlateDecode" + parameters, z(predicted(rows, 30))),
            stream(b"/Filter[/AHx/Fl]" + other, z(tiff).hex().encode()),
        ),
        numbered(4, rows),
        numbered(5, rows),
    )
    picture = b"\xff\xd8\xff\xe0" + A
    sample(
        "pdf/pictures",
        page(stream(b"/Filter/DCTDecode", picture), stream(b"/Filter[/Fl/DCT]", z(picture))),
        numbered(4, picture),
        numbered(5, picture),
    )
    text = "filter StrangeDecode is not supported"
    sample(
        "pdf/unknown-filter",
        page(stream(b"/Filter[/AHx/StrangeDecode]", A.hex().encode())),
        numbered(4, A),
        trouble(UNSUPPORTED, "(object 4)", text),
    )
    damaged = z(B, 9)[:200] + b"\xff" * 300
    out = zlib.decompressobj().decompress(damaged[:200])
    sample("pdf/cut-flate", page(stream(b"/Filter/FlateDecode", damaged[:200])), numbered(4, out))
    sample(
        "pdf/no-flate",
        page(stream(b"/Filter/FlateDecode", C)),
        numbered(4, C),
        trouble(MALFORMED, "(object 4)", DAMAGED),
    )
    indirect = [
        stream(b"/Filter 6 0 R", z(A)),
        stream(b"/Filter[7 0 R]/DecodeParms 8 0 R", z(predicted(rows, 30))),
        b"[/FlateDecode]",
        b"/FlateDecode",
        b"<</Predictor 15/Columns 30>>",
    ]
    sample("pdf/indirect-filters", page(*indirect), numbered(4, A), numbered(5, rows))
    twice = stream(b"/Filter/AHx/Filter/Fl", z(A))
    digits = re.sub(rb"[^0-9a-fA-F]", b"", z(A).split(b">")[0]).decode()
    raw = bytes.fromhex(digits + "0" * (len(digits) % 2))
    sample(
        "pdf/two-filters",
        page(twice),
        numbered(4, raw),
        numbered(4, A),
    )


def lengths():
    z = zlib.compress(B, 9)
    inside = b"one\nendstream\nendobj\n" + A
    bodies = [
        stream(b"/Filter/FlateDecode", z, length=b"/Length 3"),
        stream(b"/Filter/FlateDecode", z, length=b""),
        stream(b"/Filter/FlateDecode", z, length=b"/Length 8 0 R"),
        stream(b"", inside, length=b"/Length 9 0 R"),
        b"%d" % len(z),
        b"%d" % len(inside),
    ]
    lines = [numbered(4, B), numbered(5, B), numbered(6, B), numbered(7, inside)]
    sample("pdf/lengths", page(*bodies), *lines)
    bodies = [
        stream(b"", A, word=b"stream\r"),
        stream(b"", A, word=b"stream\r\n", end=b"\r\nendstream"),
        stream(b"/Filter/FlateDecode", z, word=b"stream  \n"),
        stream(b"/Filter/FlateDecode", z, word=b"stream junk\n", length=b""),
        stream(b"/Filter/FlateDecode", z, word=b"stream\n\r\n", length=b""),
        stream(b"", C, end=b""),
    ]
    lines = [numbered(4, A), numbered(5, A)] + [numbered(n, B) for n in (6, 7, 8)] + [numbered(9, C)]
    sample("pdf/stream-words", page(*bodies), *lines)


def structure():
    whole = page(flate(B))
    at = whole.index(b"xref\n")
    sample("pdf/broken-table", whole[:at] + b"xref\n0 9\nnothing\n%%EOF\n", numbered(4, B))
    sample("pdf/late-header", b"\0\1junk\n" * 100 + whole, numbered(4, B))
    sample("pdf/followed", whole + b"PK\3\4 what follows\n" * 9, numbered(4, B))
    tricks = (
        b"%PDF-1.4\n1 0%1 0 obj\nobj<</A(2 0 obj)/Length%c\r700/Filter/#46lateDecode>>%c\nstream\n"
        + zlib.compress(B, 9)
        + b"endstream 2 0 obj<<>>stream\n"
        + A
        + b"\nendstream\n3 0obj[1 2 3]endobj\ntrailer<<>>%%EOF"
    )
    # What stands in a string is an object to a reader that a table leads there.
    hidden = numbered(2, zlib.compress(B, 9))
    sample("pdf/tricks", tricks, numbered(1, B), hidden, numbered(2, A))
    empty = page(stream(b"", b""))
    update = b"".join(objects(flate(A), first=4))
    update += b"xref\n0 1\n0000000000 65535 f \n4 1\n%010d 00000 n \n" % len(empty)
    previous = re.search(rb"startxref\n(\d+)", empty).group(1)
    update += b"trailer\n<</Size 5/Root 1 0 R/Prev %s>>\n" % previous
    update += b"startxref\n%d\n%%%%EOF\n" % (len(empty) + update.index(b"xref\n"))
    # Cut before the second object's first line ends, it is one revision and a little rest.
    below = "stops-below %d" % (len(empty) + 7)
    sample("pdf/updated", empty + update, numbered(4, A), "stops-at 0", below)
    old = page(flate(B))
    lines = [numbered(4, B), numbered(4, A), trouble(MALFORMED, None, "document ends early")]
    lines.append("stops-below %d" % (len(old) + 7))
    sample("pdf/overwritten", old + b"".join(objects(flate(A), first=4)), *lines)
    sample("pdf/cut", whole[: whole.index(b"endstream")], numbered(4, B),
           trouble(MALFORMED, None, "document ends early"))


def scripts():
    wide = b"\xfe\xff" + SCRIPT.decode().encode("utf-16-be")
    action = b"<</Type/Action/S/JavaScript/JS %s>>"
    literal = b"(app.alert\\050'hello (there)'\\51;\\\n\\n)"
    bodies = [
        flate(B),
        action % literal,
        action % b"<%s>" % wide.hex().encode(),
        action % b"8 0 R",
        flate(SCRIPT),
        action.replace(b"/JS", b"/J#53") % b"10 0 R",
        b"(%s)" % SCRIPT,
        action % b"12 0 R",
        flate(wide),
    ]
    sample(
        "pdf/scripts",
        page(*bodies, catalog=CATALOG[:-2] + b"/OpenAction 5 0 R>>"),
        numbered(4, B),
        member("(javascript 5)", SCRIPT),
        member("(javascript 6)", SCRIPT),
        member("(javascript 8)", SCRIPT),
        member("(javascript 12)", SCRIPT),
        member("(javascript 10)", SCRIPT),
    )
    named = b"<</Type/Filespec/F(a.bin)/UF<%s>/EF<</F 6 0 R/UF 6 0 R>>>>"
    name = "ü.bin"
    bodies = [
        flate(B),
        named % (b"\xfe\xff" + name.encode("utf-16-be")).hex().encode(),
        flate(A, b"/Type/EmbeddedFile"),
        b"<</EmbeddedFiles<</Names[(b)<</F(b\\056txt)/EF<</F 8 0 R>>>>]>>>>",
        stream(b"/Type/EmbeddedFile", C),
    ]
    sample("pdf/files", page(*bodies), numbered(4, B), member(name, A), member("b.txt", C))


def qpdf(data, *options):
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in.pdf"), os.path.join(folder, "out.pdf")
        with open(source, "wb") as out:
            out.write(data)
        run("qpdf", "--static-id", *options, source, target)
        with open(target, "rb") as written:
            return written.read()


def shown(data, number):
    """A stream as qpdf decodes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.pdf")
        with open(path, "wb") as out:
            out.write(data)
        return run("qpdf", "--filtered-stream-data", "--show-object=%d" % number, path)


SECRETS = [
    flate(B),
    b"<</Type/Action/S/JavaScript/JS(app.alert\\(1\\))>>",
    flate(A),
    flate(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", b"/Type/Metadata/Subtype/XML"),
]
SECRET_CATALOG = b"<</Type/Catalog/Pages 2 0 R/OpenAction 5 0 R/More 6 0 R/Metadata 7 0 R>>"


def reachable(data):
    """The streams of a document by what they hold, in the order in which they lie."""
    return [
        int(found)
        for found in re.findall(rb"(?:^|\n)(\d+) 0 obj\n<<(?:(?!endobj|stream\n).)*?>>\nstream\n", data, re.S)
    ]


def by_qpdf():
    plain = page(*SECRETS, catalog=SECRET_CATALOG)
    packed = qpdf(plain, "--object-streams=generate")
    numbers = reachable(packed)
    kind = lambda number, what: re.search(rb"\n%d 0 obj\n<<[^\n]*/Type /%s" % (number, what), packed)
    held = [n for n in numbers if kind(n, b"ObjStm")]
    tables = [n for n in numbers if kind(n, b"XRef")]
    # qpdf shows no cross-reference stream.
    table = packed[packed.rindex(b"stream\n", 0, packed.rindex(b"endstream")) + 7 :]
    columns = int(re.search(rb"/Columns (\d+)", packed).group(1))
    rows, above, table = b"", bytes(columns), zlib.decompress(table)
    for at in range(0, len(table), columns + 1):
        assert table[at] == 2
        above = bytes((a + b) % 256 for a, b in zip(above, table[at + 1 : at + 1 + columns]))
        rows += above
    script = int(re.search(rb"/OpenAction (\d+) 0 R", shown(packed, held[0])).group(1))
    lines = [member("(javascript %d)" % script, b"app.alert(1)")]
    lines += [numbered(n, shown(packed, n)) for n in held]
    for n in numbers:
        if n not in held:
            lines.append(numbered(n, rows if n in tables else shown(packed, n)))
    sample("pdf/object-streams", packed, *lines)
    web = qpdf(plain, "--linearize")
    lines = []
    for found in re.finditer(rb"\n(\d+) 0 obj\n", web):
        number = int(found.group(1))
        text = web[found.end() : web.index(b"endobj", found.end())]
        if b"/JS" in text:
            lines.append(member("(javascript %d)" % number, b"app.alert(1)"))
        elif b"stream\n" in text and b"/S " in text and b"/Type" not in text:
            begin = text.index(b"stream\n") + 7
            lines.append(numbered(number, zlib.decompress(text[begin:])))
        elif b"stream\n" in text:
            lines.append(numbered(number, shown(web, number)))
    sample("pdf/linearized", web, *lines)


def encrypted():
    plain = page(*SECRETS, catalog=SECRET_CATALOG)
    weak = ["--allow-weak-crypto"]
    ways = {
        "rc4-40": weak + ["--encrypt", "", "o", "40", "--"],
        "rc4-128": weak + ["--encrypt", "", "o", "128", "--use-aes=n", "--"],
        "rc4-v4": weak + ["--encrypt", "", "o", "128", "--force-V4", "--"],
        "aes-128": weak + ["--encrypt", "", "o", "128", "--use-aes=y", "--"],
        "aes-128-metadata": weak + ["--encrypt", "", "o", "128", "--use-aes=y", "--cleartext-metadata", "--"],
        "aes-256-r5": weak + ["--encrypt", "", "o", "256", "--force-R5", "--"],
        "aes-256": ["--encrypt", "", "o", "256", "--"],
        # Revisions before 5 take an empty password of the owner for the user's.
        "owner-empty-256": ["--encrypt", "u", "", "256", "--allow-insecure", "--"],
    }
    metadata = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    script = "app.alert(1)"
    for name, options in ways.items():
        data = qpdf(plain, "--static-aes-iv", "--stream-data=preserve", *options)
        numbers = [int(n) for n in re.findall(rb"\n(\d+) 0 obj\n", data)]
        lines = []
        for number in numbers:
            text = data[data.index(b"\n%d 0 obj" % number) :]
            text = text[: text.index(b"endobj")]
            if b"/JS" in text:
                lines.append(member("(javascript %d)" % number, script.encode()))
            elif b"/Metadata /" in text or b"/Type /Metadata" in text:
                lines.append(numbered(number, metadata))
            elif b"stream\n" in text:
                lines.append(numbered(number, B if numbered(number, A) in lines or len(lines) > 2 else A))
        sample("pdf/encrypted-" + name, data, *lines, member("(strings)", script.encode() + b"\n"))
    # A name is a string, and encrypted like one.
    catalog = CATALOG[:-2] + b"/Names<</EmbeddedFiles<</Names[(a)5 0 R]>>>>>>"
    named = b"<</Type/Filespec/F(a.bin)/EF<</F 6 0 R>>>>"
    held = page(flate(B), named, flate(A, b"/Type/EmbeddedFile"), catalog=catalog)
    for bits in ("128", "256"):
        data = qpdf(held, "--static-aes-iv", "--stream-data=preserve", *weak, "--encrypt", "", "o", bits, "--")
        lines, texts = [], []
        for number, text in re.findall(rb"\n(\d+) 0 obj\n(.*?)endobj", data, re.S):
            if b"/EmbeddedFile " in text:
                lines.append(member("a.bin", A))
            elif b"stream\n" in text:
                lines.append(numbered(int(number), B))
            elif b"/Names [" in text:
                texts.append(b"a\n")
            elif b"/Filespec" in text:
                texts.append(b"a.bin\n")
        sample("pdf/encrypted-file-" + bits, data, *lines, member("(strings)", b"".join(texts)))
    # Only a page's contents, whose ciphertext is found no more.
    small = page(flate(B))
    for name, options in (("128", weak + ["128", "--use-aes=n"]), ("256", ["256"])):
        options = options[:-2] if name == "128" else []
        bits = ["128", "--use-aes=n", "--"] if name == "128" else ["256", "--"]
        data = qpdf(small, "--static-aes-iv", "--stream-data=preserve", *options, "--encrypt", "u", "o", *bits)
        begin = data.index(b"stream\n") + 7
        size = int(re.search(rb"/Length (\d+)", data).group(1))
        number = int(re.findall(rb"\n(\d+) 0 obj\n", data[:begin])[-1])
        text = "encrypted with a password"
        sample("pdf/password-" + name, data, numbered(number, data[begin : begin + size]), trouble(ENCRYPTED, None, text))
    trailer = b"/Root 1 0 R/Encrypt<</Filter/Adobe.PubSec/V 4>>"
    text = "encrypted by the security handler Adobe.PubSec"
    sample("pdf/other-handler", page(stream(b"", C), trailer=trailer), numbered(4, C), trouble(ENCRYPTED, None, text))


MAKERS = (filters, lengths, structure, scripts, by_qpdf, encrypted)
