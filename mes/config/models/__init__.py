"""The sections of a plant's file as pydantic models."""
