"""Sensors that need no wiring."""

from perunika_device import platform


def temperature():
    """Return the chip's temperature in hundredths of a degree Celsius.

    An ESP32 measures it. Where there is no such sensor (simulated boards) the value goes up and down between 18 and
    24 degrees once in ten minutes, by the clock: readings differ, and a test can tell which moment they are of.
    """
    try:
        import esp32

        return esp32.mcu_temperature() * 100
    except (ImportError, AttributeError):
        moment_s = platform.now_s() % 600
        return 1800 + 2 * min(moment_s, 600 - moment_s)
