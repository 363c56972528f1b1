"""A client such as each venue's documentation shows it, with websocket-client from PyPI.

    over_websocket.py VENUE URL SYMBOL COUNT

Prints "id price size" of the first COUNT trades (of a venue without ids "- price size") and ends.
"""

import decimal
import json
import sys

import websocket

venue, url, symbol, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
asked = {
    "binance": {"method": "SUBSCRIBE", "params": [f"{symbol.lower()}@trade"], "id": 1},
    "coinbase": {"type": "subscribe", "product_ids": [symbol], "channels": ["matches"]},
    "kraken": {"method": "subscribe", "params": {"channel": "trade", "symbol": [symbol]}},
    "finnhub": {"type": "subscribe", "symbol": symbol},
}[venue]


def trades(message):
    if venue == "binance":
        data = message.get("data", message)
        if data.get("e") == "trade":
            yield data["t"], data["p"], data["q"]
    if venue == "coinbase" and message["type"] == "match":
        yield message["trade_id"], message["price"], message["size"]
    if venue == "kraken" and message.get("channel") == "trade":
        for trade in message["data"]:
            yield trade["trade_id"], trade["price"], trade["qty"]
    if venue == "finnhub" and message["type"] == "trade":
        for trade in message["data"]:
            yield "-", trade["p"], trade["v"]


def on_message(connection, text):
    global count
    for identity, price, size in trades(json.loads(text, parse_float=decimal.Decimal)):
        if count > 0:
            print(identity, price, size, flush=True)
        count -= 1
    if count <= 0:
        connection.close()


client = websocket.WebSocketApp(
    url, on_open=lambda connection: connection.send(json.dumps(asked)), on_message=on_message
)
client.run_forever()
