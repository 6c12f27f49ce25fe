"""WebSockets, server-sent events and GraphQL."""

import asyncio

import strawberry
from fastapi import FastAPI, WebSocket
from sse_starlette.sse import EventSourceResponse
from strawberry.fastapi import GraphQLRouter

from etter_obs import setup_observability


@strawberry.type
class Query:
    @strawberry.field
    async def hello(self, name: str) -> str:
        return f"hello {name}"

    @strawberry.field
    def broken(self) -> str:
        raise ValueError("on purpose")


app = FastAPI()
setup_observability(app)
app.include_router(GraphQLRouter(strawberry.Schema(Query)), prefix="/graphql")


@app.websocket("/chat/{room}")
async def chat(socket: WebSocket, room: str):
    await socket.accept()
    while True:
        await socket.send_text(f"{room}: {await socket.receive_text()}")


@app.get("/events")
async def events():
    async def numbers():
        for number in range(3):
            yield {"data": str(number)}
            await asyncio.sleep(0.01)

    return EventSourceResponse(numbers())
