"""A signed executable: a key, its certificate and the one that signed that, all made up."""

import base64
import os
import tempfile

from recipes.pair import HERE, run, sample

SUBJECT = "/C=XX/O=%s/CN=%s"


def signed_executable():
    with open(os.path.join(HERE, "pe/wide.b64")) as text:
        image = base64.b64decode("".join(line for line in text if not line.startswith("zeros")))
    with open(os.path.join(HERE, "pe/wide.golden")) as text:
        golden = text.read().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        def openssl(*arguments):
            run("openssl", *arguments, cwd=folder)

        with open(os.path.join(folder, "plain.exe"), "wb") as out:
            out.write(image)
        with open(os.path.join(folder, "uses"), "w") as out:
            out.write("extendedKeyUsage=codeSigning\nbasicConstraints=CA:FALSE\n")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-sha256", "-days", "8000", "-nodes",
                "-keyout", "above.key", "-out", "above.pem", "-subj", SUBJECT % ("Above", "Above"))
        openssl("req", "-newkey", "rsa:2048", "-sha256", "-nodes", "-keyout", "own.key",
                "-out", "own.csr", "-subj", SUBJECT % ("Own", "Own"))
        openssl("x509", "-req", "-in", "own.csr", "-CA", "above.pem", "-CAkey", "above.key",
                "-set_serial", "0x1122334455", "-days", "8000", "-sha256", "-extfile", "uses",
                "-out", "own.pem")
        with open(os.path.join(folder, "both.pem"), "w") as out:
            for name in ("own.pem", "above.pem"):
                with open(os.path.join(folder, name)) as part:
                    out.write(part.read())
        run("osslsigncode", "sign", "-certs", "both.pem", "-key", "own.key", "-h", "sha256",
            "-in", "plain.exe", "-out", "signed.exe", cwd=folder)
        with open(os.path.join(folder, "signed.exe"), "rb") as done:
            sample("pe/signed", done.read(), *golden)


MAKERS = (signed_executable,)
