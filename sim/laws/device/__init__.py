"""The device forms of laws: pure JAX functions of padded batches. See `on_device` in `sim.laws.device.law`."""
