#!/usr/bin/env python3
"""Writes a new feed from tools/templates/feed and names what is left to do.

new.py feed NAME [--root FOLDER]     NAME: small letters, digits and _ (a venue: bitstamp)
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent / "templates"


def fill(text, name):
    camel = "".join(word.capitalize() for word in name.split("_"))
    return text.replace("@name@", name).replace("@Name@", camel)


def add_to_room(cmake_file, name):
    """Puts the sources and the test into the feeds' td_room(...)."""
    text = cmake_file.read_text(encoding="utf-8")
    for keyword, file in (("SOURCES", f"{name}/{name}_feed.cpp"),
                          ("TESTS", f"{name}/{name}_feed_test.cpp")):
        text, count = re.subn(rf"^(  {keyword} .*\n)", rf"\1    {file}\n", text, count=1,
                              flags=re.M)
        if count != 1:
            sys.exit(f"new: {cmake_file} has no line '  {keyword} ...'; add {file} by hand")
    cmake_file.write_text(text, encoding="utf-8")


def new_feed(root, name):
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        sys.exit(f"new: '{name}' is no name: small letters, digits and _, first a letter")
    folder = root / "src/feeds" / name
    if folder.exists():
        sys.exit(f"new: {folder.relative_to(root)} is already there")
    template = TEMPLATES / "feed"
    for source in sorted(path for path in template.rglob("*") if path.is_file()):
        target = folder / source.relative_to(template).with_suffix("")  # without ".in"
        target = target.with_name(re.sub(r"^name_", f"{name}_", target.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(fill(source.read_text(encoding="utf-8"), name), encoding="utf-8")
        print(f"wrote {target.relative_to(root)}")
    if formatter := shutil.which("clang-format-19"):  # a long name breaks lines elsewhere
        subprocess.run([formatter, "-i", *folder.glob("*.hpp"), *folder.glob("*.cpp")], check=True)
    add_to_room(root / "src/feeds/CMakeLists.txt", name)
    print("added both .cpp files to src/feeds/CMakeLists.txt")
    print(fill((TEMPLATES / "feed_next.txt").read_text(encoding="utf-8"), name), end="")


def main(arguments):
    root = Path(__file__).resolve().parent.parent
    if "--root" in arguments:
        at = arguments.index("--root")
        root = Path(arguments[at + 1]).resolve()
        del arguments[at : at + 2]
    if len(arguments) != 2 or arguments[0] != "feed":
        print(__doc__, file=sys.stderr)
        return 2
    new_feed(root, arguments[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
