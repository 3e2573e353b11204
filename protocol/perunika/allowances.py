"""What a member lets each payer key spend, and the fees that it pays to the hub for them (flow 7)."""

from perunika.basic import pay_basic, send_voucher
from perunika.ledger import (
    free_cash,
)
from perunika.records import (
    ALICE,
    Allowance,
    allowance_key,
    basic_key,
)


def on_allowed(ctx, me, payer, limit, max_fee, paused=0):
    """Let ``payer`` lock up to ``limit`` wei of our channel in all; keeps what it has used already (flow 7)."""
    known = ctx.load(Allowance, allowance_key(payer))
    used = known.used if known is not None else 0
    ctx.save(allowance_key(payer), Allowance(limit, used, max_fee, paused))


def change_allowance(ctx, payer, difference):
    allowance = ctx.load(Allowance, allowance_key(payer))
    if allowance is not None:
        ctx.save(allowance_key(payer), allowance.replace(used=max(0, allowance.used + difference)))


def pay_fees(ctx, me, basic):
    """Pay the fees that we owe as far as our free cash goes, the rest when there is more; saves the record."""
    ctx.save(basic_key(basic.params.digest(ctx.domain)), basic)
    amount = min(basic.due - basic.ab, free_cash(basic)[ALICE])
    if amount > 0:
        basic = pay_basic(ctx, me.key, basic, amount)
    if basic.ab < basic.due:
        ctx.notify("fee waits", channel=basic.params.digest(ctx.domain), amount=basic.due - basic.ab)
    send_voucher(ctx, me, basic)
