"""How fast Bienvenue is beside what people write without it, in one run: ``make bench``."""
