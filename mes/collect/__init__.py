"""Turns a station's readings into events: pure, no clock, no input or output."""
