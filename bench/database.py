"""One psql that stays connected, for a harness without a driver."""

import os
import subprocess

MARK = "-- end of the answer --"


class Database:
    """Runs statements; an error of any of them ends the harness."""

    def __init__(self):
        self.psql = subprocess.Popen(
            [os.environ["PSQL"], "-XAtq",
             "-v", "ON_ERROR_STOP=1", "-F", "\t"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = int(self.value("SELECT pg_backend_pid()"))

    def rows(self, sql):
        """Run statements; returns the rows as lists of strings."""
        print(sql + ";", "\\echo " + MARK, sep="\n",
              file=self.psql.stdin, flush=True)
        rows = []
        for line in self.psql.stdout:
            line = line.rstrip("\n")
            if line == MARK:
                return rows
            rows.append(line.split("\t"))
        raise SystemExit("psql ended at: " + sql)

    def value(self, sql):
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()
