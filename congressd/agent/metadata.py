"""An agent's metadata as XML, made from its tables, in the shape of the OCF API 1.0.

The 1.0 shape is the one that every consumer accepts: ocf-tester's DTD, both of pcs' schemas, Pacemaker. (1.1 adds
attributes that the first two refuse.)

Pacemaker calls the action ``reload`` of such an agent when a parameter has changed that is not ``unique``, and restarts
it when one is. Only of agents that say 1.1 is ``reload-agent`` called instead, and ``reload`` left to people. So here
one action serves both, and ``unique`` is also what a running daemon cannot change.
"""

from __future__ import annotations

from congressd.agent.ocf import Action, Agent, Parameter

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">\n'


def render(agent: Agent) -> str:
    """The whole document."""
    parameters = "".join(_parameter(parameter) for parameter in agent.parameters)
    actions = "".join(_action(action) for action in agent.actions)
    return (
        f"{_HEAD}"
        f'<resource-agent name="{_escaped(agent.name)}" version="{_escaped(agent.version)}">\n'
        f"<version>1.0</version>\n"
        f'<longdesc lang="en">{_escaped(agent.long)}</longdesc>\n'
        f'<shortdesc lang="en">{_escaped(agent.short)}</shortdesc>\n'
        f"<parameters>\n{parameters}</parameters>\n"
        f"<actions>\n{actions}</actions>\n"
        f"</resource-agent>\n"
    )


def _parameter(parameter: Parameter) -> str:
    default = f' default="{_escaped(parameter.default)}"' if parameter.default else ""
    return (
        f'<parameter name="{parameter.name}" unique="{int(parameter.unique)}" required="0">\n'
        f'<longdesc lang="en">{_escaped(parameter.long)}</longdesc>\n'
        f'<shortdesc lang="en">{_escaped(parameter.short)}</shortdesc>\n'
        f'<content type="{parameter.kind}"{default}/>\n'
        f"</parameter>\n"
    )


def _action(action: Action) -> str:
    interval = f' interval="{action.interval}s"' if action.interval is not None else ""
    depth = f' depth="{action.depth}"' if action.depth is not None else ""
    return f'<action name="{action.name}" timeout="{action.timeout}s"{interval}{depth}/>\n'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
