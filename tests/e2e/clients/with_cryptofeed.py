"""Trades of Binance by cryptofeed from PyPI, from another address than the venue's.

    with_cryptofeed.py HOST:PORT SYMBOL COUNT

Prints "id price size" of the first COUNT trades and ends.
"""

import asyncio
import os
import sys

from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Binance

address, symbol, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
Binance.websocket_endpoints = [WebsocketEndpoint(f"wss://{address}")]
Binance.rest_endpoints = [RestEndpoint(f"https://{address}", routes=Routes("/api/v3/exchangeInfo"))]


async def on_trade(trade, _):
    global count
    if count > 0:
        print(trade.id, trade.price, trade.amount, flush=True)
    count -= 1
    if count == 0:
        os._exit(0)


handler = FeedHandler()
handler.add_feed(Binance(symbols=[symbol], channels=[TRADES], callbacks={TRADES: on_trade}))
asyncio.set_event_loop(asyncio.new_event_loop())  # newer uvloop makes none by itself
handler.run()
