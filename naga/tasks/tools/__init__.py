"""Tool use: calls as text, a calculator and tables, the loop of an agent."""

from naga.tasks.tools.calculator import ToolError, calculate
from naga.tasks.tools.calls import ToolCall, read_calls, write_call, write_responses
from naga.tasks.tools.environment import Step, Tool, Toolbox, ToolEnvironment
from naga.tasks.tools.tool_use import ToolUse, declare_tools

__all__ = [
    "Step",
    "Tool",
    "ToolCall",
    "ToolEnvironment",
    "ToolError",
    "ToolUse",
    "Toolbox",
    "calculate",
    "declare_tools",
    "read_calls",
    "write_call",
    "write_responses",
]
