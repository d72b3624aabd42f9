"""A read-only collector library for OPC UA and Modbus controllers on asyncio; it knows nothing of mes."""
