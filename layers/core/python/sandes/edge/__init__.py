"""Connects the logic with Lambda and API Gateway: settings, wiring, events, the error boundary."""
