"""tools/check_includes.py must see every kind of violation, and must pass the tree as it is."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_includes  # noqa: E402

# A small tree without a violation.
CLEAN = {
    "base/result.hpp": "#include <expected>\n#include <fmt/format.h>\n",
    "base/sha256.cpp": '#include "base/result.hpp"\n#include <openssl/evp.h>\n',
    "base/log.hpp": "#include <string>\n",
    "base/disk.cpp": "#include <fcntl.h>\n#include <cerrno>\n",
    "market/trade.hpp": '#include "base/result.hpp"\n',
    "net/http_server.hpp": "#include <memory>\n",
    "net/connection.hpp": "#include <boost/asio/ip/tcp.hpp>\n",
    "net/http_server.cpp": '#include "net/connection.hpp"\n#include <thread>\n',
    "feeds/feed.hpp": '#include "market/trade.hpp"\n',
    "feeds/kraken/kraken_feed.hpp": '#include "feeds/feed.hpp"\n',
    "feeds/kraken/kraken_feed.cpp":
        '#include "feeds/kraken/kraken_feed.hpp"\n#include <simdjson.h>\n',
    "feeds/binance/binance_feed.hpp": '#include "feeds/feed.hpp"\n',
    "feeds/binance/binance_feed_test.cpp":
        '#include "feeds/binance/binance_feed.hpp"\n#include <gtest/gtest.h>\n#include <thread>\n',
    "windows/bar_builder.hpp": '#include "market/trade.hpp"\n',
    "store/store.hpp": '#include "market/trade.hpp"\n',
    "store/conformance.hpp":
        '#include "store/store.hpp"\n#include <gtest/gtest.h>\n#include <filesystem>\n',
    "store/embedded/embedded_store_test.cpp":
        '#include "store/conformance.hpp"\n#include <sys/stat.h>\n',
    "pipeline/driver_test.cpp": '#include "feeds/kraken/kraken_feed.hpp"\n',
    "store/embedded/embedded_store.cpp": '#include "store/store.hpp"\n#include <sqlite3.h>\n',
    "pipeline/driver.cpp":
        '#include "feeds/feed.hpp"\n#include "windows/bar_builder.hpp"\n#include <thread>\n',
    "pipeline/history.hpp": '#include "market/trade.hpp"\n',
    "api/server.cpp": '#include "pipeline/history.hpp"\n#include "net/http_server.hpp"\n',
    "app/registry.cpp": '#include "feeds/kraken/kraken_feed.hpp"\n#include <CLI/CLI.hpp>\n',
}

# What is planted: (in which file, which line, what the complaint must say).
PLANTED = [
    ("base/result.hpp", '#include "market/trade.hpp"', "base/ may not include market/"),
    ("market/trade.hpp", '#include "feeds/feed.hpp"', "market/ may not include feeds/"),
    ("windows/bar_builder.hpp", '#include "store/store.hpp"', "windows/ may not include store/"),
    ("store/store.hpp", '#include "feeds/feed.hpp"', "store/ may not include feeds/"),
    ("feeds/kraken/kraken_feed.cpp", '#include "net/http_server.hpp"',
     "feeds/ may not include net/"),
    ("feeds/feed.hpp", '#include "pipeline/history.hpp"', "feeds/ may not include pipeline/"),
    ("pipeline/driver.cpp", '#include "api/server.cpp"', "pipeline/ may not include api/"),
    ("pipeline/driver.cpp", '#include "feeds/kraken/kraken_feed.hpp"', "concrete slice"),
    ("api/server.cpp", '#include "feeds/feed.hpp"', "api/ may not include feeds/"),
    ("store/embedded/embedded_store.cpp", '#include "store/conformance.hpp"', "for tests only"),
    ("windows/bar_builder_test.cpp", '#include "feeds/kraken/kraken_feed.hpp"',
     "windows/ may not include feeds/"),
    ("api/server.cpp", '#include "app/registry.cpp"', "no room may include app/"),
    ("feeds/binance/binance_feed.hpp", '#include "feeds/kraken/kraken_feed.hpp"',
     "is not of the slice feeds/kraken"),
    ("feeds/binance/binance_feed_test.cpp", '#include "feeds/kraken/kraken_feed.hpp"',
     "is not of the slice feeds/kraken"),
    ("feeds/feed.hpp", '#include "feeds/kraken/kraken_feed.hpp"', "is not of the slice"),
    ("feeds/kraken/kraken_feed.cpp", '#include "kraken_feed.hpp"', "not a file below src/"),
    ("feeds/kraken/kraken_feed.cpp", "#include <sqlite3.h>", "has its home in store/embedded"),
    ("store/store.hpp", "#include <sqlite3.h>", "has its home in store/embedded"),
    ("api/server.cpp", "#include <boost/beast/http.hpp>", "has its home in net"),
    ("app/registry.cpp", "#include <toml++/toml.h>", "has its home in config"),
    ("base/disk.cpp", "#include <openssl/evp.h>", "has its home in net, base/sha256"),
    ("tape/tape.cpp", "#include <unistd.h>", "has its home in base"),
    ("windows/bar_builder.hpp", "#include <simdjson.h>", "has its home in feeds"),
    ("base/result.hpp", "#include <gtest/gtest.h>", "has its home in no room"),
    ("base/result.hpp", "#include <rapidjson/document.h>", "is of no known vendor"),
    ("base/result.hpp", "#  include <curl/curl.h>", "has its home in net"),
    ("windows/bar_builder.hpp", "#include <thread>", "threads live in pipeline/"),
    ("windows/bar_builder.hpp", '#include "base/log.hpp"', "no log, clock or I/O"),
    ("market/trade.hpp", "#include <fstream>", "does no I/O"),
    ("feeds/feed.hpp", "#include <fstream>", "files go through base/disk.hpp"),
    ("net/http_server.hpp", '#include "net/connection.hpp"', "no vendor's header behind a door"),
    ("feeds/feed.hpp", "#include <simdjson.h>", "no vendor's header behind a door"),
    ("common/strings.hpp", "#include <string>", "lies in no known room"),
]


class CheckIncludes(unittest.TestCase):
    def complaints(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                file = Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            return list(check_includes.Tree(Path(folder)).violations())

    def test_a_clean_tree_passes(self):
        self.assertEqual(self.complaints(CLEAN), [])

    def test_every_planted_violation_is_seen(self):
        for path, line, complaint in PLANTED:
            with self.subTest(f"{path}: {line}"):
                before = CLEAN.get(path, "")
                found = self.complaints({**CLEAN, path: before + line + "\n"})
                said = [text for where, _, text in found if complaint in text]
                self.assertTrue(said, f"not seen; all complaints: {found}")

    def test_the_complaint_names_the_line(self):
        files = {**CLEAN, "store/store.hpp": '// a\n\n#include "feeds/feed.hpp"\n'}
        self.assertEqual([(path, line) for path, line, _ in self.complaints(files)],
                         [("store/store.hpp", 3)])

    def test_the_tree_as_it_is_passes(self):
        tree = check_includes.Tree(ROOT / "src")
        self.assertGreater(len(tree.includes), 0)
        self.assertEqual(list(tree.violations()), [])


if __name__ == "__main__":
    unittest.main()
