"""An MCP server with one tool, as its makers' package has it. Prints its URL when it listens.

python mcp_tools.py
"""

from __future__ import annotations

import socket

import uvicorn
from mcp.server.mcpserver import MCPServer

tools = MCPServer("house")


@tools.tool()
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"nine degrees in {city}"


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
        uvicorn.Server(uvicorn.Config(tools.streamable_http_app(), log_level="error")).run(sockets=[listener])
