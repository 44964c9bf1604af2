"""Benchmarks: suites, scorers, reports and comparisons that can be trusted"""
