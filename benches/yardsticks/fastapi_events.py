"""`POST /api/v1/events` in FastAPI with aio-pika: the yardstick of the gateway's route.

usage: AMQP_URL=URL QUEUE=NAME python -m uvicorn fastapi_events:app --host 127.0.0.1 --port PORT

It checks one event a request, publishes it as a persistent message to a quorum queue, and answers when RabbitMQ has confirmed.
"""

import os
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import aio_pika
from fastapi import FastAPI
from pydantic import BaseModel, model_validator

queue = os.environ["QUEUE"]
exchange = None


@asynccontextmanager
async def lifespan(app):
    global exchange
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
    # With publisher confirms, which is aio-pika's default.
    channel = await connection.channel()
    await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
    exchange = channel.default_exchange
    yield
    await connection.close()


app = FastAPI(lifespan=lifespan)


class GateEvent(BaseModel):
    id: UUID
    vehicle_plate: str
    entry_date_time: datetime | None = None
    exit_date_time: datetime | None = None
    lot_id: str | None = None

    @model_validator(mode="after")
    def has_one_time(self):
        if (self.entry_date_time is None) == (self.exit_date_time is None):
            raise ValueError("exactly one of entry_date_time and exit_date_time is needed")
        return self


@app.post("/api/v1/events", status_code=202)
async def take(event: GateEvent):
    body = event.model_dump_json(exclude_none=True).encode()
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, content_type="application/json")
    await exchange.publish(message, routing_key=queue)
    return {"accepted": 1}
