"""bench/soak.py: half an hour of live trades with faults: is memory flat, is all of it there?"""

import http.client
import json
import re
import time

import lines
from serving import Failed, Program, middle

SECONDS, QUICK_SECONDS = 1800, 30
RATE = 2000  # trades a second, of all symbols
SYMBOLS = 20
FAULTS_A_MINUTE = 4
PATIENCE_S = 120  # for what is fetched behind the end


def write_trades(path, seconds):
    with open(path, "w", encoding="utf-8") as out:
        out.write("symbol,time,price,size,id,side\n")
        for i in range(seconds * RATE):
            out.write(f"S{i % SYMBOLS}USDT,{1_700_000_000_000 + i * 1000 // RATE},"
                      f"{37_000 + i % 997 / 100:.2f},{(i % 9973 + 1) / 1e8:.8f},"
                      f"{i // SYMBOLS + 1},{'buy' if i % 2 else 'sell'}\n")
    return seconds * RATE


def soak(bench, progress):
    seconds = QUICK_SECONDS if bench.options.quick else SECONDS
    folder = bench.fresh("soak")
    folder.mkdir(parents=True)
    trades = write_trades(folder / "trades.csv", seconds)
    faults = max(2, seconds * FAULTS_A_MINUTE // 60)
    with Program(bench.options.tapedeck, folder / "venue", "emulate", "binance", "../trades.csv",
                 "--map", "symbol=symbol,time=time:ms,price=price,size=size,id=id,side=side",
                 "--faults", faults, "--seed", "1", "--mute", "5s") as venue:
        url = venue.until("the venue's address", lambda: re.search(
            r"at (ws://\S+)\n", venue.out.read_text()))[1]
        (folder / "run").mkdir()
        symbols = ", ".join(f'"S{i}USDT"' for i in range(SYMBOLS))
        rest = re.match(r"ws(://[^/]+)", url)[1]
        (folder / "run/pipeline.toml").write_text(
            f'[tape]\ndir = "tape"\n[store]\ndir = "store"\n[[feed]]\nid = "venue"\n'
            f'venue = "binance"\nsymbols = [{symbols}]\nurl = "{url}"\nrest_url = "http{rest}"\n'
            '[api]\nlisten = "127.0.0.1:0"\n[[bars]]\ninterval = "1s"\n', "utf-8")
        with Program(bench.options.tapedeck, folder / "run", "run", "pipeline.toml") as program:
            program.find_address()
            connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=60)

            def ask(path):
                return json.loads(program.get(connection, path))

            series = "binance/trade/S0USDT"
            rss_mb, came, begun = [], 0, time.monotonic()
            while came < trades:
                passed = time.monotonic() - begun
                if passed > seconds + PATIENCE_S:
                    raise Failed(f"{came} of {trades} trades came")
                time.sleep(1)
                ask(f"/api/v1/bars?series={series}&interval=1s&limit=500")  # somebody looks
                if passed < seconds:
                    rss_mb.append(program.memory_mb("VmRSS"))
                if passed < seconds and len(rss_mb) % 60 != 0:
                    continue
                days = ask("/api/v1/quality/days?limit=1000")["days"]
                came = sum(int(day["trades"]) for day in days)
                progress(f"soak_mb: {passed:.0f} of {seconds} s, {came} of {trades} trades, "
                         f"{rss_mb[-1]:.0f} MB")
            cpu = program.cpu_s() / seconds
            feed = ask("/api/v1/status")["feeds"][0]
    third = len(rss_mb) // 3
    return lines.line_of(
        "soak_mb", "MB", rss_mb[2 * third:], "memory in the second third of the same time",
        rss_mb[third:2 * third], seconds=seconds, trades=trades, came=came, faults=faults,
        refused=feed["refused"], duplicates=feed["duplicates"], cores=lines.digits6(cpu),
        first_third_mb=lines.digits6(middle(rss_mb[:third])))
