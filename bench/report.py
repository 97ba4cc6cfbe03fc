"""How a figure is shown beside its goal."""


def goal(what, value, wanted, at_least):
    """Print one; wanted may be None."""
    met = wanted is None or (value >= wanted if at_least else value <= wanted)
    print(f"{what:50}{value:8.2f}" + (
        "" if wanted is None else
        f"   goal {'>=' if at_least else '<='} {wanted:g}"
        + ("" if met else "   MISSED")))
