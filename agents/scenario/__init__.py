"""What a simulated fleet is and what befalls it: a small YAML file, read once, when the agent starts. docs/simulated.md has it all.

seed: 7
product: NVIDIA H100 80GB HBM3
gpus: 8

nodes:              # only those that differ
  - name: node-2
    gpus: 4

faults:             # GPU 2 of node-2 is lost from the 30th second on, for a minute
  - {kind: lost, node: node-2, gpu: 2, at_s: 30, for_s: 60}
"""

from agents.scenario.faults import Fault, FaultKind
from agents.scenario.file import load
from agents.scenario.fleet import GIB, NodeGroup, Scenario, SimulatedNode
from agents.scenario.inventory import groups

__all__ = ["GIB", "Fault", "FaultKind", "NodeGroup", "Scenario", "SimulatedNode", "groups", "load"]
