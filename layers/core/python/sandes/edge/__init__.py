"""Where the logic meets Lambda and API Gateway: settings, wiring, event shapes, the error boundary."""
