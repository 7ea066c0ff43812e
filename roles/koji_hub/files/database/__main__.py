# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`python3 -m database --online|--offline --admin NAME`; the server by PGHOST, PGPASSWORD and so on.

Says how it ended as JSON, on standard output and for Kubernetes; exit code 3: the hub has to stand still for this.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from . import bring, connect
from .outcome import FAILED, Outcome, Refused
from .versions import SchemaFiles

TERMINATION_MESSAGE = Path("/dev/termination-log")


def arguments() -> argparse.Namespace:
    """What to do."""
    parser = argparse.ArgumentParser(prog="database")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--online", action="store_true", help="only what a running hub doesn't notice")
    how.add_argument("--offline", action="store_false", dest="online", help="all of it: no hub runs")
    parser.add_argument("--admin", required=True, metavar="NAME", help="the hub's first admin")
    parser.add_argument("--principal", default="", help="the admin's Kerberos principal")
    parser.add_argument("--backup", type=Path, metavar="FOLDER", help="dump the database there before an upgrade")
    return parser.parse_args()


def run(args: argparse.Namespace) -> Outcome:
    """Do it; what a person has to mend is an outcome as well."""
    try:
        wish = bring.Wish(SchemaFiles.find(), args.admin, args.principal, args.online, args.backup)
        with closing(connect.connect(connect.PATIENCE)) as connection:
            return bring.bring_in_line(connection, wish)
    except Refused as refused:
        return Outcome(FAILED, refused.reason, refused.message)


def main() -> int:
    """Return the exit code."""
    connect.tidy_environment()
    outcome = run(arguments())
    print(outcome.as_json(), flush=True)
    if TERMINATION_MESSAGE.exists():
        TERMINATION_MESSAGE.write_text(outcome.as_json(), encoding="utf-8")
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
