"""Modbus TCP and RTU: polls registers, checks every answer, and turns words into readings."""
