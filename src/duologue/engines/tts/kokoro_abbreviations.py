"""Abbreviations, units and signs of English, and what is said for them."""

from __future__ import annotations

TITLES = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "prof": "professor", "jr": "junior", "sr": "senior", "vs": "versus",
    "etc": "et cetera", "approx": "approximately", "inc": "incorporated", "ltd": "limited", "co": "company",
    "corp": "corporation", "ave": "avenue", "blvd": "boulevard", "rd": "road", "mt": "mount", "gen": "general",
    "sen": "senator", "gov": "governor", "rep": "representative", "capt": "captain", "lt": "lieutenant",
    "col": "colonel", "sgt": "sergeant", "rev": "reverend", "fig": "figure", "vol": "volume", "dept": "department",
    "est": "established", "min": "minimum", "max": "maximum", "hr": "hour", "hrs": "hours", "mins": "minutes",
}  # fmt: skip
# Said after a number; singular after one.
UNITS = {
    "km/h": "kilometers per hour", "kmh": "kilometers per hour", "mph": "miles per hour", "m/s": "meters per second",
    "km": "kilometers", "cm": "centimeters", "mm": "millimeters", "nm": "nanometers", "m": "meters",
    "kg": "kilograms", "mg": "milligrams", "g": "grams", "lb": "pounds", "lbs": "pounds", "oz": "ounces",
    "ft": "feet", "mi": "miles", "ml": "milliliters", "l": "liters", "ms": "milliseconds", "ns": "nanoseconds",
    "s": "seconds", "sec": "seconds", "min": "minutes", "h": "hours", "hr": "hours", "hrs": "hours", "Hz": "hertz",
    "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "W": "watts", "kW": "kilowatts", "MW": "megawatts",
    "kWh": "kilowatt hours", "V": "volts", "mV": "millivolts", "A": "amps", "mAh": "milliamp hours",
    "KB": "kilobytes", "kB": "kilobytes", "MB": "megabytes", "GB": "gigabytes", "GiB": "gibibytes", "TB": "terabytes",
    "PB": "petabytes", "Mbps": "megabits per second", "Gbps": "gigabits per second", "dB": "decibels", "px": "pixels",
    "fps": "frames per second", "rpm": "R.P.M.", "°C": "degrees Celsius", "°F": "degrees Fahrenheit", "°": "degrees",
    "%": "percent", "bpm": "beats per minute", "kcal": "kilocalories", "cal": "calories", "Pa": "pascals",
    "kPa": "kilopascals", "N": "newtons", "J": "joules", "x": "times", "sq ft": "square feet",
    "km²": "square kilometers", "m²": "square meters", "m³": "cubic meters", "cm²": "square centimeters",
}  # fmt: skip
SIGNS = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "×": "times", "÷": "divided by", "±": "plus or minus",
    "≈": "approximately", "≤": "less than or equal to", "≥": "greater than or equal to", "≠": "not equal to",
    "~": "about", "§": "section", "µ": "micro", "π": "pi", "√": "square root of", "∞": "infinity", "%": "percent",
    "°": "degrees", "$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "₹": "rupees",
}  # fmt: skip
FRACTION_SIGNS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅛": (1, 8), "⅜": (3, 8),
    "⅝": (5, 8),
}  # fmt: skip
# Not those that are words, letters or names of their own: I, V, X, L, C, D, M, MIX.
ROMAN = {
    "II": 2, "III": 3, "IV": 4, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "XI": 11, "XII": 12, "XIII": 13, "XIV": 14,
    "XV": 15, "XVI": 16, "XVII": 17, "XVIII": 18, "XIX": 19, "XX": 20, "XXI": 21,
}  # fmt: skip
# Read as numbers only after a word that is counted: "World War I".
ROMAN_LETTERS = {"I": 1, "V": 5, "X": 10}
# Without a full stop, as the British write them.
SHORT_TITLES = {
    "Mr": "mister", "Mrs": "missus", "Ms": "miz", "Dr": "doctor", "Prof": "professor", "vs": "versus",
    "Sept": "September",
}  # fmt: skip
