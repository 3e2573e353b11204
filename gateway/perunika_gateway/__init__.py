"""The gateway: bridges a site's devices to the hub, sells a metered service, keeps the payees' vouchers."""
