"""A peer of the front: FastAPI and asyncpg, as an engineer writes it who knows
both.  Tokens that were verified are remembered."""

import functools
import json
import os
from contextlib import asynccontextmanager

import asyncpg
import jwt
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from jsonschema import Draft202012Validator

KEY = jwt.PyJWK(json.loads(os.environ["JWK"])).key
VALIDATOR = Draft202012Validator(json.loads(os.environ["SCHEMA"]))
ACCEPTED = b'{"success":true,"statusCode":202}'


@asynccontextmanager
async def lifespan(application):
    application.state.pool = await asyncpg.create_pool(os.environ["DSN"], min_size=4, max_size=8)
    yield
    await application.state.pool.close()


app = FastAPI(lifespan=lifespan)


@functools.lru_cache(maxsize=1000)
def claims_of(authorization):
    return jwt.decode(authorization.removeprefix("Bearer "), KEY, algorithms=["EdDSA"], issuer="gate")


def subject_of(request):
    try:
        return claims_of(request.headers.get("authorization", ""))["sub"]
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error


@app.post("/topics/{topic}")
async def publish(topic: str, request: Request):
    subject = subject_of(request)
    body = await request.body()
    event = json.loads(body)
    if not VALIDATOR.is_valid(event):
        raise HTTPException(400)
    await request.app.state.pool.execute(
        "INSERT INTO peer_events (event_id, topic, payload, subject) VALUES ($1, $2, $3::jsonb, $4)"
        " ON CONFLICT DO NOTHING", event["event_id"], topic, body.decode(), subject)
    return Response(ACCEPTED, 202, media_type="application/json")


@app.get("/users/{user}/services")
async def services(user: str, request: Request):
    subject_of(request)
    rows = await request.app.state.pool.fetch(
        "SELECT service_id, service_name, last_accessed FROM user_services"
        " WHERE user_id = $1 ORDER BY last_accessed DESC, service_id", user)
    return Response(json.dumps({"user_id": user, "services": [
        {"service_id": r[0], "service_name": r[1], "last_accessed": r[2].strftime("%Y-%m-%dT%H:%M:%SZ")}
        for r in rows]}), media_type="application/json")
