"""`POST /save_summary` in FastAPI, appending to a file: the yardstick of the summary API's route.

usage: SUMMARY_FILE=FILE python -m uvicorn fastapi_summary:app --host 127.0.0.1 --port PORT

Like the original design, it opens the file for each request and syncs nothing.
"""

import os
from datetime import datetime

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
path = os.environ["SUMMARY_FILE"]


class Summary(BaseModel):
    vehicle_plate: str
    entry_date_time: datetime
    exit_date_time: datetime


@app.post("/save_summary")
async def save_summary(summary: Summary):
    try:
        duration = summary.exit_date_time - summary.entry_date_time
        with open(path, "a") as file:
            file.write(f"{summary.vehicle_plate}, {summary.entry_date_time}, {summary.exit_date_time}, {duration}\n")
        return {"message": "Summary saved successfully"}
    except OSError as error:
        raise HTTPException(status_code=500, detail=f"Failed to save summary: {error}")
