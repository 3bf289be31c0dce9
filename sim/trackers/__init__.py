"""Experiment trackers: programs of others in which people look at runs. Finished runs are written for them.

A tracker is one file, `sim/trackers/<name>.py`, in this project or in an installed package. It defines:

- NEEDS: the names of the packages that it imports, which an extra of the same name installs;
- write(runs, folder): it writes runs (`sim.trackers._runs.Run`) into a new, empty folder, and sends nothing anywhere;
- LOOK: the command with which a person looks at them; `{folder}` stands for the folder.
"""
