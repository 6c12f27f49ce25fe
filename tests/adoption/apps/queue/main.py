"""An app that puts jobs into a queue; `arq main.WorkerSettings` works them off beside it."""

import os
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI
from redis.asyncio import Redis

from etter_obs import counted, get_logger, setup_observability

log = get_logger(__name__)
settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])


@counted("mail")
async def send_mail(ctx: dict, address: str) -> str:
    log.info("mail sent", address=address, password="hunter2-secret")
    return address


class WorkerSettings:
    functions = [send_mail]
    redis_settings = settings
    max_jobs = 2


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.queue = await create_pool(settings)
    client = Redis.from_url(os.environ["REDIS_URL"])
    setup_observability(app, redis=client)
    yield
    await app.state.queue.aclose()
    await client.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/mails/{address}", status_code=202)
async def mail(address: str):
    job = await app.state.queue.enqueue_job("send_mail", address)
    return {"job": job.job_id}


setup_observability(app)
