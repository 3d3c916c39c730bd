"""Builds the CDK app: one service stack of flat constructs, the same on AWS and on the local engine."""
