"""Mail, made with Python's email and mailbox modules, and by hand where those refuse."""

import base64
import binascii
import email.encoders
import email.message
import email.mime.application
import email.mime.message
import email.mime.multipart
import email.mime.text
import email.policy

from recipes.pair import A, B, C, ENCRYPTED, MALFORMED, UNSUPPORTED, member, trouble
from recipes.pair import sample as pair

TOP = b"From: a@example.com\nTo: b@example.com\nSubject: x\nMIME-Version: 1.0\n"
BINARY = bytes(range(256)) * 3 + b"end"
ANYWHERE = "stops-anywhere"
LOST_END = "message ends before its last boundary"


def sample(path, data, *lines):
    """A pair; a multipart shows a cut anywhere behind its header, other mail nowhere."""
    header = max(data.find(b"\n\n"), data.find(b"\r\n\r\n"))
    cut = header if path.startswith("mail/") else 0
    cut = len(data) if ANYWHERE in lines else cut
    if cut:
        lines += ("stops-below %d" % cut,)
    pair(path, data, *(line for line in lines if line != ANYWHERE))


def multi(*parts, kind="mixed", boundary="=_bound", **params):
    message = email.mime.multipart.MIMEMultipart(kind, boundary, parts, **params)
    message["Subject"] = "x"
    message["From"] = "a@example.com"
    return message


def text(content, kind="plain"):
    return email.mime.text.MIMEText(content.decode(), kind)


def file(content, name):
    part = email.mime.application.MIMEApplication(content)
    part.add_header("Content-Disposition", "attachment", filename=name)
    return part


def written(message, ends=b"\n"):
    data = message.as_bytes()
    return data.replace(b"\n", ends)


def uu(content, name="u.bin"):
    lines = [binascii.b2a_uu(content[at : at + 45], backtick=True) for at in range(0, len(content), 45)]
    return b"begin 644 %s\n%s`\nend\n" % (name.encode(), b"".join(lines))


def by_hand(fields, body):
    return TOP + fields + b"\n" + body


def two_parts(header, body, boundary=b"BB"):
    """A text and a part with this header, by hand."""
    return by_hand(
        b'Content-Type: multipart/mixed; boundary="%s"\n' % boundary,
        b"--%s\n\n%s\n--%s\n%s\n%s\n--%s--\n" % (boundary, C, boundary, header, body, boundary),
    )


HELLO = member("(part 1)", C)


def messages():
    sample("mail/plain", by_hand(b"", A), member("(part 1)", A), ANYWHERE)
    both = [member("(part 1)", A), member("b.bin", BINARY)]
    mixed = multi(text(A), file(BINARY, "b.bin"))
    sample("mail/multipart", written(mixed), *both)
    crlf = [member("(part 1)", A.replace(b"\n", b"\r\n")), both[1]]
    sample("mail/multipart-crlf", written(mixed, b"\r\n"), *crlf)
    alternative = multi(text(C), text(b"<html>" + A, "html"), kind="alternative", boundary="=_inner")
    nested = multi(alternative, file(BINARY, "b.bin"))
    sample(
        "mail/nested",
        written(nested),
        member("(part 1.1)", C),
        member("(part 1.2)", b"<html>" + A),
        both[1],
    )
    inner = written(mixed)
    forwarded = multi(text(C), email.mime.message.MIMEMessage(mixed), boundary="=_outer")
    sample("mail/forwarded", written(forwarded), member("(part 1)", C), member("(part 2)", inner))
    bare = b"X-Only: x\n\n" + A
    part = b"Content-Type: message/rfc822\n"
    sample(
        "mail/forwarded-in-place",
        two_parts(part, bare),
        HELLO,
        member("(part 1)", A),
        member("(part 2)", bare),
    )
    encoded = email.message.EmailMessage(policy=email.policy.SMTP)
    encoded["Subject"] = "x"
    encoded["From"] = "a@example.com"
    encoded.set_content(A.decode(), cte="quoted-printable")
    read = email.message_from_bytes(encoded.as_bytes())
    sample("mail/quoted-printable", encoded.as_bytes(), member("(part 1)", read.get_payload(decode=True)), ANYWHERE)


def names():
    def named(disposition, kind=b"application/octet-stream"):
        header = b"Content-Type: %s\nContent-Transfer-Encoding: base64\n" % kind
        return two_parts(header + disposition, base64.encodebytes(BINARY))

    long = "ein sehr langer Name mit Umlauten wie ü und ö, der in Stücke geteilt wird, weil er so lang ist.bin"
    part = file(BINARY, long)
    sample("mail/name-rfc2231", written(multi(part)), member(long, BINARY))
    words = b'Content-Disposition: attachment; filename="=?utf-8?q?=C3=BC?= =?iso-8859-1?B?/A==?=.bin"\n'
    sample("mail/name-rfc2047", named(words), HELLO, member("üü.bin", BINARY))
    pieces = b"Content-Disposition: attachment; filename*1=cd; filename*0=\"ab \"; filename*2*=%2Ee\n"
    sample("mail/name-pieces", named(pieces), HELLO, member("ab cd.e", BINARY))
    sample("mail/name-of-type", named(b"", b"application/x; name=t.bin"), HELLO, member("t.bin", BINARY))


def encodings():
    header = b"Content-Type: application/octet-stream\n"

    def under(encoding, body):
        return two_parts(header + b"Content-Transfer-Encoding: %s\n" % encoding, body)

    letters = base64.encodebytes(BINARY)
    part = member("(part 2)", BINARY)
    sample("mail/uuencode", under(b"x-uuencode", uu(BINARY)), HELLO, member("u.bin", BINARY))
    sample("mail/encoding-twice", under(b"7bit\nContent-Transfer-Encoding: base64", letters), HELLO, member("(part 2)", letters), part)
    sample("mail/encoding-untold", under(b"7bit", letters), HELLO, member("(part 2)", letters), part)
    ends = base64.b64encode(A[:100]) + b"\n" + base64.b64encode(B[:100]) + b"\n"
    joined = ends.replace(b"=", b"").replace(b"\n", b"")
    joined = base64.b64decode(joined + b"A" * (-len(joined) % 4))
    joined = joined[: len(ends.replace(b"=", b"").replace(b"\n", b"")) * 6 // 8]
    sample(
        "mail/base64-padding-inside",
        under(b"base64", ends),
        HELLO,
        member("(part 2)", A[:100] + B[:100]),
        member("(part 2)", A[:100]),
        member("(part 2)", joined),
    )
    in_text = by_hand(b"", A + b"\n" + uu(BINARY, "one") + B + b"\n" + uu(A, "two"))
    # The text is recognised as one with blocks, and unpacked as that.
    sample("mail/uuencode-in-text", in_text, member("(part 1)", A + b"\n" + uu(BINARY, "one") + B + b"\n" + uu(A, "two")), ANYWHERE)
    yenc = b"".join(b"=" + bytes([(x + 106) % 256]) if (x + 42) % 256 in (0, 10, 13, 61) else bytes([(x + 42) % 256]) for x in BINARY)
    yenc = b"=ybegin line=999999 size=%d name=y.bin\n%s\n=yend size=%d\n" % (len(BINARY), yenc, len(BINARY))
    sample("mail/yenc", by_hand(b"", C + b"\n" + yenc), member("(part 1)", C + b"\n" + yenc), member("y.bin", BINARY), ANYWHERE)


def broken():
    whole = two_parts(b"Content-Transfer-Encoding: base64\n", base64.encodebytes(BINARY))
    part = member("(part 2)", BINARY)
    cut = whole[: whole.rindex(b"--BB--")]
    sample("mail/no-last-boundary", cut, HELLO, part, trouble(MALFORMED, None, LOST_END))
    fragment = by_hand(b'Content-Type: message/partial; id="1"; number=1; total=2\n', A)
    text = "a fragment of a message that was split is not put together"
    sample("mail/partial", fragment, member("(part 1)", A), trouble(UNSUPPORTED, "(part 1)", text), ANYWHERE)
    sealed = multi(
        email.mime.application.MIMEApplication(b"Version: 1\n", "pgp-encrypted", email.encoders.encode_7or8bit),
        email.mime.application.MIMEApplication(
            b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n", "octet-stream", email.encoders.encode_7or8bit
        ),
        kind="encrypted",
    )
    armour = b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n"
    sample(
        "mail/pgp-encrypted",
        written(sealed),
        member("(part 1)", b"Version: 1\n"),
        member("(part 2)", armour),
        trouble(ENCRYPTED, "(part 2)", "encrypted"),
    )
    enveloped = bytes.fromhex("3082010006092a864886f70d010703a081f2") + BINARY[:242]
    header = b"Content-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64\n"
    sample(
        "mail/smime-encrypted",
        by_hand(header, base64.encodebytes(enveloped)),
        member("smime.p7m", enveloped),
        trouble(ENCRYPTED, "smime.p7m", "encrypted"),
        ANYWHERE,
    )


def mailboxes():
    one, two = written(multi(text(A), file(BINARY, "b.bin"))), by_hand(b"", B)
    mark = b"From a@example.com Tue Jan  2 03:04:06 2024\n"
    both = [member("(message 1)", one), member("(message 2)", two)]
    sample("mbox/two", mark + one + b"\n" + mark + two, *both, ANYWHERE)
    sample("mbox/no-blank-line", mark + one + mark + two, member("(message 1)", one[:-1]), both[1], ANYWHERE)
    few = b"Subject: x\n\n" + uu(BINARY)
    sample("mbox/few-fields", mark + few, member("(message 1)", few), member("(part 1)", uu(BINARY)), ANYWHERE)


def encoded_files():
    sample("uuencode/one", uu(BINARY), member("u.bin", BINARY))
    sample("uuencode/two-in-text", C + b"\n" + uu(BINARY) + A + b"\n" + uu(A, "a.txt") + B, member("(before start)", C + b"\n"), member("u.bin", BINARY), member("(between)", A + b"\n"), member("a.txt", A), member("(after end)", B), ANYWHERE)
    base = b"begin-base64 644 b.bin\n" + base64.encodebytes(BINARY) + b"====\n"
    sample("uuencode/base64", base, member("b.bin", BINARY))
    cut = uu(BINARY)[:-6]
    sample("uuencode/cut", cut, member("u.bin", BINARY), trouble(MALFORMED, "u.bin", "encoded data ends early"))


MAKERS = (messages, names, encodings, broken, mailboxes, encoded_files)
