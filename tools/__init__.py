"""What contributors run: layers, the local engine, specifications, benchmarks. Nothing here is deployed."""
