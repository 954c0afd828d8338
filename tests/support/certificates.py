"""Certificates as an operator makes them, with openssl: an authority, and what it signs."""

import pathlib
import subprocess

DAYS = "2"


def _openssl(*arguments):
    done = subprocess.run(["openssl", *[str(argument) for argument in arguments]], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr


class Authority:
    """A certificate authority with its files in `folder`; `certificate` is what clients trust."""

    def __init__(self, folder, name="cartledger-test-authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self._key = self.folder / "ca.crt", self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", DAYS,
                 "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate)

    def sign(self, name, alternatives):
        """A key and a certificate for a server with these names ("IP:127.0.0.1", "DNS:localhost")."""
        key, request, certificate = (self.folder / f"{name}.{ending}" for ending in ("key", "csr", "crt"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(alternatives)}\n")
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                 "-days", DAYS, "-extfile", extensions, "-out", certificate)
        return key, certificate
