#!/usr/bin/env python3
"""Checks who includes whom under src/. The rules are the tables below; there is no list of known
violations to hide in. `check_includes.py [FOLDER]` prints every violation and exits with 1 if any.

A room is a folder of src/ (src/feeds), a slice a folder in a room (src/feeds/kraken). A door is a
header that another room includes: neither it nor what it includes may include a vendor's header.
"""

import re
import sys
from pathlib import Path

# Room -> the rooms that it may include, through headers that lie directly in them.
ROOMS = {
    "base": [],
    "market": ["base"],
    "config": ["base", "market"],
    "net": ["base"],
    # The stages never include each other. They meet in market/ and are joined by pipeline/.
    "feeds": ["base", "market", "config"],
    "tape": ["base", "market", "config", "net"],
    "windows": ["base", "market"],
    "indicators": ["base", "market"],
    "quality": ["base", "market"],
    "store": ["base", "market", "config", "net"],
    "jobs": ["base", "market", "config", "net"],
    "pipeline": ["base", "market", "config", "feeds", "tape", "windows", "indicators", "quality",
                 "store", "jobs"],
    # The store's door, for the query that pipeline/history.hpp takes.
    "api": ["base", "market", "config", "net", "pipeline", "store"],
}
# What may include every slice of its own room, and why.
SEES_ALL_SLICES = {
    "feeds/replay/venues_test.hpp",  # the tests of captures read those of every venue
    "feeds/directories_test.cpp",  # what each venue lists
    "feeds/schema_watch_test.cpp",  # what each venue's trades may have
    "feeds/sessions_test.cpp",  # what holds of each venue's two sides
}
# The only room that sees every room, and concrete slices. No room may include it.
TOP = "app"

# Vendor header -> the rooms or slices in which it may be included, and why.
VENDORS = [
    (r"fmt/", ["*"], "formatting, until the compiler has std::format"),
    (r"spdlog/", ["base"], "the log"),
    (r"openssl/", ["net", "base/sha256", "base/rng"], "TLS; SHA-256 and random tokens are base's"),
    (r"boost/", ["net"], "sockets, HTTP and WebSocket"),
    (r"curl/", ["net"], "REST calls"),
    (r"date/", ["market"], "time zones of the calendars"),
    (r"toml\+\+/|toml\.hpp", ["config"], "the configuration file"),
    (r"CLI/", ["app"], "the command line"),
    (r"sqlite3\.h", ["store/embedded"], "the embedded store"),
    (r"simdjson\.h", ["feeds"], "venues' frames"),
    (r"zlib\.h", ["feeds", "tape"], "zip and gzip files"),
    (r"zstd\.h", ["feeds", "tape"], "zstd files, tape blocks"),
    (r"librdkafka/|avro", ["tape/kafka"], "Kafka"),
    # The operating system: the seams (Disk, Net, Clock) are base's, so that tests can replace them.
    (r"(sys|arpa|netinet|linux)/.*\.h|(fcntl|unistd|dirent|poll|netdb|termios)\.h",
     ["base", "net", "app", "config", "store/embedded"],
     "the operating system; SQLite has its own disk, secrets come from files"),
    (r"malloc\.h", ["net"], "memory is given back when a crowd has left"),
    (r"pthread\.h", ["base", "net", "pipeline", "app"], "names of threads"),
    (r"[a-z]mmintrin\.h|immintrin\.h|arm_.*\.h", ["base", "tape"], "processor instructions"),
    (r"gtest/|gmock/", [], "tests only"),
]
# Tests, and what they share. A test may include these anywhere, and slices of the rooms that
# its own room may include; nothing else may include a test.
TEST = re.compile(r".*_test\.cpp|(.*/)?(conformance|(recording|fake|test)_\w+)\.hpp")
TEST_VENDORS = r"gtest/|gmock/|(sys/.*|unistd|fcntl)\.h"

# Header -> rooms in which it must not be included, outside tests: pure rooms have no thread, log,
# clock or I/O, and threads live in few places.
PURE = ["market", "windows", "indicators"]
BANNED = [
    (r"thread", ["config", "feeds", "tape", "windows", "indicators", "quality", "store", "jobs",
                 "market", "api"], "threads live in pipeline/"),
    (r"fstream|iostream|filesystem|cstdio", PURE, "this room does no I/O"),
    (r"base/(log|clock|disk|net|metrics|memory_disk)\.hpp", PURE,
     "this room has no log, clock or I/O"),
    (r"fstream|filesystem", ["feeds", "tape", "quality"],
     "files go through base/disk.hpp"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
STANDARD_C = re.compile(r"(assert|ctype|errno|limits|math|signal|stdarg|stddef|stdint|stdio|stdlib"
                        r"|string|time)\.h")


def room_and_slice(path):
    """('feeds', 'kraken') for feeds/kraken/x.hpp; the slice is '' for feeds/feed.hpp."""
    parts = Path(path).parts
    return parts[0], "/".join(parts[1:-1])


def is_test(path):
    return bool(TEST.fullmatch(path))


def is_home(path, home):
    """Whether the file lies in a room, in a slice, or is of one unit (base/sha256.hpp, .cpp)."""
    return home == "*" or path.startswith((home + "/", home + "."))


class Tree:
    def __init__(self, source):
        self.includes = {}  # path below src/ -> [(line, is it <...>, what)]
        for path in sorted([*source.rglob("*.hpp"), *source.rglob("*.cpp")]):
            text = path.read_text(encoding="utf-8")
            self.includes[path.relative_to(source).as_posix()] = [
                (text.count("\n", 0, match.start(2)) + 1, match[1] == "<", match[2])
                for match in INCLUDE.finditer(text)]

    def violations(self):
        for path, includes in self.includes.items():
            if room_and_slice(path)[0] not in [*ROOMS, TOP] or "/" not in path:
                yield path, 1, "lies in no known room; add the room to tools/check_includes.py"
                continue
            for line, angled, what in includes:
                check = self.vendor if angled else self.ours
                for complaint in (check(path, what), self.banned(path, what)):
                    if complaint:
                        yield path, line, complaint
        yield from self.doors()

    def ours(self, path, what):
        room, of_slice = room_and_slice(path)
        if what not in self.includes:
            return f'"{what}" is not a file below src/; includes are written from src/'
        other, other_slice = room_and_slice(what)
        if is_test(what) and not is_test(path):
            return f'"{what}" is for tests only'
        if room == TOP:
            return None
        if other == TOP:
            return f'"{what}": no room may include {TOP}/'
        if other != room:
            if other not in ROOMS[room]:
                allowed = ", ".join(ROOMS[room]) or "nothing"
                return f'"{what}": {room}/ may not include {other}/, only {allowed}'
            if other_slice and not is_test(path):
                return f'"{what}": only {TOP}/ sees a concrete slice of another room'
        elif other_slice and other_slice != of_slice and path not in SEES_ALL_SLICES and \
                not of_slice.startswith(other_slice + "/"):
            return f'"{what}": {path} is not of the slice {other}/{other_slice}'
        return None

    def vendor(self, path, what):
        if ("/" not in what and "." not in what) or STANDARD_C.fullmatch(what):
            return None  # the standard library
        if is_test(path) and re.match(TEST_VENDORS, what):
            return None
        for pattern, homes, why in VENDORS:
            if re.match(pattern, what):
                if any(is_home(path, home) for home in homes):
                    return None
                return f"<{what}> ({why}) has its home in {', '.join(homes) or 'no room'}"
        return f"<{what}> is of no known vendor; give it a home in tools/check_includes.py"

    def banned(self, path, what):
        if is_test(path):
            return None
        for pattern, rooms, why in BANNED:
            if re.fullmatch(pattern, what) and room_and_slice(path)[0] in rooms:
                return f"{what}: {why}"
        return None

    def doors(self):
        """A vendor's header behind a door would be compiled into every room that opens it."""
        opened = {}
        for path, includes in self.includes.items():
            if is_test(path):
                continue
            for _, angled, what in includes:
                if not angled and what in self.includes and \
                        room_and_slice(what)[0] != room_and_slice(path)[0]:
                    opened.setdefault(what, path)
        for door, opener in sorted(opened.items()):
            seen, todo = set(), [door]
            while todo:
                path = todo.pop()
                seen.add(path)
                for line, angled, what in self.includes[path]:
                    if angled and self.is_vendor(what):
                        yield path, line, (f"<{what}>: no vendor's header behind a door ({door}, "
                                           f"which {opener} includes)")
                    elif not angled and what in self.includes and what not in seen:
                        todo.append(what)

    @staticmethod
    def is_vendor(what):
        return any(re.match(pattern, what) and homes != ["*"] for pattern, homes, _ in VENDORS)


def main(source):
    tree = Tree(source)
    complaints = sorted(set(tree.violations()))
    for path, line, complaint in complaints:
        print(f"src/{path}:{line}: {complaint}")
    print(f"includes: {len(tree.includes)} files, {len(complaints)} violations")
    return 1 if complaints or not tree.includes else 0


if __name__ == "__main__":
    default = Path(__file__).resolve().parent.parent / "src"
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else default))
