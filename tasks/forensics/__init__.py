"""Forensics: cases in, explanations out that a reviewer can check claim by claim."""
