"""The version of tme-sim: the package, run files and the command line all say this one."""

VERSION = "0.1.0"
