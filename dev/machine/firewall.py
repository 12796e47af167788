"""The rules that engines make in iptables, and the chains that they share."""

from dev.machine import as_root

PROGRAMS = ("iptables", "ip6tables")
TABLES = ("nat", "filter")
PREFIX = "DOCKER"
"""What the name of each chain of an engine begins with."""

Rule = list[str]


def list_rules(program: str, table: str) -> list[Rule]:
    """Return what `iptables -S` prints, in words: policies, chains and rules."""
    printed = as_root.run(program, "-w", "-t", table, "-S", check=False).stdout
    return [line.split() for line in printed.splitlines()]


def remove_rules(interface: str) -> None:
    """Remove each rule that names an interface."""
    for program in PROGRAMS:
        for table in TABLES:
            for append, *words in list_rules(program, table):
                if append == "-A" and interface in words:
                    as_root.run(program, "-w", "-t", table, "-D", *words, check=False)


def remove_chains() -> None:
    """Remove the chains that every engine makes and none removes, unless they are in use."""
    for program in PROGRAMS:
        listed = {table: list_rules(program, table) for table in TABLES}
        if not any(map(in_use, listed.values())):
            for table, rules in listed.items():
                _remove_chains(program, table, rules)


def in_use(rules: list[Rule]) -> bool:
    """Tell whether a chain of the engines does more than to call another, or to return."""
    own = [rule[2:] for rule in rules if rule[0] == "-A" and rule[1].startswith(PREFIX)]
    return any(
        words[:1] != ["-j"] or not (words[1] == "RETURN" or words[1].startswith(PREFIX))
        for words in own
    )


def _remove_chains(program: str, table: str, rules: list[Rule]) -> None:
    for append, *words in rules:
        if append == "-A" and any(word.startswith(PREFIX) for word in (words[0], words[-1])):
            as_root.run(program, "-w", "-t", table, "-D", *words, check=False)
    for append, *words in rules:
        if append == "-N" and words[0].startswith(PREFIX):
            as_root.run(program, "-w", "-t", table, "-X", words[0], check=False)
