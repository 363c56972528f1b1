#!/usr/bin/env python3
"""Checks every text file that git knows: what must not be in it, width, white space, banned calls.

check_texts.py [FOLDER] prints every violation as file:line: and exits with 1 if any.
"""

import re
import subprocess
import sys
from pathlib import Path

# Columns by the end of the name; the web has no formatter that would break its long lines.
WIDTH_MAX = {".cpp": 100, ".hpp": 100, ".py": 100, ".sh": 100, ".cmake": 100, "": 100,
             ".ts": 120, ".mjs": 120, ".css": 120}
# Recorded data, licences and generated files are taken as they are.
AS_THEY_ARE = re.compile(r"(^|/)(testdata|demo/\d.*|data|golden)/|(^|/)(LICENSE|NOTICE)"
                         r"|package-lock\.json$|\.(csv|ndjson|svg|b64)$")

# What must not be in any text. Each pattern is written so that it does not match itself.
FORBIDDEN = [
    (r"(?<![\w.])/(work|root)/", "a path of somebody's machine"),
    (r"(?<![\w.])/home/(?!user\b)\w+", "a path of somebody's machine"),
    (r"(?<![\w.])/tmp/(?!tapedeck\b)[a-z]", "a fixed path below /tm" "p; make a temporary folder"),
    (r"(deb|security)[.]debian[.]org|registry[.]npmjs|pypi[.]org|index[.]crates|static[.]crates"
     r"|proxy[.]golang[.]org|repo1?[.]maven", "the host of a package registry"),
    (r"BEGIN [A-Z ]*PRIVATE KE[Y]", "a private key"),
    (r"<<<<<<[<] |>>>>>>[>] ", "an unresolved merge"),
    (r"\bA[I][ -](agent|assistant|session|generated)|language[ ]model",
     "how a text came to be is not part of the project"),
]
# Calls that have one home: (pattern, files where it is allowed, what to do instead).
BANNED_CALLS = [
    (r"(system|steady|high_resolution)_clock::now", r"src/(base/clock|net/.*)\.cpp",
     "time comes from base/clock.hpp, so that a test can drive it"),
    (r"\b(sleep_for|sleep_until|usleep|nanosleep)\b", r"src/(base/clock|app/replay_command)\.cpp",
     "wait on a queue or a clock; nothing sleeps"),
    (r"std::random_device|\bs?rand\(\)", r"src/(base/.*|quality/seen_identities)\.cpp",
     "randomness comes from base/rng.hpp"),
    (r"\bgetenv\b", r"src/(config/.*|app/.*|.*_test\.cpp)", "only config/ sees the environment"),
]


def complaints_of(path, text):
    """Yields (line number, complaint)."""
    suffix = Path(path).suffix
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, why in FORBIDDEN:
            if re.search(pattern, line, re.I if "language" in pattern else 0):
                yield number, why
        if AS_THEY_ARE.search(path):
            continue
        if line != line.rstrip() and not line.endswith("  "):
            yield number, "white space at the end of the line"
        if "\t" in line:
            yield number, "a tab"
        if len(line) > WIDTH_MAX.get(suffix, len(line)):
            yield number, f"{len(line)} columns, {WIDTH_MAX[suffix]} are allowed"
        if suffix in (".cpp", ".hpp"):
            if not line.isascii():
                yield number, "a character that is not ASCII; write it as \\u...."
            for pattern, homes, instead in BANNED_CALLS:
                if re.search(pattern, line) and not re.fullmatch(homes, path):
                    yield number, f"{re.search(pattern, line)[0]}: {instead}"
    if suffix == ".hpp" and not text.startswith(f"// {path}: "):
        yield 1, f"a header begins with its path and its purpose: // {path}: ..."
    if text and not text.endswith("\n") and not AS_THEY_ARE.search(path):
        yield text.count("\n") + 1, "no end of line at the end of the file"


def main(folder):
    listed = subprocess.run(["git", "-C", folder, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], check=True, capture_output=True).stdout
    files = bad = 0
    for path in sorted(filter(None, listed.decode().split("\0"))):
        file = Path(folder, path)
        content = file.read_bytes() if file.is_file() else b"\0"
        if b"\0" in content[:8192] or content[:2] == b"\x1f\x8b":
            continue  # not a text
        files += 1
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            continue  # recorded bytes
        for number, complaint in complaints_of(path, text):
            print(f"{path}:{number}: {complaint}")
            bad += 1
    print(f"texts: {files} files, {bad} violations")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else str(root)))
