"""Runs ``atoll COMMAND`` (also ``python -m atoll``)."""

import argparse
import os
import sys
from pathlib import Path

from atoll import exits, home
from atoll.terminal import complain, say


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    top = argparse.ArgumentParser(
        prog="atoll",
        description="Start, stop and look after the Atoll platform on this machine.",
        epilog=exits.EXPLAINED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--home", metavar="DIR", help="where the platform lives (ATOLL_HOME; default: ./var)"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[shared])

    up = add("up", "start everything and stay until Ctrl-C")
    port = os.environ.get("ATOLL_PORT", "8000")
    up.add_argument(
        "--port", type=_port, default=port, help="the gateway's port (ATOLL_PORT; default: 8000)"
    )
    up.add_argument("--detach", action="store_true", help="return when everything is ready")
    up.add_argument("--workers", type=_workers, default=1, help="processes of each service (1)")
    add("down", "stop what `atoll up` started")
    status = add("status", "show every process, its port and how often it was restarted")
    status.add_argument("--json", action="store_true")
    logs = add("logs", "show what the services wrote")
    logs.add_argument("service", nargs="?", metavar="SERVICE")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as more is written")
    reset = add("reset", "put the start state back, in under five seconds")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    demo = add("demo", "run a journey and tell what each call does")
    demo.add_argument(
        "journey",
        nargs="?",
        default="licence",
        choices=("licence", "birth", "ferry", "all"),
        help="a department's licence (the default), a council's birth, a business's ticket, or all",
    )
    demo.add_argument("--application", metavar="ID", help="the same ID never acts twice")
    demo.add_argument("--json", action="store_true", help="one JSON object a line")
    doctor = add("doctor", "name what is wrong with this machine")
    doctor.add_argument(
        "--port", type=_port, default=port, help="the port to look at (ATOLL_PORT; default: 8000)"
    )
    credentials = add("credentials", "show the demonstration's people, programs and keys")
    credentials.add_argument("--json", action="store_true")
    keys = add("keys", "list, rotate or withdraw the keys that sign tokens")
    keys.add_argument("action", choices=("list", "rotate", "withdraw"))
    keys.add_argument("kid", nargs="?", metavar="KEY", help="the key to withdraw")
    keys.add_argument("--algorithm", choices=("ES256", "RS256"), help="rotate this kind only")
    keys.add_argument("--reason", metavar="TEXT", help="why a key is withdrawn (kept with it)")
    keys.add_argument("--json", action="store_true")
    _client_parser(add("client", "register, list, approve or remove programs"))
    _agreement_parser(add("agreement", "say which program may call which service, and how often"))
    log = add("log", "check that nothing in the exchange log was changed")
    log.add_argument("action", choices=("verify",))
    log.add_argument("--head", metavar="FILE", help="where the last head is kept (in the home)")
    log.add_argument("--json", action="store_true")
    load = add("load", "load an RSF or CSV file into a register")
    load.add_argument("file", type=Path, metavar="FILE", help="FILE.rsf or FILE.csv")
    load.add_argument("--register", metavar="ID", help="the register, where the file does not say")
    load.add_argument("--dry-run", action="store_true", help="check every row and load nothing")
    load.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="COLUMN=FIELD",
        help="for columns of a CSV file",
    )
    load.add_argument("--relaxed", action="store_true", help="take what old RSF files hold")
    load.add_argument("--json", action="store_true")
    verify = add("verify", "make every hash and tile of the registers again from their entries")
    verify.add_argument("register", nargs="?", metavar="REGISTER", help="only this one")
    verify.add_argument("--json", action="store_true")
    follow = add("follow", "mirror a register of any platform; refuse a rewritten history")
    follow.add_argument("url", metavar="URL", help="http://localhost:8000/registers/island")
    follow.add_argument("--into", metavar="DIR", help="where the mirror is kept (island-mirror)")
    follow.add_argument("--vkey", metavar="KEY", help="the register's key, from its custodian")
    follow.add_argument("--once", action="store_true", help="pull once and end")
    setup = add("setup", "make keys, passwords and the start state, if there are none")
    setup.add_argument("--postgres", metavar="HOST", help="PostgreSQL instead of SQLite files")
    setup.add_argument("--quiet", action="store_true", help=argparse.SUPPRESS)
    banner = add("banner", "show what a newcomer needs, once everything is ready")
    banner.add_argument("--command", dest="called", default="atoll", help=argparse.SUPPRESS)
    banner.add_argument("--stay", action="store_true", help="tell when a component goes away")
    return top


def _client_parser(client: argparse.ArgumentParser) -> None:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    actions = client.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name: str, text: str, what: str | None = "PROGRAM") -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text, description=text, parents=[shared])
        if what:
            parser.add_argument("what", metavar=what)
        return parser

    add("add", "register the program that RFC 7591 metadata describe (- reads them)", "FILE.json")
    listed = add("list", "list programs", None)
    listed.add_argument("--waiting", action="store_true", help="those that wait for approval")
    listed.add_argument("--json", action="store_true")
    add("show", "print one program's registration")
    for name in ("approve", "refuse"):
        decide = add(name, f"{name} what waits: a person decides, this carries it out")
        decide.add_argument("--by", metavar="USER", required=True, help="who decides")
        decide.add_argument("--reason", metavar="TEXT", required=True, help="kept in the audit")
    rotate = add("rotate-secret", "give a program a new secret and print it")
    rotate.add_argument(
        "--overlap", type=int, metavar="SECONDS", help="how long the former goes on (a day)"
    )
    remove = add("remove", "end a program for good")
    remove.add_argument("--reason", metavar="TEXT", help="kept in the audit")
    for parser in actions.choices.values():  # everything but the two lists prints JSON anyway
        if parser is not listed:
            parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)


def _agreement_parser(agreement: argparse.ArgumentParser) -> None:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    shared.add_argument("--json", action="store_true")
    actions = agreement.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text, parents=[shared])

    listed = add("list", "list agreements with the last call of each")
    listed.add_argument("--client", metavar="PROGRAM")
    listed.add_argument("--service", metavar="SERVICE")
    listed.add_argument("--unused", action="store_true", help="those not used for long")
    made = add("add", "let a program call a service")
    made.add_argument("client", metavar="PROGRAM")
    made.add_argument("service", metavar="SERVICE")
    made.add_argument("--basis", metavar="TEXT", required=True, help="the law it rests on")
    made.add_argument("--since", metavar="DAY", help="the first day (2026-12-31); today")
    made.add_argument("--until", metavar="DAY", help="the last day; none")
    ended = add("end", "end an agreement now")
    ended.add_argument("agreement", metavar="AGREEMENT")
    ended.add_argument("--reason", metavar="TEXT", required=True, help="kept with it")
    plan = add("plan", "show plans, or put a program on one")
    plan.add_argument("client", metavar="PROGRAM", nargs="?")
    plan.add_argument("plan", nargs="?", choices=("trial", "standard", "platform"))


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except exits.Stop as stop:
        complain(stop.message)
        return stop.code
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:  # `atoll logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.DONE


def _run(options: argparse.Namespace) -> int:
    place = home.choose(options.home)
    if options.command in ("up", "down"):
        from atoll import up

        if options.command == "down":
            return up.down(place)
        return up.up(place, options.port, options.workers, detach=options.detach)
    if options.command == "setup":
        from atoll import setup

        place.prepare()
        made = setup.run(place, options.postgres)
        if not options.quiet:
            say("Keys, passwords and the start state are made." if made else "All made already.")
        return exits.DONE
    if options.command == "doctor":
        from atoll import doctor

        return doctor.check(place, options.port)
    if options.command == "keys":
        return _keys(place, options)
    if options.command == "client":
        return _client(place, options)
    if options.command == "agreement":
        return _agreement(place, options)
    if options.command == "log":
        from atoll import log_command

        return log_command.verify(place, options.head, as_json=options.json)
    if options.command == "load":
        from atoll import load_command

        return load_command.load(
            place,
            options.file,
            options.register,
            options.map,
            dry_run=options.dry_run,
            relaxed=options.relaxed,
            as_json=options.json,
        )
    if options.command == "verify":
        from atoll import verify_command

        return verify_command.verify(place, options.register, as_json=options.json)
    if options.command == "follow":
        from atoll import follow_command

        return follow_command.follow(options.url, options.into, options.vkey, once=options.once)
    from atoll import commands

    match options.command:
        case "status":
            return commands.status(place, as_json=options.json)
        case "logs":
            return commands.logs(place, options.service, follow=options.follow)
        case "reset":
            return commands.reset(place, yes=options.yes)
        case "credentials":
            return commands.show_credentials(place, as_json=options.json)
        case "banner":
            return commands.show_banner(place, options.called, stay=options.stay)
        case _:
            extra = ["--json"] if options.json else []
            if options.application:
                extra += [f"--application={options.application}"]
            return commands.demo(place, options.journey, extra)


def _keys(place: home.Home, options: argparse.Namespace) -> int:
    from atoll import keys_command

    match options.action:
        case "list":
            return keys_command.show(place, as_json=options.json)
        case "rotate":
            return keys_command.rotate(place, options.algorithm, as_json=options.json)
        case _:
            if not options.kid or not options.reason:
                raise exits.Stop("Say which key and why: atoll keys withdraw KEY --reason TEXT", 2)
            return keys_command.withdraw(place, options.kid, options.reason, as_json=options.json)


def _client(place: home.Home, options: argparse.Namespace) -> int:
    from atoll import client_command

    if options.action == "add":
        return client_command.add(place, options.what)
    if options.action == "list":
        return client_command.listed(place, waiting=options.waiting, as_json=options.json)
    match options.action:
        case "show":
            return client_command.show(place, options.what)
        case "rotate-secret":
            return client_command.rotate_secret(place, options.what, options.overlap)
        case "remove":
            return client_command.remove(place, options.what, options.reason, as_json=options.json)
        case decision:
            return client_command.decide(place, options.what, decision, options.by, options.reason)


def _agreement(place: home.Home, options: argparse.Namespace) -> int:
    from atoll import agreement_command as command

    in_json = options.json
    match options.action:
        case "list":
            who, what = options.client, options.service
            return command.listed(place, who, what, unused=options.unused, as_json=in_json)
        case "add":
            days = (options.since, options.until)
            return command.add(
                place, options.client, options.service, options.basis, *days, as_json=in_json
            )
        case "end":
            return command.end(place, options.agreement, options.reason, as_json=in_json)
        case _:
            return command.plan(place, options.client, options.plan, as_json=in_json)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers (1 to 64)")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
