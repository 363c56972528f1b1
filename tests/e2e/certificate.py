"""tests/e2e/certificate.py: a certificate for this machine and its key, made for a test."""

import os
import subprocess


def make(folder, name="deck", days=1, names="DNS:localhost,IP:127.0.0.1"):
    """The paths of certificate and key. It is its own authority."""
    certificate, key = (os.path.join(folder, f"{name}.{end}") for end in ("pem", "key"))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", str(days), "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName={names}", "-out", certificate, "-keyout", key),
        ],
        check=True,
        capture_output=True,
    )
    os.chmod(key, 0o600)
    return certificate, key
