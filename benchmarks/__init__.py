"""Speed and memory of `l2l_core`, held against other ways of doing the same work on the same machine.

    make bench                          everything, into results/benchmarks/
    python -m benchmarks B1 B2          some of it, into runs/benchmarks/
    python -m benchmarks --help

A run that was broken off goes on where it stopped, as long as its unfinished file (`.part`) and the code are the same;
only a whole one becomes a result.

Absolute numbers depend on the machine and on what else it does; ratios measured side by side do so far less. So each
*side* (`sides/`) of each *workload* (`workloads.py`) is a process of its own (`worker.py`), pinned to its cores, and
the sides take turns (`race.py`), only one of them running at a time. Before any clock starts, all sides must have
computed the same losses and the same meta-gradient (`check.py`). One thread is timed by process CPU time, which other
processes on the machine hardly touch, two threads by wall time. What the machine itself could reach is measured in
the same run (`roofline.py`, `floor.py`), and where a window's time goes (`anatomy.py`).
"""
