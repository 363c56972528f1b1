"""Asks an emulated venue with the vendor's own client: over_rest.py PACKAGE ADDRESS SYMBOL

finnhub-python (`Client.quote`, `Client.symbol_lookup`) and alpha_vantage
(`TimeSeries.get_intraday`, `get_daily`), with their documented calls; only the address is another.
Prints what came.
"""

import sys


def finnhub_python(address, symbol):
    import finnhub

    finnhub.Client.API_URL = f"{address}/api/v1"
    client = finnhub.Client(api_key="any")
    quote = client.quote(symbol)
    print("quote", repr(quote["c"]), repr(quote["o"]), quote["t"])
    for found in client.symbol_lookup(symbol)["result"]:
        print("symbol", found["symbol"])


def alpha_vantage(address, symbol):
    from alpha_vantage.alphavantage import AlphaVantage
    from alpha_vantage.timeseries import TimeSeries

    AlphaVantage._ALPHA_VANTAGE_API_URL = f"{address}/query?"
    series = TimeSeries(key="any")
    bars, meta = series.get_intraday(symbol, interval="1min", outputsize="full")
    print("zone", meta["6. Time Zone"])
    for time, bar in sorted(bars.items()):
        print("bar", time.replace(" ", "T"), *(bar[name] for name in sorted(bar)))
    days, _ = series.get_daily(symbol, outputsize="full")
    print("days", *sorted(days))
    try:
        series.get_intraday("NONE", interval="1min")
    except ValueError as error:
        print("refused", "Invalid API call" in str(error))


if __name__ == "__main__":
    {"finnhub-python": finnhub_python, "alpha_vantage": alpha_vantage}[sys.argv[1]](*sys.argv[2:])
