"""Debian's Slurm as a peer: installed, started on the loopback in a fresh folder, measured, and ended with nothing left."""
