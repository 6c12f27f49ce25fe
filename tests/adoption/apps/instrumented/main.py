"""An app that has Sentry, OpenTelemetry, its own Prometheus page and its own log file already."""

import logging.config
import os

import sentry_sdk
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, Counter, generate_latest

from etter_obs import setup_observability

logging.config.dictConfig(
    {
        "version": 1,
        "formatters": {"mine": {"format": "%(levelname)s %(message)s"}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "mine"},
            "file": {"class": "logging.FileHandler", "filename": "app.log", "formatter": "mine"},
        },
        "root": {"level": "INFO", "handlers": ["console", "file"]},
    }
)
sentry_sdk.init(os.environ["MY_SENTRY_DSN"], traces_sample_rate=0)
provider = TracerProvider(resource=Resource({"service.name": "mine"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(insecure=True)))
trace.set_tracer_provider(provider)

registry = CollectorRegistry()
orders = Counter("customer_orders", "By customer.", ["customer"], registry=registry)
bearer = HTTPBearer()
app = FastAPI()
FastAPIInstrumentor.instrument_app(app)


@app.get("/metrics", response_class=PlainTextResponse)
async def metrics(token: HTTPAuthorizationCredentials = Depends(bearer)):
    if token.credentials != "mine":
        raise HTTPException(403)
    return generate_latest(registry).decode()


@app.get("/order/{customer}")
async def order(customer: str):
    orders.labels(customer).inc()
    logging.getLogger("shop").warning("ordered for %s", customer)
    return customer


@app.get("/fails")
async def fails():
    raise RuntimeError("on purpose")


setup_observability(app)
