"""One objective a module: ``make(seed) -> Objective``. The name of the module is that of the family."""
