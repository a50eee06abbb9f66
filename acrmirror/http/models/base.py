"""What every model is: nothing beyond its fields."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["queued", "running", "waiting", "interrupted", "done", "incomplete", "failed", "gone", "cancelled"]
Count = Annotated[int, Field(ge=0)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
