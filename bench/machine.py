"""What processes and the machine use, from /proc."""

import os

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat behind the name, the state first."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()
    except OSError:
        return None


def _processes():
    """Parent, and own and reaped children's CPU seconds, by process."""
    found = {}
    for name in os.listdir("/proc"):
        stat = _stat(name) if name.isdigit() else None
        if stat:
            ticks = [int(t) for t in stat[11:15]]
            found[int(name)] = (int(stat[1]), sum(ticks[:2]) / TICK,
                                sum(ticks[2:]) / TICK)
    return found


def tree(roots):
    """The processes of these and their descendants."""
    processes = _processes()
    members = {pid for pid in roots if pid in processes}
    while True:
        more = {pid for pid, (parent, _, _) in processes.items()
                if parent in members} - members
        if not more:
            return members
        members |= more


def tree_cpu(roots):
    """CPU seconds of these and their descendants, the ended ones too."""
    processes = _processes()
    return sum(sum(processes[pid][1:]) for pid in tree(roots)
               if pid in processes)


def machine_cpu():
    """CPU seconds of everything that runs on the machine."""
    with open("/proc/stat") as f:
        ticks = [int(t) for t in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICK


def thread_cpu(pids):
    """CPU seconds of live processes, to the nanosecond."""
    total = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def memory(pid, field):
    """A field of /proc/PID/status, in MB."""
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0
