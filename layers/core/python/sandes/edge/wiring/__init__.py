"""Builds the dependencies of each function, once per execution environment: a module for each group of functions."""
