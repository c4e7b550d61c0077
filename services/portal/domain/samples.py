"""A call as it is pasted into a terminal: curl, Python and JavaScript."""

import json
import shlex
from collections.abc import Mapping

from services.portal.domain.contract import Call

LANGUAGES = ("curl", "python", "javascript")


def samples(call: Call, public_url: str, token: str | None) -> Mapping[str, str]:
    """Return the same call in each language, ready to paste, with its token if it has one."""
    url = public_url + call.target
    headers = dict(call.headers)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return {
        "curl": _curl(call, url, headers),
        "python": _python(call, url, headers),
        "javascript": _javascript(call, url, headers),
    }


def _curl(call: Call, url: str, headers: Mapping[str, str]) -> str:
    words = ["curl", "-i"] + ([] if call.method == "GET" else ["-X", call.method])
    words.append(shlex.quote(url))
    lines = [" ".join(words)]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    if call.body:
        lines.append(f"--data-binary {shlex.quote(call.body)}")
    return " \\\n  ".join(lines)


def _python(call: Call, url: str, headers: Mapping[str, str]) -> str:
    given = [repr(call.method), repr(url)]
    if headers:
        given.append(f"headers={dict(headers)!r}")
    if call.body:
        given.append(f"data={call.body!r}.encode()")
    given.append("timeout=10")
    arguments = ",\n    ".join(given)
    return _here(
        "python3 -",
        f"import requests\n\nanswer = requests.request(\n    {arguments},\n)\n"
        "print(answer.status_code, answer.reason)\nprint(answer.text)",
    )


def _javascript(call: Call, url: str, headers: Mapping[str, str]) -> str:
    options: dict[str, object] = {} if call.method == "GET" else {"method": call.method}
    if headers:
        options["headers"] = dict(headers)
    if call.body:
        options["body"] = call.body
    given = [json.dumps(url)]
    if options:
        given.append(json.dumps(options, indent=2, ensure_ascii=False))
    return _here(
        "node --input-type=module -",
        f"const answer = await fetch({', '.join(given)});\n"
        "console.log(answer.status, answer.statusText);\nconsole.log(await answer.text());",
    )


def _here(command: str, program: str) -> str:
    end = "EOF"
    while end in program:  # a line of the body must not end the program
        end += "_"
    return f"{command} <<'{end}'\n{program}\n{end}"
