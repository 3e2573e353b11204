"""A real Ethereum node (anvil) for tests; ``perunika_cli.stack.node`` starts it."""

import tempfile
from pathlib import Path

from eth_account import Account

from perunika_cli.stack.node import Node as StackNode


class Node:
    """``with Node() as node``: ``url``, ``accounts`` (funded, as eth_account LocalAccount), ``kill()``, ``restart()``.

    ``block_time`` in seconds; None mines one block for each transaction. ``restart`` goes on with the same chain.
    """

    def __init__(self, block_time=None):
        self._directory = tempfile.TemporaryDirectory()
        self._node = StackNode(Path(self._directory.name), block_time_s=block_time, keep_chain=True)
        self.url, self.chain_id = self._node.rpc_url, self._node.chain_id
        self.call, self.kill, self.advance = self._node.call, self._node.kill, self._node.advance
        self.pause, self.resume = self._node.pause, self._node.resume

    @property
    def accounts(self):
        return [Account.from_key(account.private_key) for account in self._node.accounts]

    def mine(self, blocks):
        self.call("anvil_mine", hex(blocks))

    def stop(self):
        self._node.stop()

    def restart(self):
        self._node.start()

    def __enter__(self):
        self._node.start()
        return self

    def __exit__(self, *_):
        self._node.kill()
        self._directory.cleanup()
