#!/usr/bin/env python3
"""tests/e2e/docs_test.py: every command of docs/tutorials/*.md, run as it stands there.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/docs_test.py

The blocks marked `sh` of a tutorial run one after the other in one shell, in a folder of its own
that looks like a checkout. A command that fails fails the test. A block marked `text` is what the
block before it printed, line by line; `...` in it stands for any text, alone in a line for any
lines.
"""

import glob
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "replay"))
import product

BLOCK_S_MAX = 120  # only so that a command that waits for ever ends


def setUpModule():
    product.require_binary()


def blocks_of(text):
    """Yields (line, commands, expected output or None) of each `sh` block."""
    fences = [
        (text.count("\n", 0, found.start()) + 2, found[1], found[2])
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    ]
    for place, (line, language, body) in enumerate(fences):
        if language == "sh":
            _, follower, said = (*fences[place + 1 :], (0, "", ""))[0]
            yield line, body, said if follower == "text" else None


def pattern_of(expected):
    lines = []
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*")
        else:
            parts = (re.escape(part) for part in line.rstrip().split("..."))
            lines.append(".*".join(parts) + r" *\n")
    return "".join(lines)


class Shell:
    """One bash in a folder, which runs blocks and stops at the first command that fails."""

    def __init__(self, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.run("set -e -o pipefail")

    def run(self, commands):
        """Returns (whether all of it went well, what it printed)."""
        path = os.path.join(self.folder, ".block")
        with open(path, "w", encoding="utf-8") as block:
            block.write(commands)
        # The commands' input is not the shell's. The two bytes cannot be printed by accident.
        self.process.stdin.write(b". ./.block </dev/null; printf '\\001\\002'\n")
        self.process.stdin.flush()
        printed, deadline = b"", time.monotonic() + BLOCK_S_MAX
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not printed.endswith(b"\1\2"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return False, printed.decode() + f"\nnot done after {BLOCK_S_MAX} s"
                got = os.read(self.process.stdout.fileno(), 65536)
                if not got:
                    return False, printed.decode() + f"\nexit status {self.process.wait()}"
                printed += got
        return True, printed[:-2].decode()

    def close(self):
        """Ends it with all that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def complaint_of(text):
    """Runs a tutorial; what is wrong with it, or an empty text."""
    folder = tempfile.mkdtemp(prefix="tapedeck-docs-")
    shell = None
    try:
        for name in ("src", "demo"):
            os.symlink(os.path.join(product.ROOT, name), os.path.join(folder, name))
        os.makedirs(os.path.join(folder, "build/release"))
        os.symlink(product.BINARY, os.path.join(folder, "build/release/tapedeck"))
        shell = Shell(folder)
        for line, commands, expected in blocks_of(text):
            good, printed = shell.run(commands)
            if not good:
                return f"line {line}: a command failed:\n{commands}\nIt printed:\n{printed}"
            if expected is not None and not re.fullmatch(pattern_of(expected), printed):
                return f"line {line}: it should print:\n{expected}\nIt printed:\n{printed}"
        return ""
    finally:
        if shell is not None:
            shell.close()
        shutil.rmtree(folder, ignore_errors=True)


class Tutorials(unittest.TestCase):
    def test_every_command_does_what_is_written(self):
        pages = glob.glob(os.path.join(product.ROOT, "docs/tutorials/*.md"))
        self.assertTrue(pages)
        for page in pages:
            with self.subTest(os.path.basename(page)), open(page, encoding="utf-8") as file:
                text = file.read()
                self.assertGreater(len(list(blocks_of(text))), 5)
                if complaint := complaint_of(text):
                    self.fail(f"{page}, {complaint}")

    def test_a_page_that_is_wrong_is_told(self):
        setup = "```sh\nexport PATH=$PWD/build/release:$PATH\n```\n"
        wrong = {
            "no such command": "```sh\ntapedeck tapes ls .\n```\n",
            "fails in a pipe": "```sh\ntapedeck tape ls nowhere | cat\n```\n",
            "another output": "```sh\necho one\n```\n\n```text\ntwo\n```\n",
            "more output": "```sh\necho one; echo two\n```\n\n```text\none\n```\n",
            "a service that failed": "```sh\nfalse &\nwait $!\n```\n",
        }
        for name, page in wrong.items():
            with self.subTest(name):
                self.assertIn("line 5: ", complaint_of(setup + page))
        right = "```sh\necho one; echo two; echo three 3 four\n```\n"
        said = "\n```text\n...\nthree ... four\n```\n"
        self.assertEqual(complaint_of(setup + right + said), "")


if __name__ == "__main__":
    unittest.main()
